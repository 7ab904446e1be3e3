"""`inspector.show()`: one window for each loop, its errors, and what ends it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from typing import Any

import pytest
from conftest import Child, needs_binding
from support.inspector_user import User

import qtloop
from qtloop import inspector

pytest_plugins = ["support.inspector_user"]
pytestmark = needs_binding


def test_second_call_raises_the_same_window(user: User) -> None:
    assert inspector.show(user.loop) is user.window
    user.window.hide()
    assert inspector.show(user.loop).isVisible()
    user.key("Escape")
    again = inspector.show(user.loop)
    assert again is not user.window and again.isVisible()
    again.close()


def test_other_objects_and_closed_loops_are_refused(app: Any) -> None:
    with pytest.raises(TypeError, match=r"a qtloop\.QEventLoop, not None"):
        inspector.show(None)  # type: ignore[arg-type]
    loop = qtloop.QEventLoop(app)
    loop.close()
    with pytest.raises(RuntimeError, match="the loop is closed"):
        inspector.show(loop)


def test_other_threads_are_refused(loop: qtloop.QEventLoop) -> None:
    errors: list[str] = []

    def show() -> None:
        try:
            inspector.show(loop)
        except RuntimeError as error:
            errors.append(str(error))

    thread = threading.Thread(target=show)
    thread.start()
    thread.join()
    assert "call_soon_threadsafe(qtloop.inspector.show, loop)" in errors[0]
    loop.call_soon_threadsafe(inspector.show, loop)
    loop.run_until_complete(asyncio.sleep(0.01))
    inspector._windows[loop].close()


def test_loop_of_another_thread_is_refused(app: Any) -> None:
    loops: list[qtloop.QEventLoop] = []
    ready, done = threading.Event(), threading.Event()

    async def main() -> None:
        loops.append(asyncio.get_running_loop())  # type: ignore[arg-type]
        ready.set()
        await asyncio.to_thread(done.wait)

    thread = threading.Thread(target=lambda: qtloop.run(main()))
    thread.start()
    ready.wait()
    with pytest.raises(RuntimeError, match="for a loop of that thread"):
        inspector.show(loops[0])
    done.set()
    thread.join()


def test_application_without_windows_is_refused(child: Child) -> None:
    ended = child("""
        app = QtCore.QCoreApplication([])
        loop = QEventLoop(app)
        try:
            qtloop.inspector.show(loop)
        except RuntimeError as error:
            print(error)
        loop.close()
    """)
    assert ended.stdout == "the inspector needs a QApplication: make one before the loop runs\n"


def test_import_loads_no_binding() -> None:
    program = "import sys, qtloop.inspector; print([n for n in sys.modules if 'Qt' in n])"
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30
    )
    assert ended.stdout == "[]\n"


def test_close_of_the_loop_closes_the_window(app: Any) -> None:
    loop = qtloop.QEventLoop(app)
    user = User(loop)
    loop.close()
    assert not user.window.isVisible() and inspector._windows == {}


def test_window_does_not_keep_the_application_alive(child: Child) -> None:
    ended = child("""
        app = QtWidgets.QApplication([])

        async def main():
            window = QtWidgets.QWidget()
            window.show()
            qtloop.inspector.show(asyncio.get_running_loop())
            asyncio.get_running_loop().call_later(0.3, window.close)
            try:
                await asyncio.sleep(60)
            finally:
                print("cancelled")

        print(qtloop.run(main()))
    """)
    assert ended.stdout == "cancelled\nNone\n"


def test_window_does_not_keep_app_exec_alive(child: Child) -> None:
    ended = child("""
        app = QtWidgets.QApplication([])
        with qtloop.attach() as loop:
            window = QtWidgets.QWidget()
            window.show()
            qtloop.inspector.show(loop)
            QtCore.QTimer.singleShot(300, window.close)
            print(app.exec())
    """)
    assert ended.stdout == "0\n"


def test_close_of_the_inspector_does_not_quit(child: Child) -> None:
    ended = child("""
        app = QtWidgets.QApplication([])

        async def main():
            window = QtWidgets.QWidget()
            window.show()
            inspector = qtloop.inspector.show(asyncio.get_running_loop())
            await asyncio.sleep(0.3)
            inspector.close()
            await asyncio.sleep(0.3)
            print("runs", window.isVisible())

        qtloop.run(main())
    """)
    assert ended.stdout == "runs True\n"


def test_window_that_is_open_at_the_end_causes_no_message(child: Child) -> None:
    ended = child("""
        app = QtWidgets.QApplication([])

        async def main():
            qtloop.inspector.show(asyncio.get_running_loop())
            await asyncio.sleep(0.3)

        qtloop.run(main())
        print("done")
    """)
    assert ended.stdout == "done\n"
    assert [line for line in ended.stderr.splitlines() if "plugin" not in line] == []


def test_window_makes_no_task(user: User) -> None:
    user.update()
    assert asyncio.all_tasks(user.loop) == set()
    assert user.texts("name") == []
