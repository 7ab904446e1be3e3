"""`asyncWrap()`, which runs a nested Qt loop, such as a dialog's `exec()`, outside any task."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")


async def asyncWrap(fn: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Calls a function that runs a nested Qt loop, like a dialog's `exec`, outside any task.

    If the wait is cancelled before the call, the function is not called. If it is cancelled during
    the call, the function still runs to its end, and its result is dropped.
    """
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[_T] = loop.create_future()

    def call() -> None:
        if outcome.done():
            return
        try:
            result = fn(*args, **kwargs)
        except (KeyboardInterrupt, SystemExit):
            outcome.cancel()
            raise  # stops the loop, as from any callback
        except BaseException as error:
            if outcome.done():
                raise  # to the loop's exception handler, because the wait was cancelled
            outcome.set_exception(error)
        else:
            if not outcome.done():
                outcome.set_result(result)

    loop.call_soon(call)
    return await outcome
