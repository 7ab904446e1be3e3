"""`asyncClose()`: a coroutine function as a plain one, for `closeEvent` and other handlers."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar, overload

from . import _native
from ._coroutines import Call, require_async
from ._loop import QEventLoop
from ._thread_loop import thread_loop

_P = ParamSpec("_P")
_T = TypeVar("_T")


@overload
def asyncClose(fn: Callable[_P, Coroutine[Any, Any, _T]], /) -> Callable[_P, _T | None]: ...
@overload
def asyncClose() -> Callable[[Callable[_P, Coroutine[Any, Any, _T]]], Callable[_P, _T | None]]: ...
def asyncClose(fn: Any = None) -> Any:
    """Makes a plain function of a coroutine function, for `closeEvent` and other handlers.

    It returns when the coroutine has completed. During the wait a nested event loop serves windows
    and tasks. The result is the coroutine's, or None if it was cancelled. If the loop is stopped
    or the application quits, the coroutine has `loop.quit_grace` seconds to complete; after that
    the result is None, and the coroutine's task stays pending. Call it on the thread of a
    `QEventLoop`; without one RuntimeError is raised.

    Source: https://doc.qt.io/qt-6/qwidget.html#closeEvent
    """
    if fn is None:
        return asyncClose  # written with parentheses
    require_async(fn, "asyncClose")
    call = Call(fn, "asyncClose")

    @functools.wraps(fn)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        loop = thread_loop()
        if not isinstance(loop, QEventLoop):
            raise RuntimeError(f"asyncClose needs a qtloop.QEventLoop, but {loop!r} is running")
        task = loop.create_task(call(args, kwargs))
        try:
            if loop.is_running() or _native.level() > 0:
                loop._run_nested(task, loop.quit_grace)
            else:
                loop.run_until_complete(task)
            return task.result() if task.done() else None
        except asyncio.CancelledError:
            return None

    return wrapper
