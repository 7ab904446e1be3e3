"""Programs for qasync and quamash run with qtloop in their place.

They are modelled on those in the two projects' READMEs and examples. `QT_API` names the binding.
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

from qtloop._binding import binding

if binding is None:
    pytest.skip("these programs have windows: they need a Qt binding", allow_module_level=True)

NAME = binding.name

needs_loop_factory = pytest.mark.skipif(
    sys.version_info < (3, 12), reason="asyncio.run() has loop_factory from Python 3.12 on"
)
needs_aiohttp = pytest.mark.skipif(find_spec("aiohttp") is None, reason="aiohttp is not installed")


def run(program: str, instead_of: str) -> str:
    """Runs a program that imports qtloop by another name; returns its output."""
    # Makes `from qasync import ...` work as well as `import qtloop as qasync`.
    prelude = f"import sys, qtloop\nsys.modules[{instead_of!r}] = qtloop\n"
    # Slots that close the last window may show another one in this time, in seconds.
    prelude += "qtloop.QEventLoop.quit_grace = 0.2\n"
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", prelude + program.replace("$QT", NAME)],
        capture_output=True,
        text=True,
        timeout=50,
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen", "QT_API": NAME},
    )
    # The offscreen platform prints this for every dialog.
    errors = done.stderr.replace("This plugin does not support propagateSizeHints()\n", "")
    assert (done.returncode, errors) == (0, "")
    return done.stdout


def test_quamash_progress_bar_program_runs() -> None:
    """A progress bar whose first half is filled by a coroutine and the second by a thread."""
    printed = run(
        """
import asyncio
import sys
import time

from $QT.QtWidgets import QApplication, QProgressBar
from quamash import QEventLoop, QThreadExecutor

app = QApplication(sys.argv)
loop = QEventLoop(app)
asyncio.set_event_loop(loop)

bar = QProgressBar()
bar.setRange(0, 99)
bar.show()
values = []
bar.valueChanged.connect(values.append)

async def both_halves():
    await lower_half()
    with QThreadExecutor(1) as executor:
        await loop.run_in_executor(executor, upper_half)

async def lower_half():
    for value in range(50):
        bar.setValue(value)
        await asyncio.sleep(0.001)

def upper_half():
    for value in range(50, 100):
        loop.call_soon_threadsafe(bar.setValue, value)
        time.sleep(0.001)

with loop:
    loop.run_until_complete(both_halves())

assert values == list(range(100)), values
assert loop.is_closed()
print("full")
""",
        instead_of="quamash",
    )
    assert printed == "full\n"


def test_quamash_run_forever_returns_the_exit_code() -> None:
    """`with loop: sys.exit(loop.run_forever())`, as programs for quamash do."""
    printed = run(
        """
import asyncio, sys
import quamash
from $QT.QtWidgets import QApplication, QLabel

app = QApplication(sys.argv)
loop = quamash.QEventLoop(app)
asyncio.set_event_loop(loop)
label = QLabel("text")
label.show()

async def close_later():
    await asyncio.sleep(0.01)
    label.close()

asyncio.ensure_future(close_later(), loop=loop)
with loop:
    code = loop.run_forever()
print("exit code", code)
""",
        instead_of="quamash",
    )
    assert printed == "exit code 0\n"


QASYNC_WINDOW = """
import asyncio
import sys

from $QT.QtWidgets import QLabel, QPushButton, QVBoxLayout, QWidget

import qasync
from qasync import QApplication, QEventLoop, asyncClose, asyncSlot


class MainWindow(QWidget):
    def __init__(self):
        super().__init__()
        self.setLayout(QVBoxLayout())
        self.status = QLabel("Idle", self)
        self.layout().addWidget(self.status)
        self.button = QPushButton("Start", self)
        self.button.clicked.connect(self.on_button_clicked)
        self.layout().addWidget(self.button)

    @asyncClose
    async def closeEvent(self, event):
        self.status.setText("Closing")
        await asyncio.sleep(0.01)
        print("closed, after", self.old_text)

    @asyncSlot()
    async def on_button_clicked(self):
        self.status.setText("Working")
        await asyncio.sleep(0.01)
        self.status.setText("Finished")
        self.old_text = self.status.text()
        self.close()


