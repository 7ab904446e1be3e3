"""QThreadExecutor: real threads that Qt knows, and programs that end while it still has jobs."""

from __future__ import annotations

import asyncio
import ctypes
import os
import subprocess
import sys
import threading
from concurrent.futures import CancelledError, Future
from typing import Any

import pytest
from conftest import needs_binding

import qtloop
from qtloop import QThreadExecutor
from qtloop._binding import binding

QtCore: Any = binding and binding.QtCore
MEGABYTE = 1024 * 1024


def own_stack_size() -> int:
    """Returns the stack size of the calling thread, from the C library."""
    libc = ctypes.CDLL(None)
    libc.pthread_self.restype = ctypes.c_void_p
    attributes = ctypes.create_string_buffer(256)
    assert libc.pthread_getattr_np(ctypes.c_void_p(libc.pthread_self()), attributes) == 0
    size = ctypes.c_size_t()
    assert libc.pthread_attr_getstacksize(attributes, ctypes.byref(size)) == 0
    libc.pthread_attr_destroy(attributes)
    return size.value


def test_submit_returns_a_future_of_the_result_or_exception() -> None:
    with QThreadExecutor() as executor:
        assert executor.submit(divmod, 7, 2).result() == (3, 1)
        assert executor.submit(dict, [("a", 1)], b=2).result() == {"a": 1, "b": 2}
        assert type(executor.submit(divmod, 1, 0).exception()) is ZeroDivisionError


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, GeneratorExit])
def test_worker_survives_a_job_that_raises_anything(kind: type[BaseException]) -> None:
    def job() -> int:
        raise kind

    with QThreadExecutor(1) as executor:
        worker = executor.submit(threading.get_ident).result()
        assert type(executor.submit(job).exception()) is kind
        assert executor.submit(threading.get_ident).result() == worker


def test_map_keeps_the_order() -> None:
    with QThreadExecutor(4) as executor:
        assert list(executor.map(pow, range(100), [2] * 100)) == [n * n for n in range(100)]


def test_as_many_jobs_run_at_once_as_there_are_workers() -> None:
    all_there = threading.Barrier(10)
    with QThreadExecutor() as executor:
        futures = [executor.submit(all_there.wait, 20) for _ in range(10)]
    assert sorted(future.result() for future in futures) == list(range(10))


def test_workers_start_when_they_are_needed() -> None:
    before = threading.active_count()
    with QThreadExecutor(10) as executor:
        assert threading.active_count() == before
        executor.submit(int).result()
        assert threading.active_count() == before + 1


def test_workers_have_names() -> None:
    with QThreadExecutor() as executor:
        name = executor.submit(lambda: threading.current_thread().name).result()
    assert name == "QThreadExecutor_0"


def test_worker_has_the_requested_stack_size() -> None:
    with QThreadExecutor(1, stack_size=64 * MEGABYTE) as executor:
        # The C library may reuse a larger stack of an earlier thread.
        assert executor.submit(own_stack_size).result() >= 64 * MEGABYTE


def test_stack_size_of_other_threads_is_unchanged() -> None:
    before = threading.stack_size(2 * MEGABYTE)
    try:
        with QThreadExecutor(1, stack_size=64 * MEGABYTE) as executor:
            executor.submit(int).result()
            assert threading.stack_size() == 2 * MEGABYTE
    finally:
        threading.stack_size(before)


@pytest.mark.parametrize("size", [1, -1])
def test_invalid_stack_size_is_refused_by_the_constructor(size: int) -> None:
    with pytest.raises(ValueError, match=r"size"):
        QThreadExecutor(1, stack_size=size)


def test_end_of_the_with_block_waits_for_the_jobs() -> None:
    may_end = threading.Event()
    with QThreadExecutor(1) as executor:
        first = executor.submit(may_end.wait, 20)
        second = executor.submit(int)
        may_end.set()
    assert first.done()
    assert second.done()


def test_submit_after_shutdown_raises_and_a_second_shutdown_is_harmless() -> None:
    executor = QThreadExecutor()
    executor.shutdown()
    executor.shutdown()
    with pytest.raises(RuntimeError, match="cannot schedule new futures after shutdown"):
        executor.submit(int)


def test_shutdown_can_cancel_jobs_that_have_not_started() -> None:
    begun, may_end = threading.Event(), threading.Event()

    def job() -> bool:
        begun.set()
        return may_end.wait(20)

    executor = QThreadExecutor(1)
    running, queued = executor.submit(job), executor.submit(int)
    assert begun.wait(20)
    executor.shutdown(wait=False, cancel_futures=True)
    may_end.set()
    assert running.result() is True
    with pytest.raises(CancelledError):
        queued.result()
    executor.shutdown()


