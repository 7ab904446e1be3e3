"""Programs for PySide6.QtAsyncio run by a changed import line."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from typing import Any

import pytest
from conftest import BINDING, Child, needs_binding

import qtloop
from qtloop import QtAsyncio


@needs_binding
def test_window_of_the_documentation_changes_its_text_and_closes(child: Child) -> None:
    """QtAsyncio's documented example: a button starts a coroutine; the closed window ends the run."""
    program = f"""
from {BINDING}.QtCore import QTimer
from {BINDING}.QtWidgets import QApplication, QLabel, QMainWindow, QPushButton, QVBoxLayout, QWidget
import qtloop.QtAsyncio as QtAsyncio

class MainWindow(QMainWindow):
    def __init__(self):
        super().__init__()
        widget = QWidget()
        self.setCentralWidget(widget)
        layout = QVBoxLayout(widget)
        self.text = QLabel("The answer is 42.")
        layout.addWidget(self.text)
        self.button = QPushButton(text="What is the question?")
        self.button.clicked.connect(lambda: asyncio.ensure_future(self.set_text()))
        layout.addWidget(self.button)

    async def set_text(self):
        await asyncio.sleep(0.01)
        self.text.setText("What do you get if you multiply six by nine?")
        print(self.text.text())
        self.close()

app = QApplication(sys.argv)
main_window = MainWindow()
main_window.show()
QTimer.singleShot(0, main_window.button.click)
QtAsyncio.run(handle_sigint=True)
print("ended")
"""
    shown = child(program).stdout.splitlines()
    assert shown == ["What do you get if you multiply six by nine?", "ended"]


@pytest.mark.parametrize("result", ["result", 0])
def test_coroutine_is_run_to_its_end_and_its_result_returned(app: Any, result: object) -> None:
    main = asyncio.sleep(0.001, result)
    assert QtAsyncio.run(main, keep_running=False, debug=False) == result


def test_exception_of_the_coroutine_is_raised(app: Any) -> None:
    async def main() -> None:
        raise LookupError("on purpose")

    with pytest.raises(LookupError, match="on purpose"):
        QtAsyncio.run(main(), keep_running=False)


def test_keep_running_outlives_the_coroutine_and_closes_the_loop(app: Any) -> None:
    log: list[object] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        log.extend((type(loop), loop.get_debug()))
        log.append(loop.create_task(left_over()))
        loop.call_later(0.01, loop.stop)

    async def left_over() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            log.append("cleaned up")

    assert QtAsyncio.run(main(), debug=True) is None
    assert log[:2] == [qtloop.QEventLoop, True]
    assert log[-1] == "cleaned up"


def test_run_without_a_coroutine_and_keep_running_is_refused(app: Any) -> None:
    with pytest.raises(RuntimeError, match="must be a coroutine"):
        QtAsyncio.run(keep_running=False)


@pytest.mark.parametrize("keep_running", [True, False])
def test_ctrl_c_raises_nothing_with_handle_sigint(app: Any, keep_running: bool) -> None:
    def interrupt() -> None:
        threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()

    interrupt()
    run = QtAsyncio.run(asyncio.sleep(60), keep_running=keep_running, handle_sigint=True)
    assert run is None
    interrupt()
    with pytest.raises(KeyboardInterrupt):
        QtAsyncio.run(asyncio.sleep(60), keep_running=keep_running)


def test_names_of_qtasyncio_are_asyncios_classes(app: Any) -> None:
    async def main() -> None:
        assert isinstance(asyncio.current_task(), QtAsyncio.QAsyncioTask)
        loop = asyncio.get_running_loop()
        assert isinstance(loop, QtAsyncio.QAsyncioEventLoop)
        assert isinstance(loop.create_future(), QtAsyncio.QAsyncioFuture)
        assert isinstance(loop.call_soon(int), QtAsyncio.QAsyncioHandle)
        timer = loop.call_later(60, print)
        assert isinstance(timer, QtAsyncio.QAsyncioTimerHandle)
        timer.cancel()

    qtloop.run(main())


def test_qtasyncios_policy_makes_this_loop(app: Any) -> None:
    loop = QtAsyncio.QAsyncioEventLoopPolicy(quit_qapp=False).new_event_loop()
    assert isinstance(loop, qtloop.QEventLoop)
    loop.close()
