"""Passes exceptions of Qt slots to the exception handler of the loop that Qt serves on the thread.

A binding passes such an exception to `sys.excepthook`. If the program has set no hook, PyQt6 aborts
the process. So this module sets a hook while a loop is attached to Qt.
"""

from __future__ import annotations

import asyncio
import sys
from types import TracebackType

from . import _native
from ._base import BaseLoop
from ._registry import loop_of_thread


def report(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> BaseLoop | None:
    """Reports an exception, or returns the loop that it stops; `_native.excepthook` calls this."""
    loop = loop_of_thread()
    # If no Qt loop runs, the error is not from a slot, but, for example, from code at a prompt.
    if loop is None or not (loop.is_running() or _native.level() > 0):
        sys.__excepthook__(kind, error, traceback)
    elif isinstance(error, (KeyboardInterrupt, SystemExit)):
        return loop
    elif not isinstance(error, asyncio.CancelledError):  # block_on() raises it at the end of a run
        loop.call_exception_handler({"message": "Exception in a Qt slot", "exception": error})
    return None


def install() -> None:
    """Sets the hook, unless the program has set one."""
    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = _native.excepthook


def remove() -> None:
    """Undoes `install()`."""
    if sys.excepthook is _native.excepthook:
        sys.excepthook = sys.__excepthook__
