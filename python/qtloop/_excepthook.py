"""Passes exceptions of Qt slots to the exception handler of the loop that Qt serves there.

A binding passes them to `sys.excepthook`. If the program has set none, PyQt6 ends the process; so
this module sets one while Qt serves a loop.
"""

from __future__ import annotations

import asyncio
import sys
from types import TracebackType
from typing import TYPE_CHECKING

from . import _native

if TYPE_CHECKING:
    from ._loop import QEventLoop


def report(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> QEventLoop | None:
    """Report an exception, or return the loop that it ends; `_native.excepthook` calls this."""
    from . import _hosting

    loop = _hosting.here()
    # If no Qt loop runs, the error is not of a slot, but of code at a prompt, for example.
    if loop is None or not (loop.is_running() or _native.level() > 0):
        sys.__excepthook__(kind, error, traceback)
    elif isinstance(error, (KeyboardInterrupt, SystemExit)):
        return loop
    elif not isinstance(error, asyncio.CancelledError):  # of a wait that the end of a run cut short
        loop.call_exception_handler({"message": "Exception in a Qt slot", "exception": error})
    return None


def install() -> None:
    """Set the hook, unless the program has set one."""
    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = _native.excepthook


def remove() -> None:
    """Undo `install()`."""
    if sys.excepthook is _native.excepthook:
        sys.excepthook = sys.__excepthook__
