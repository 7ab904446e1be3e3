"""QThreadExecutor: the thread pool of quamash and qasync, for jobs that need Qt or a deep stack.

Its workers are Python threads. Qt adopts such a thread the moment a job uses Qt in it: there is a
`QThread.currentThread()`, and objects, timers, event loops and queued signals work as in any
QThread. Workers that the binding makes as QThread objects would gain nothing, and could end the
process: Qt aborts when one is deleted while it runs, and PySide6 deletes them together with the
application, also in a forked child.

The workers are daemon threads. `concurrent.futures` waits for them at the end of the interpreter,
as it does for its own; only a program with windows stops waiting after `QThreadExecutor.grace`.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys
import threading
import time
import warnings
import weakref
from collections.abc import Callable, Iterator
from concurrent import futures
from concurrent.futures import Future
from concurrent.futures import thread as _base
from concurrent.futures.thread import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any, ClassVar, ParamSpec, TypeVar

from . import _binding

_P = ParamSpec("_P")
_T = TypeVar("_T")

# Seconds that a worker without a job may need to end; with less it would count as hung.
_TO_END = 0.1

_executors: weakref.WeakSet[QThreadExecutor] = weakref.WeakSet()
_workers: weakref.WeakSet[threading.Thread] = weakref.WeakSet()  # also of executors that were freed

if sys.version_info >= (3, 15):
    # `concurrent.futures` imports this name lazily, and reading the attribute resolves it. PySide6
    # 6.12 replaces the function that reads attributes of modules, and its own does not: then
    # `run_in_executor()` of asyncio would call the unresolved import.
    vars(futures)["ThreadPoolExecutor"] = ThreadPoolExecutor


class QThreadExecutor(ThreadPoolExecutor):
    """Run jobs in up to `max_workers` threads, started as they are needed.

    `stack_size` is in bytes; None takes what other new threads get (see `threading.stack_size`).
    """

    grace: ClassVar[float] = 1.5
    """Seconds for which a program with windows waits at its end for jobs that still run, those of
    `asyncio.to_thread()` included. After that the process ends without them: a job that must be
    completed is awaited in `main`, or its executor is used in a `with` block, which waits without a
    limit. A program that has not imported the binding's QtGui waits as asyncio does."""

    _prefix = "QThreadExecutor"

    def __init__(self, max_workers: int | None = 10, stack_size: int | None = None) -> None:
        super().__init__(max_workers, thread_name_prefix=self._prefix)
        self._stack_size = stack_size
        with _new_threads_have(stack_size):
            pass  # a size that the platform refuses is refused here, not by the first job
        _executors.add(self)

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Queue `fn(*args, **kwargs)`; its result or exception comes with the future."""
        with _new_threads_have(self._stack_size):
            return super().submit(fn, *args, **kwargs)

    def _adjust_thread_count(self) -> None:
        """Start a worker if none is idle; `submit()` calls this."""
        if self._idle_semaphore.acquire(timeout=0) or len(self._threads) >= self._max_workers:
            return
        # A thread is a daemon if the thread that starts it is one, so a daemon starts the worker.
        # The base class offers no other way. It costs 0.1 ms per worker.
        started: Future[None] = Future()
        start = super()._adjust_thread_count
        threading.Thread(target=_complete, args=(started, start), daemon=True).start()
        started.result()
        _workers.update(self._threads)

    def _leave_within(self, seconds: float) -> int:
        """Shut down and wait for the jobs. Returns the number of workers that are given up."""
        self.shutdown(wait=False)
        return _leave(set(self._threads), seconds)


def has_windows() -> bool:
    """Whether the program can have windows: it has imported the binding's QtGui, or has some."""
    if _binding.binding is None or not _binding.binding.has_imported("QtGui"):
        return False
    gui = _binding.binding.module("QtGui").QGuiApplication
    return not _binding.imported_widgets or bool(gui.allWindows())


def warn_of_jobs(count: int) -> None:
    """Warn of jobs that end with the process; the message says how to wait for them."""
    warnings.warn(
        f"{count} executor job(s) still run, and end with the process: await them in main, "
        f"or raise qtloop.QThreadExecutor.grace ({QThreadExecutor.grace} s)",
        RuntimeWarning,
        stacklevel=2,
    )


def _complete(future: Future[None], call: Callable[[], None]) -> None:
    try:
        call()
        future.set_result(None)
    except BaseException as error:
        future.set_exception(error)


def _leave(workers: set[threading.Thread], seconds: float) -> int:
    """Wait for workers that were told to end; unregister the others in `concurrent.futures`.

    Returns the number of those. One that was unregistered before is not waited for again.
    """
    known: Any = _base._threads_queues
    _join({worker for worker in workers if worker in known}, max(seconds, _TO_END))
    hanging = [worker for worker in workers if worker.is_alive()]
    return sum(known.pop(worker, None) is not None for worker in hanging)


def _join(workers: set[threading.Thread], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    for worker in workers:
        worker.join(max(0, deadline - time.monotonic()))


def _end() -> None:
    """Bound the wait of `concurrent.futures`, whose function of this kind runs after this one."""
    if not has_windows():
        return
    for executor in list(_executors):
        executor.shutdown(wait=False)
    left = _leave(set(_workers), QThreadExecutor.grace)
    hanging = {worker for worker in _workers if worker.is_alive()}
    if hanging:
        _quit_threads_of_qt()
        _join(hanging, _TO_END)
    if left:
        warn_of_jobs(left)


def _quit_threads_of_qt() -> None:
    """Exit Qt's event loops on other threads, before the binding deletes the objects in them.

    A job that still runs such a loop would use these objects and end the process by a signal.
    """
    assert _binding.binding is not None
    core = _binding.binding.QtCore
    threads = []
    for each in gc.get_objects():
        if issubclass(type(each), core.QEventLoop):
            with suppress(RuntimeError):  # the C++ object was deleted
                threads.append(each.thread())
    del each  # with the list, or objects of another thread would be freed on this one
    for thread in threads:
        if thread != core.QThread.currentThread():
            thread.quit()


# Runs before the interpreter joins threads, the last registered first; atexit's own come too late.
getattr(threading, "_register_atexit", atexit.register)(_end)


def _after_fork() -> None:
    """A forked child has no workers, and a lock of an executor may be held in its parent."""
    _executors.clear()
    _workers.clear()


os.register_at_fork(after_in_child=_after_fork)

_one_at_a_time = threading.Lock()


@contextmanager
def _new_threads_have(stack_size: int | None) -> Iterator[None]:
    if stack_size is None:
        yield
        return
    # The setting is the whole process's: what others set comes back at the end.
    with _one_at_a_time:
        before = threading.stack_size(stack_size)
        try:
            yield
        finally:
            threading.stack_size(before)
