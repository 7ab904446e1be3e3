"""`block_on()`, which waits for a coroutine in a plain function."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from . import _coroutines
from ._loop import QEventLoop
from ._thread_loop import thread_loop

_T = TypeVar("_T")


def block_on(awaitable: Awaitable[_T]) -> _T:
    """Waits for a coroutine and returns its result, in a plain function such as a slot:

        def data(self, index, role=0):
            return qtloop.block_on(self.load(index.row()))

    During the wait a nested event loop serves windows, timers, sockets and the other tasks. A task
    that calls it suspends only itself. Nested waits return innermost first. If neither the loop nor
    a Qt loop runs yet, this is `run_until_complete()`. Call it on the thread of a `QEventLoop`.

    An exception of the coroutine is raised here. If the loop is stopped or the application quits
    during the wait, the coroutine has `loop.quit_grace` seconds to complete. Then it is cancelled
    and has the same time to clean up, and `asyncio.CancelledError` is raised. RuntimeError is
    raised if the thread has no `QEventLoop`, or if a task waits for itself.

    Source: https://doc.qt.io/qt-6/qeventloop.html
    """
    if hint := _coroutines.hint(awaitable):
        raise TypeError(f"a coroutine was expected{hint}")
    loop = thread_loop()
    if not isinstance(loop, QEventLoop):
        if asyncio.iscoroutine(awaitable):
            awaitable.close()
        raise RuntimeError(f"block_on needs a qtloop.QEventLoop, but {loop!r} is running")
    return loop._block_on(awaitable)
