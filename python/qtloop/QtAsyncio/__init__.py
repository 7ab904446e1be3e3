"""The names of PySide6.QtAsyncio, for ported programs: `import qtloop.QtAsyncio as QtAsyncio`.

It works with any binding. Unlike QtAsyncio it supports sockets, processes and signal handlers. The
classes are asyncio's own and the loop is `qtloop.QEventLoop`. New programs use `qtloop.run()`.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from .._loop import QEventLoop
from . import events as events
from . import futures as futures
from . import tasks as tasks
from .events import QAsyncioEventLoop, QAsyncioHandle, QAsyncioTimerHandle
from .futures import QAsyncioFuture
from .tasks import QAsyncioTask

__all__ = [
    "QAsyncioEventLoop",
    "QAsyncioFuture",
    "QAsyncioHandle",
    "QAsyncioTask",
    "QAsyncioTimerHandle",
    "run",
]

if sys.version_info < (3, 16):
    from .events import QAsyncioEventLoopPolicy as QAsyncioEventLoopPolicy

    __all__ += ["QAsyncioEventLoopPolicy"]


def run(
    coro: Coroutine[Any, Any, Any] | None = None,
    keep_running: bool = True,
    quit_qapp: bool = True,
    *,
    handle_sigint: bool = False,
    debug: bool | None = None,
) -> Any:
    """Runs a loop: with `keep_running` until the application quits, else until `coro` is done.

    Without `keep_running` the result is the coroutine's. At the end, remaining tasks are cancelled
    and may clean up, and the loop is closed. With `handle_sigint`, Ctrl-C ends the run without an
    exception; else it raises KeyboardInterrupt. `quit_qapp` has no effect: the application object
    can always be used again.

    Source: https://doc.qt.io/qtforpython-6/PySide6/QtAsyncio/index.html
    """
    if coro is None and not keep_running:
        raise RuntimeError("without keep_running there must be a coroutine to run")
    with suppress(*([KeyboardInterrupt] if handle_sigint else [])), QEventLoop() as loop:
        if debug is not None:
            loop.set_debug(debug)
        asyncio.set_event_loop(loop)
        try:
            task = coro and loop.create_task(coro)
            if task and not keep_running:
                return loop.run_until_complete(task)
            loop.run_forever()
        finally:
            asyncio.set_event_loop(None)
    return None
