"""Detaches all loops from Qt when the interpreter exits; gives a forked child its own pollers."""

from __future__ import annotations

import atexit
import ctypes
import os
import threading
import time
from asyncio import tasks

from . import _native
from ._asyncio_private import do_not_log_if_pending
from ._base import BaseLoop
from ._registry import all_loops, attached, items, kept_alive, this_thread

# Seconds for each of up to three waits for loops of daemon threads, when the interpreter exits.
_TIMEOUT = 1.0

# The thread that runs the exit functions; None before.
_exiting_thread: int | None = None


def _detach_all() -> None:
    """Detaches all loops from Qt, but stops those that run on other threads, and waits for them.

    Threads that still run are daemons, and end with the process.
    """
    global _exiting_thread
    _exiting_thread = threading.get_ident()
    _native.watch_application(None)
    for loop in kept_alive:
        for task in tasks.all_tasks(loop):
            # Such a loop need not be closed, so its pending tasks cause no warning.
            do_not_log_if_pending(task)
    on_other_threads, without_run = [], []
    here = this_thread()
    for loop, thread in items(attached):
        if thread is here:
            loop._detach()
        elif not (loop._is_run() or loop._attach_state):
            # The thread may run Qt, but no run of the loop. No new turn begins after this.
            loop._detach()
            without_run.append(loop)
        else:
            # A thread that takes the GIL while the interpreter exits is terminated. In a Qt loop
            # that would crash. So the thread exits its Qt loop first, and then blocks in
            # `block_if_exiting()`.
            loop.stop()
            on_other_threads.append(loop)
    if without_run:
        time.sleep(0.005)  # let a turn begin that already waits for the GIL
    deadline = time.monotonic() + _TIMEOUT
    while any(loop._depth() > 0 for loop in without_run) and time.monotonic() < deadline:
        time.sleep(0.001)
    if not _wait_for_return(on_other_threads):
        for loop in on_other_threads:
            # Interrupts a callback that does not return. No effect if no Python code runs there.
            thread_id = ctypes.c_ulong(loop._thread_id or 0)
            ctypes.pythonapi.PyThreadState_SetAsyncExc(thread_id, ctypes.py_object(SystemExit))
        _wait_for_return(on_other_threads)


def _wait_for_return(loops: list[BaseLoop]) -> bool:
    """Waits up to `_TIMEOUT` for these loops' Qt loops to return. Returns whether all have."""
    deadline = time.monotonic() + _TIMEOUT
    return all(loop._qt_loop_returned.wait(max(0, deadline - time.monotonic())) for loop in loops)


def run_before_binding() -> None:
    """Registers `_detach_all`, again at each attach, to run before the clean-up of a binding.

    `atexit` calls the last function first. PyQt6's clean-up destroys Qt objects, also those that
    other threads use.
    """
    atexit.unregister(_detach_all)
    atexit.register(_detach_all)


def block_if_exiting() -> None:
    """Blocks for ever if the interpreter is exiting and this is not the thread that exits it."""
    if _exiting_thread is not None and threading.get_ident() != _exiting_thread:
        threading.Event().wait()


def _after_fork() -> None:
    for loop in list(all_loops):
        loop._after_fork()


os.register_at_fork(after_in_child=_after_fork)