# Qt in a job


@needs_binding
def test_worker_has_its_own_current_qthread(app: Any) -> None:
    def job() -> tuple[bool, bool]:
        thread = QtCore.QThread.currentThread()
        return thread == app.thread(), thread.isRunning()

    with QThreadExecutor(1) as executor:
        assert executor.submit(job).result() == (False, True)


@needs_binding
def test_timers_and_event_loops_work_in_a_job(app: Any) -> None:
    def job() -> bool:
        nested, timer = QtCore.QEventLoop(), QtCore.QTimer()
        timer.timeout.connect(nested.quit)
        timer.start(1)
        return bool(nested.exec() == 0)

    with QThreadExecutor(1) as executor:
        assert executor.submit(job).result() is True


@needs_binding
def test_signal_of_a_job_arrives_in_the_receivers_thread(app: Any) -> None:
    QObject: Any = QtCore.QObject
    make_signal: Any = getattr(QtCore, "Signal", None) or QtCore.pyqtSignal
    arrived: Future[tuple[int, int]] = Future()

    class Sender(QObject):  # type: ignore[misc]
        progress = make_signal(int)

    class Receiver(QObject):  # type: ignore[misc]
        def take(self, value: int) -> None:
            arrived.set_result((value, threading.get_ident()))

    sender, receiver = Sender(), Receiver()
    sender.progress.connect(receiver.take, QtCore.Qt.ConnectionType.QueuedConnection)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        with QThreadExecutor(1) as executor:
            await loop.run_in_executor(executor, sender.progress.emit, 42)
            await asyncio.wait_for(asyncio.wrap_future(arrived), 20)

    qtloop.run(main())
    assert arrived.result() == (42, threading.get_ident())


# With a loop


def test_job_of_run_in_executor_can_call_back_into_the_loop(app: Any) -> None:
    got: list[int] = []

    async def main() -> str:
        loop = asyncio.get_running_loop()

        def job() -> str:
            for number in range(100):
                loop.call_soon_threadsafe(got.append, number)
            return "done"

        with QThreadExecutor(1) as executor:
            return await loop.run_in_executor(executor, job)

    assert qtloop.run(main()) == "done"
    assert got == list(range(100))


def test_executor_can_be_the_loops_default_one(app: Any) -> None:
    async def main() -> str:
        asyncio.get_running_loop().set_default_executor(QThreadExecutor(1))
        return await asyncio.to_thread(lambda: threading.current_thread().name)

    assert qtloop.run(main()) == "QThreadExecutor_0"


# The end of a program


def program(code: str) -> subprocess.CompletedProcess[str]:
    """Runs a program that has an executor with a worker; it must end by itself."""
    prelude = """
import os, sys, threading, time, qtloop
from qtloop import _binding
app = _binding.make_application()
executor = qtloop.QThreadExecutor(2)
if _binding.binding:  # Qt has adopted the worker
    executor.submit(_binding.binding.QtCore.QThread.currentThread).result()
else:
    executor.submit(int).result()
"""
    return subprocess.run(
        [sys.executable, "-c", prelude + code],
        capture_output=True,
        text=True,
        timeout=40,
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
    )


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("", id="idle worker"),
        pytest.param("executor.shutdown(wait=False)", id="no waiting"),
        pytest.param("del executor", id="forgotten"),
        pytest.param("del app; _binding._applications.clear()", id="application deleted"),
        pytest.param("app and getattr(app, 'shutdown', app.quit)()", id="application shut down"),
    ],
)
def test_program_ends_with_an_executor_that_was_not_shut_down(code: str) -> None:
    done = program(code)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_program_without_windows_waits_for_its_jobs_at_its_end() -> None:
    """Also if qtloop has made the application, and imported QtWidgets for it."""
    done = program("""
qtloop.QThreadExecutor.grace = 0
may_end = threading.Event()
executor.submit(lambda: (may_end.wait(), print("first", flush=True)))
executor.submit(lambda: print("second", flush=True))
threading.Timer(0.5, may_end.set).start()
""")
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(done.stdout.split()) == ["first", "second"]


def test_forked_child_exits_without_waiting_for_the_parents_workers() -> None:
    done = program("""
import warnings
warnings.simplefilter("ignore", DeprecationWarning)  # that is what it is about: fork and threads
child = os.fork()
if child == 0:
    sys.exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
""")
    assert (done.returncode, done.stderr) == (0, "")
