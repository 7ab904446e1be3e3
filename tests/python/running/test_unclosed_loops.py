"""Loops that are never closed: no descriptor or hook is left, and forks and exits work."""

from __future__ import annotations

import asyncio
import gc
import sys
import warnings
from typing import Any

import pytest
from conftest import Child, needs_binding
from support.serving import by_exec

from qtloop import QEventLoop
from qtloop._binding import binding

pytest_plugins = ["support.serving"]
pytestmark = pytest.mark.usefixtures("limit")


# Loops that are never closed


def test_loop_that_is_never_closed_does_not_disturb_the_next_one(
    app: Any, loop: QEventLoop
) -> None:
    def forget() -> asyncio.Future[None]:
        forgotten = QEventLoop(app)
        stopped = forgotten.create_future()

        def stops() -> None:
            forgotten.stop()
            stopped.set_result(None)

        forgotten.call_later(0.001, stops)
        return stopped

    async def main(stopped: asyncio.Future[None]) -> str:
        while not stopped.done():
            await asyncio.sleep(0.001)
        return "not disturbed"

    assert loop.run_until_complete(main(forget())) == "not disturbed"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
    assert loop.run_until_complete(asyncio.sleep(0.001, "still not")) == "still not"


def test_already_running_loop_lives_without_a_reference_until_its_close(app: Any) -> None:
    seen: list[QEventLoop] = []
    QEventLoop(app, already_running=True).call_later(
        0.001,
        lambda: seen.append(asyncio.get_running_loop()),  # type: ignore[arg-type]
    )
    gc.collect()
    by_exec(lambda: bool(seen))
    seen[0].close()


@needs_binding
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("module", ["PySide6", "PyQt6"])
def test_python_prompt_serves_a_loop_and_prints_errors(
    module: str, app: Any, tmp_path: Any
) -> None:
    """`python -i`: the bindings run Qt while the prompt waits for input."""
    import os
    import pty
    import select
    import time

    if module != binding.name:  # type: ignore[union-attr]
        pytest.skip("one binding for each run")
    child, terminal = pty.fork()
    if child == 0:
        os.environ["QT_API"] = module
        os.environ["PYTHON_BASIC_REPL"] = "1"
        os.execv(sys.executable, [sys.executable, "-i", "-q"])
    printed = b""

    def wait_for(text: bytes, lines: str = "") -> None:
        nonlocal printed
        os.write(terminal, lines.encode())
        deadline = time.monotonic() + 20
        while text not in printed:
            assert time.monotonic() < deadline, printed
            if select.select([terminal], [], [], 0.1)[0]:
                printed += os.read(terminal, 65536)
        printed = printed[printed.index(text) + len(text) :]

    try:
        wait_for(b">>> ")
        wait_for(
            b"is ready",
            f"import asyncio, time, qtloop; from {module} import QtCore, QtWidgets; "
            "app = QtWidgets.QApplication(['-', '-platform', 'offscreen']); "
            "loop = qtloop.QEventLoop(app, already_running=True); seen = []; "
            "later = loop.call_later(0.05, lambda: print('from the ' + 'loop')); "
            "print('prompt is' + ' ready')\n",
        )
        wait_for(b"from the loop")
        wait_for(b"with asyncio.run", "asyncio.run(asyncio.sleep(0.01, 'with asyncio' + '.run'))\n")
        wait_for(b"division by zero", "1/0\n")
        wait_for(b">>> ", "loop.close()\n")
    finally:
        os.write(terminal, b"\nimport os; os._exit(0)\n")
        os.waitpid(child, 0)
        os.close(terminal)


# Exit of the interpreter, and forks


def test_interpreter_exits_while_a_daemon_thread_runs_qt_with_a_busy_loop(
    child: Child,
) -> None:
    program = """
        app = QtWidgets.QApplication([])
        kept = []
        def run():
            loop = QEventLoop()
            async def tick():
                while True:
                    await asyncio.sleep(0.0005)
            kept.extend((loop, loop.create_task(tick())))
            QtCore.QEventLoop().exec()
        threading.Thread(target=run, daemon=True).start()
        QtCore.QTimer.singleShot(20, app.quit)
        app.exec()
        print("ends")
    """
    assert child(program).stdout == "ends\n"


def test_forked_child_does_not_serve_the_loops_of_its_parent(child: Child) -> None:
    program = """
        import warnings
        warnings.simplefilter("ignore", DeprecationWarning)
        app = QtWidgets.QApplication([])
        loop = QEventLoop(app)
        ticks = []
        async def tick():
            while True:
                await asyncio.sleep(0.001)
                ticks.append(os.getpid())
        task = loop.create_task(tick())
        def serve():
            QtCore.QTimer.singleShot(20, app.quit)
            app.exec()
        serve()
        pid = os.fork()
        if pid == 0:
            serve()
            assert os.getpid() not in ticks
            other = QEventLoop(app)
            print(other.run_until_complete(asyncio.sleep(0.001, "child")), flush=True)
            os._exit(0)
        os.waitpid(pid, 0)
        before = len(ticks)
        serve()
        print("parent", len(ticks) > before)
        task.cancel()
        loop.close()
    """
    assert child(program).stdout == "child\nparent True\n"


def test_loops_that_are_never_closed_leave_no_descriptor_and_no_hook(child: Child) -> None:
    program = """
        import gc, warnings
        warnings.simplefilter("ignore", ResourceWarning)
        app = QtWidgets.QApplication([])
        def count():
            return len(os.listdir("/proc/self/fd"))
        def forget():
            loop = QEventLoop(app)
            loop.call_later(60, print)
            loop.self = loop
        forget()
        gc.collect()
        before = count()
        for _ in range(20):
            forget()
        gc.collect()
        QtCore.QTimer.singleShot(5, app.quit)
        app.exec()
        print(count() <= before, sys.excepthook is sys.__excepthook__)
    """
    done = child(program)
    assert (done.stdout, done.stderr) == ("True True\n", "")
