"""QThreadExecutor: a thread pool for jobs that need Qt or a deep stack.

The name is that of the pool of quamash and qasync. A job is a call that `submit()` has queued.

Its workers are Python threads. Qt adopts such a thread when a job first uses Qt in it: then
`QThread.currentThread()`, objects, timers, event loops and queued signals work as in any QThread.
QThread objects as workers would have no advantage, and could abort the process: Qt aborts when
one is deleted while it runs, and PySide6 deletes them together with the application, also in a
forked child.

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

# Seconds that an idle worker may take to exit before it counts as hung.
_EXIT_TIMEOUT = 0.1

_executors: weakref.WeakSet[QThreadExecutor] = weakref.WeakSet()
_workers: weakref.WeakSet[threading.Thread] = weakref.WeakSet()  # also of executors that were freed

if sys.version_info >= (3, 15):
    # `concurrent.futures` imports this name lazily, and reading the attribute resolves it. PySide6
    # 6.12 replaces the function that reads attributes of modules, and its own does not: then
    # `run_in_executor()` of asyncio would call the unresolved import.
    vars(futures)["ThreadPoolExecutor"] = ThreadPoolExecutor


class QThreadExecutor(ThreadPoolExecutor):
    """A pool of up to `max_workers` threads, which are started as they are needed.

    `stack_size` is in bytes; None takes what other new threads get (see `threading.stack_size`).
    """

    grace: ClassVar[float] = 1.5
    """Seconds for which a program with windows waits at its end for jobs that still run, those of
    `asyncio.to_thread()` included. After that a RuntimeWarning is issued, and the process ends
    without them. To have a job completed, await it in `main`, or use its executor in a `with`
    block, which waits without a limit. A program without windows waits as asyncio does.

    Source: https://docs.python.org/3/library/concurrent.futures.html
    """

    _prefix = "QThreadExecutor"

    def __init__(self, max_workers: int | None = 10, stack_size: int | None = None) -> None:
        super().__init__(max_workers, thread_name_prefix=self._prefix)
        self._stack_size = stack_size
        with _stack_size_of_new_threads(stack_size):
            pass  # raises here, and not in `submit()`, if the platform refuses the size
        _executors.add(self)

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Queues `fn(*args, **kwargs)`. Returns a future for its result or exception."""
        with _stack_size_of_new_threads(self._stack_size):
            return super().submit(fn, *args, **kwargs)

    def _adjust_thread_count(self) -> None:
        """Starts a worker if none is idle; `submit()` calls this."""
        if self._idle_semaphore.acquire(timeout=0) or len(self._threads) >= self._max_workers:
            return
        # A thread is a daemon if a daemon starts it, so a daemon thread starts the worker. The base
        # class has no option for it. The price: 0.1 ms per worker.
        started: Future[None] = Future()
        start = super()._adjust_thread_count
        threading.Thread(target=_complete, args=(started, start), daemon=True).start()
        started.result()
        _workers.update(self._threads)

    def _shut_down_within(self, seconds: float) -> int:
        """Shuts down and waits for the jobs. Returns the number of workers that still run one."""
        self.shutdown(wait=False)
        return _wait_for_workers(set(self._threads), seconds)


def has_windows() -> bool:
    """Returns whether the program may have windows: it has imported the binding's QtGui.

    If `make_application()` has imported QtWidgets, which imports QtGui, the import proves nothing.
    Then the result is whether a window exists.
    """
    if _binding.binding is None or not _binding.binding.has_imported("QtGui"):
        return False
    gui = _binding.binding.module("QtGui").QGuiApplication
    return not _binding.imported_widgets or bool(gui.allWindows())


def warn_of_jobs(count: int) -> None:
    """Warns of jobs that end with the process; the message says how to wait for them."""
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


def _wait_for_workers(workers: set[threading.Thread], seconds: float) -> int:
    """Waits for workers that were shut down; unregisters those that still run a job.

    Then `concurrent.futures` does not wait for them. Returns the number of workers that this call
    has unregistered. Workers that an earlier call has unregistered are not waited for again.
    """
    known: Any = _base._threads_queues
    _join({worker for worker in workers if worker in known}, max(seconds, _EXIT_TIMEOUT))
    still_running = [worker for worker in workers if worker.is_alive()]
    return sum(known.pop(worker, None) is not None for worker in still_running)


def _join(workers: set[threading.Thread], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    for worker in workers:
        worker.join(max(0, deadline - time.monotonic()))


def _at_exit() -> None:
    """Limits the wait of `concurrent.futures`, whose own exit function runs after this one."""
    if not has_windows():
        return
    for executor in list(_executors):
        executor.shutdown(wait=False)
    unfinished = _wait_for_workers(set(_workers), QThreadExecutor.grace)
    still_running = {worker for worker in _workers if worker.is_alive()}
    if still_running:
        _quit_threads_of_qt()
        _join(still_running, _EXIT_TIMEOUT)
    if unfinished:
        warn_of_jobs(unfinished)


def _quit_threads_of_qt() -> None:
    """Exits Qt's event loops on other threads, before the binding deletes the objects in them.

    A job that still runs such a loop would use the deleted objects and crash the process.
    """
    assert _binding.binding is not None
    core = _binding.binding.QtCore
    threads = []
    for each in gc.get_objects():
        if issubclass(type(each), core.QEventLoop):
            with suppress(RuntimeError):  # the C++ object was deleted
                threads.append(each.thread())
    del each  # it might be the last reference to an object of another thread
    for thread in threads:
        if thread != core.QThread.currentThread():
            thread.quit()


# Runs before the interpreter joins threads; functions of `atexit` run too late.
getattr(threading, "_register_atexit", atexit.register)(_at_exit)


def _after_fork() -> None:
    """Clears the sets of workers in a forked child, which has none.

    A thread of the parent may have held a lock of an executor at the fork.
    """
    _executors.clear()
    _workers.clear()


os.register_at_fork(after_in_child=_after_fork)

_stack_size_lock = threading.Lock()


@contextmanager
def _stack_size_of_new_threads(stack_size: int | None) -> Iterator[None]:
    if stack_size is None:
        yield
        return
    # The setting is process-wide, so the previous value is restored.
    with _stack_size_lock:
        before = threading.stack_size(stack_size)
        try:
            yield
        finally:
            threading.stack_size(before)
