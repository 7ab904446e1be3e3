"""Executor jobs at the end of a program: the wait is limited by `grace` if it has windows."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from conftest import Child, needs_binding

import qtloop
from qtloop import QThreadExecutor, _executor

HANGS = """
import warnings
app = QtWidgets.QApplication([])
window = QtWidgets.QWidget()
window.show()
qtloop.QThreadExecutor.grace = 0.1
hang = threading.Event().wait

def close_soon():
    QtCore.QTimer.singleShot(50, window.close)
"""

# Programs that start a job that never returns, and then close their window.
WAYS = {
    "to_thread in run()": """
        async def main():
            close_soon()
            await asyncio.to_thread(hang)
        qtloop.run(main())
        """,
    "QThreadExecutor in run()": """
        executor = qtloop.QThreadExecutor(2)
        async def main():
            close_soon()
            await asyncio.get_running_loop().run_in_executor(executor, hang)
        qtloop.run(main())
        """,
    "QThreadExecutor as the default one": """
        async def main():
            asyncio.get_running_loop().set_default_executor(qtloop.QThreadExecutor(1))
            close_soon()
            await asyncio.to_thread(hang)
        qtloop.run(main())
        """,
    "run_forever()": """
        with qtloop.QEventLoop(app) as loop:
            loop.run_in_executor(None, hang)
            close_soon()
            loop.run_forever()
        """,
    "stop() instead of a quit": """
        with qtloop.QEventLoop(app) as loop:
            loop.run_in_executor(None, hang)
            loop.call_later(0.05, loop.stop)
            loop.run_forever()
        """,
    "close() without a shutdown": """
        loop = qtloop.QEventLoop(app)
        loop.run_in_executor(None, hang)
        close_soon()
        loop.run_forever()
        loop.close()
        """,
    "attach()": """
        with qtloop.attach():
            asyncio.get_running_loop().run_in_executor(None, hang)
            close_soon()
            app.exec()
        """,
    "no loop at all": """
        executor = qtloop.QThreadExecutor(1)
        executor.submit(hang)
        close_soon()
        app.exec()
        """,
    "an executor that was freed": """
        qtloop.QThreadExecutor(1).submit(hang)
        close_soon()
        app.exec()
        """,
}


@needs_binding
@pytest.mark.parametrize("way", WAYS)
def test_hanging_job_delays_the_exit_by_the_grace_only(child: Child, way: str) -> None:
    done = child(HANGS + "\n".join(line[8:] for line in WAYS[way].splitlines()) + "\nprint('end')")
    assert done.stdout == "end\n"
    assert done.stderr.count("1 executor job(s) still run") == 1
    assert "QThreadExecutor.grace" in done.stderr


@needs_binding
def test_hanging_job_in_a_qt_loop_leaves_it_before_the_process_exits(child: Child) -> None:
    """The binding deletes its objects at the end; a loop that uses them would crash."""
    program = """
        def job():
            nested, timer = QtCore.QEventLoop(), QtCore.QTimer()
            timer.timeout.connect(lambda: sum(range(100)))
            timer.start(0)
            nested.exec()
        async def main():
            close_soon()
            await asyncio.to_thread(job)
        qtloop.run(main())
        """
    done = child(HANGS + "\n".join(line[8:] for line in program.splitlines()))
    assert done.stderr.count("\n") == 2 and "1 executor job(s) still run" in done.stderr


@needs_binding
def test_job_that_ends_within_the_grace_is_completed(child: Child) -> None:
    program = """
        qtloop.QThreadExecutor.grace = 20
        may_end = threading.Event()
        def job():
            may_end.wait()
            sys.stdout.write("completed\\n")
        async def main():
            for _ in range(3):
                asyncio.get_running_loop().run_in_executor(None, job)
                executor.submit(job)
            threading.Timer(0.1, may_end.set).start()
        executor = qtloop.QThreadExecutor(1)
        qtloop.run(main())
        """
    done = child(HANGS + "\n".join(line[8:] for line in program.splitlines()))
    assert (done.stdout, done.stderr) == ("completed\n" * 6, "")


@needs_binding
def test_program_without_windows_waits_for_its_jobs_as_asyncio_does(child: Child) -> None:
    done = child("""
        app = QtCore.QCoreApplication([])
        sys.modules.pop(f"{binding.name}.QtWidgets"), sys.modules.pop(f"{binding.name}.QtGui")
        qtloop.QThreadExecutor.grace = 0
        may_end = threading.Event()
        def job():
            may_end.wait()
            sys.stdout.write("completed\\n")
        async def main():
            asyncio.get_running_loop().run_in_executor(None, job)
            executor.submit(job)
            threading.Timer(0.1, may_end.set).start()
        executor = qtloop.QThreadExecutor(1)
        qtloop.run(main())
        """)
    assert (done.stdout, done.stderr) == ("completed\ncompleted\n", "")


def test_end_of_a_with_block_waits_for_a_job_without_a_limit(
    app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(QThreadExecutor, "grace", 0)
    may_end = threading.Event()
    with QThreadExecutor(1) as executor:
        job = executor.submit(may_end.wait, 20)
        threading.Timer(0.05, may_end.set).start()
    assert job.result() is True


@needs_binding
def test_timeout_shorter_than_the_grace_limits_the_shutdown(app: Any) -> None:
    may_end = threading.Event()

    async def main() -> None:
        loop: Any = asyncio.get_running_loop()
        job = loop.run_in_executor(None, may_end.wait, 20)
        with pytest.warns(RuntimeWarning, match=r"1 executor job\(s\) still run"):
            await loop.shutdown_default_executor(timeout=0)
        with pytest.raises(RuntimeError, match="shutdown"):
            await asyncio.to_thread(int)
        may_end.set()
        assert await job is True

    qtloop.run(main())


def test_workers_are_daemons_and_the_default_ones_have_asyncios_names(app: Any) -> None:
    def describe() -> tuple[bool, str]:
        worker = threading.current_thread()
        return worker.daemon, worker.name

    with QThreadExecutor() as executor:
        assert executor.submit(describe).result() == (True, "QThreadExecutor_0")
    assert qtloop.run(asyncio.to_thread(describe)) == (True, "asyncio_0")


def test_thread_that_cannot_be_started_is_an_error_of_submit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    executor = QThreadExecutor(1)

    def refuse(future: Any, call: Any) -> None:
        future.set_exception(RuntimeError("can't start new thread"))

    with monkeypatch.context() as patch:
        patch.setattr(_executor, "_complete", refuse)
        with pytest.raises(RuntimeError, match="can't start new thread"):
            executor.submit(int)
    executor.shutdown()
