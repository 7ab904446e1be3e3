"""Waiting for a coroutine in a plain function while windows and tasks go on: `block_on()`."""

from __future__ import annotations

import asyncio
from asyncio import tasks
from collections.abc import Awaitable
from typing import TYPE_CHECKING, TypeVar

from . import _native

if TYPE_CHECKING:
    from ._running import Running

_T = TypeVar("_T")


def block_on(awaitable: Awaitable[_T]) -> _T:
    """Returns a coroutine's result to a plain function, such as a slot or a model's `data()`:

        def data(self, index, role=0):
            return qtloop.block_on(self.load(index.row()))

    Until then a nested Qt loop runs: windows, timers, sockets and the other tasks go on. A task
    that calls it holds up itself alone. Nested waits return innermost first. If the loop does not
    run yet, this is `run_until_complete()`.

    If the loop is stopped or the application quits during the wait, the coroutine has
    `loop.quit_grace` seconds to complete. Then it is cancelled and may clean up for as long again,
    and `asyncio.CancelledError` is raised here.

    Source: https://doc.qt.io/qt-6/qeventloop.html
    """
    from ._loop import QEventLoop  # both modules need this one
    from ._thread_loop import thread_loop

    loop = thread_loop()
    if not isinstance(loop, QEventLoop):
        if asyncio.iscoroutine(awaitable):
            awaitable.close()
        raise RuntimeError(f"block_on needs a qtloop.QEventLoop, but {loop!r} is running")
    return wait(loop, awaitable)


def nests(loop: Running) -> bool:
    """Whether `run_until_complete()` of a running loop may wait: `nest_asyncio.apply()` says so."""
    return loop.is_running() and hasattr(asyncio, "_nest_patched")


def wait(loop: Running, awaitable: Awaitable[_T]) -> _T:
    """Waits as `block_on()` does, for a loop of this thread."""
    if not loop.is_running() and _native.level() == 0:
        result: _T = loop.run_until_complete(awaitable)
        return result
    future: asyncio.Future[_T] = tasks.ensure_future(awaitable, loop=loop)
    if future is tasks.current_task(loop):
        raise RuntimeError(f"a task cannot wait for itself: {future!r}")
    for _ in range(2):
        loop._run_nested(future, loop.quit_grace)
        if future.done():
            return future.result()
        future.cancel()  # the grace is over
    raise asyncio.CancelledError