app = QApplication(sys.argv)
app_close_event = asyncio.Event()
app.aboutToQuit.connect(app_close_event.set)
main_window = MainWindow()
main_window.show()
"""


@needs_loop_factory
def test_qasync_readme_program_runs() -> None:
    """A window with an asyncSlot and an asyncClose, run until the application quits."""
    program = """
async def main():
    main_window.button.click()
    await app_close_event.wait()
    print("application has quit")

asyncio.run(main(), loop_factory=QEventLoop)
"""
    printed = run(QASYNC_WINDOW + program, instead_of="qasync")
    assert printed == "closed, after Finished\napplication has quit\n"


def test_qasync_readme_program_with_its_own_run_runs() -> None:
    """The same window with `qasync.run`, as its README recommends for Python up to 3.11."""
    program = """
from $QT.QtCore import QTimer
QTimer.singleShot(0, main_window.button.click)
qasync.run(app_close_event.wait())
print("application has quit")
"""
    printed = run(QASYNC_WINDOW + program, instead_of="qasync")
    assert printed == "closed, after Finished\napplication has quit\n"


def test_qasync_program_that_sets_its_loop_runs() -> None:
    """The same window in the older style: set the loop, make the window, `with loop:`."""
    program = """
loop = QEventLoop(app)
asyncio.set_event_loop(loop)
main_window.button.click()  # before the loop runs
with loop:
    loop.run_until_complete(app_close_event.wait())
print("application has quit")
"""
    printed = run(QASYNC_WINDOW + program, instead_of="qasync")
    assert printed == "closed, after Finished\napplication has quit\n"


@needs_aiohttp
def test_qasync_aiohttp_program_fetches() -> None:
    """A window that fetches a page from a local server when its button is clicked."""
    printed = run(
        """
import asyncio
import functools
import sys

import aiohttp
from aiohttp import web
from $QT.QtWidgets import QLabel, QLineEdit, QPushButton, QTextEdit, QVBoxLayout, QWidget

import qasync
from qasync import QApplication, asyncClose, asyncSlot


class MainWindow(QWidget):
    def __init__(self, url):
        super().__init__()
        self.setLayout(QVBoxLayout())
        self.status = QLabel("Idle", self)
        self.layout().addWidget(self.status)
        self.url = QLineEdit(url, self)
        self.layout().addWidget(self.url)
        self.response = QTextEdit("", self)
        self.layout().addWidget(self.response)
        self.fetch = QPushButton("Fetch", self)
        self.fetch.clicked.connect(self.on_fetch_clicked)
        self.layout().addWidget(self.fetch)
        self.session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20))

    @asyncClose
    async def closeEvent(self, event):
        await self.session.close()
        print("session closed:", self.session.closed)

    @asyncSlot()
    async def on_fetch_clicked(self):
        self.fetch.setEnabled(False)
        self.status.setText("Fetching...")
        try:
            async with self.session.get(self.url.text()) as response:
                self.response.setText(await response.text())
        except Exception as error:
            self.status.setText(f"Error: {error}")
        else:
            self.status.setText("Finished!")
        finally:
            self.fetch.setEnabled(True)
        print(self.status.text(), self.response.toPlainText())
        self.close()


