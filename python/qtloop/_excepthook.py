"""Exceptions of Qt slots, while a loop runs, go to the loop's exception handler.

A binding gives them to `sys.excepthook`. If the program has set none, PyQt6 ends the process there;
so the loops set one for the time that they run.
"""

from __future__ import annotations

import sys
from asyncio import events
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

# How many loops run; they may do so on several threads.
_running = 0


def _hook(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    from ._loop import QEventLoop

    loop = events._get_running_loop()
    if not isinstance(loop, QEventLoop):
        sys.__excepthook__(kind, error, traceback)
    elif isinstance(error, (KeyboardInterrupt, SystemExit)):
        loop._fail(error)
    else:
        loop.call_exception_handler({"message": "Exception in a Qt slot", "exception": error})


@contextmanager
def installed() -> Iterator[None]:
    """Have the hook in place, unless the program has one of its own."""
    global _running
    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = _hook
    _running += 1
    try:
        yield
    finally:
        _running -= 1
        if _running == 0 and sys.excepthook is _hook:
            sys.excepthook = sys.__excepthook__
