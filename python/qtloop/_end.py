"""What the end of the interpreter, and a fork, mean for loops."""

from __future__ import annotations

import atexit
import ctypes
import os
import threading
import time
import weakref
from typing import TYPE_CHECKING

from . import _hosting, _native

if TYPE_CHECKING:
    from ._loop import QEventLoop

# All loops, for a forked child: it must not touch the pollers that it shares with its parent.
loops: weakref.WeakSet[QEventLoop] = weakref.WeakSet()

# How long the interpreter's end waits for loops of daemon threads, in seconds.
_PATIENCE = 1.0

# The thread that ends the interpreter.
_ending: int | None = None


@atexit.register
def _let_go() -> None:
    """Take all loops off Qt. Threads that are left are daemons, and end with the process."""
    global _ending
    _ending = threading.get_ident()
    _native.watch_application(None)
    elsewhere = []
    for loop, thread in list(_hosting.threads.items()):
        if thread == _ending or not loop.is_running():
            loop._detach()
        else:
            # A thread that wants the interpreter while it ends is killed inside of Qt, which Qt
            # does not survive. So it leaves Qt before, and waits in peace.
            loop.stop()
            elsewhere.append(loop)
    if not _have_left(elsewhere):
        for loop in elsewhere:
            # A callback that holds its loop up; this has no effect on a thread that has none.
            thread_id = ctypes.c_ulong(loop._thread_id or 0)
            ctypes.pythonapi.PyThreadState_SetAsyncExc(thread_id, ctypes.py_object(SystemExit))
        _have_left(elsewhere)


def _have_left(elsewhere: list[QEventLoop]) -> bool:
    """Wait until these loops are off Qt, but not for long; whether they are."""
    deadline = time.monotonic() + _PATIENCE
    # A turn that waits for the interpreter at this moment finds its loop taken off.
    time.sleep(0)
    return all(loop._off_qt.wait(max(0, deadline - time.monotonic())) for loop in elsewhere)


def wait() -> None:
    """Stay here for ever, if the interpreter is ending and this is not the thread that ends it."""
    if _ending is not None and threading.get_ident() != _ending:
        threading.Event().wait()


def _after_fork() -> None:
    for loop in list(loops):
        loop._after_fork()


os.register_at_fork(after_in_child=_after_fork)