async def serve():
    async def answer(request):
        return web.Response(text="hello")

    application = web.Application()
    application.router.add_get("/", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    return runner, runner.addresses[0][1]


async def main():
    def close_future(future, loop):
        loop.call_later(10, future.cancel)
        future.cancel()

    loop = asyncio.get_event_loop()
    future = asyncio.Future()
    app = QApplication.instance()
    app.aboutToQuit.connect(functools.partial(close_future, future, loop))

    runner, port = await serve()
    window = MainWindow(f"http://127.0.0.1:{port}/")
    window.show()
    window.fetch.click()
    try:
        await future
    finally:
        await runner.cleanup()
    return True


if __name__ == "__main__":
    try:
        qasync.run(main())
    except asyncio.CancelledError:
        print("cancelled")
        sys.exit(0)
""",
        instead_of="qasync",
    )
    assert printed.splitlines()[:2] == ["Finished! hello", "session closed: True"]


@needs_loop_factory
def test_qasync_executor_example_runs() -> None:
    """The same progress bar, run by `asyncio.run`."""
    printed = run(
        """
import asyncio
import functools
import sys
import time

from $QT.QtWidgets import QApplication, QProgressBar
from qasync import QEventLoop, QThreadExecutor


async def both_halves():
    bar = QProgressBar()
    bar.setRange(0, 99)
    bar.show()
    await lower_half(bar)
    loop = asyncio.get_running_loop()
    with QThreadExecutor(1) as executor:
        await loop.run_in_executor(executor, functools.partial(upper_half, bar), loop)
    await asyncio.sleep(0)
    print(bar.value())

async def lower_half(bar):
    for value in range(50):
        bar.setValue(value)
        await asyncio.sleep(0.001)

def upper_half(bar, loop):
    for value in range(50, 100):
        loop.call_soon_threadsafe(bar.setValue, value)
        time.sleep(0.001)

app = QApplication(sys.argv)
asyncio.run(both_halves(), loop_factory=lambda: QEventLoop(app))
""",
        instead_of="qasync",
    )
    assert printed == "99\n"


def test_qasync_modal_example_runs() -> None:
    """A message box opened by asyncWrap; another task runs while it is open."""
    printed = run(
        """
import asyncio
import sys

from $QT.QtWidgets import QApplication, QMessageBox, QProgressBar
from qasync import QEventLoop, asyncWrap


async def both_halves():
    bar = QProgressBar()
    bar.setRange(0, 99)
    bar.show()
    await fill(bar, range(50))
    rest = asyncio.create_task(fill(bar, range(50, 100)))
    rest.add_done_callback(accept)
    result = await asyncWrap(
        lambda: QMessageBox.information(None, "Half", "The first half is done.")
    )
    assert rest.done()
    assert result == QMessageBox.StandardButton.Ok
    print("accepted at", bar.value())

async def fill(bar, values):
    for value in values:
        bar.setValue(value)
        await asyncio.sleep(0.001)

def accept(_):
    box = QApplication.activeModalWidget()
    box.button(QMessageBox.StandardButton.Ok).click()

app = QApplication(sys.argv)
event_loop = QEventLoop(app)
asyncio.set_event_loop(event_loop)
event_loop.run_until_complete(both_halves())
event_loop.close()
""",
        instead_of="qasync",
    )
    assert printed == "accepted at 99\n"


def test_qasync_window_works_in_an_application_that_calls_exec() -> None:
    """`QEventLoop(app, already_running=True)`."""
    program = """
loop = QEventLoop(app, already_running=True)
asyncio.set_event_loop(loop)
main_window.button.click()
print("exit code", app.exec())
loop.close()
"""
    printed = run(QASYNC_WINDOW + program, instead_of="qasync")
    assert printed == "closed, after Finished\nexit code 0\n"


def test_qasync_policy_makes_the_loop() -> None:
    """`DefaultQEventLoopPolicy`, on Python versions in which policies are not deprecated."""
    if sys.version_info >= (3, 14):
        pytest.skip("policies are deprecated since Python 3.14")
    printed = run(
        """
import asyncio, qasync
asyncio.set_event_loop_policy(qasync.DefaultQEventLoopPolicy())

async def main():
    print(type(asyncio.get_running_loop()) is qasync.QEventLoop)

asyncio.run(main())
""",
        instead_of="qasync",
    )
    assert printed == "True\n"
