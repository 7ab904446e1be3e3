"""Strong references to tasks until they complete: a loop itself holds its tasks weakly."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from . import _native
from ._base import BaseLoop

_others: set[asyncio.Task[Any]] = set()  # tasks of loops of other classes


def keep(task: asyncio.Task[Any]) -> None:
    """Keeps a task until it is done, or its loop is deleted."""
    if not task.done():
        _tasks_of(task).add(task)
        task.add_done_callback(_drop)


def keep_and_report(task: asyncio.Task[Any]) -> None:
    """Keeps a task until it is done, then reports its exception. Reports now if it is done."""
    if task.done():  # a done callback might never run: the loop may not run again
        report(task)
    else:
        _tasks_of(task).add(task)
        task.add_done_callback(_finish)


def report(task: asyncio.Task[Any]) -> None:
    """Passes the exception of a completed task to `sys.excepthook`, or to the loop's handler.

    The handler gets it if the program has set no hook.
    """
    error = None if task.cancelled() else task.exception()
    # KeyboardInterrupt and SystemExit have ended the loop's run, which raises them.
    if error is None or isinstance(error, (KeyboardInterrupt, SystemExit)):
        return
    report_error(task.get_loop(), error)


def report_error(loop: asyncio.AbstractEventLoop, error: BaseException) -> None:
    """Passes an exception to `sys.excepthook`, or to the loop's handler; see `report()`."""
    if isinstance(loop, BaseLoop) and sys.excepthook in (sys.__excepthook__, _native.excepthook):
        loop.call_exception_handler({"message": "Exception in a Qt slot", "exception": error})
    else:
        sys.excepthook(type(error), error, error.__traceback__)


def _finish(task: asyncio.Task[Any]) -> None:
    _drop(task)
    report(task)


def _drop(task: asyncio.Task[Any]) -> None:
    _tasks_of(task).discard(task)


def _tasks_of(task: asyncio.Task[Any]) -> set[asyncio.Task[Any]]:
    loop = task.get_loop()
    if not isinstance(loop, BaseLoop):
        return _others
    return loop._background_tasks
