"""The window of the dask example shows progress and results, cancels, and closes while tasks run."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from conftest import BINDING, needs_binding

EXAMPLE = Path(__file__).parents[3] / "examples" / "python" / "dask_window.py"

# A user that starts the tasks, starts and cancels them, and starts them and closes the window. It
# runs before the example, in its process. Its steps wait for what the window shows.
USER = """
import runpy, sys
binding = sys.argv.pop(1)
QtCore = __import__(f"{binding}.QtCore").QtCore
QtWidgets = __import__(f"{binding}.QtWidgets").QtWidgets

def user(window):
    def progress():
        return any(0 < bar.value() < bar.maximum() for bar in window.bars)

    for act in (None, window.cancel.click, window.close):
        while not window.start.isEnabled():
            yield
        print(window.label.text().split("about")[0])
        window.start.click()
        while not progress():
            yield
        if act:
            act()
        else:
            while not window.start.isEnabled():
                yield
            print(round(float(window.label.text().split()[-1]), 1))
            print({bar.value() == bar.maximum() for bar in window.bars})

class App(QtWidgets.QApplication):
    def __init__(self, arguments):
        super().__init__(arguments)
        self.user = None
        self.timer = QtCore.QTimer()
        self.timer.timeout.connect(self.act)
        self.timer.start(1)

    def act(self):
        if self.user is None and self.topLevelWidgets():
            self.user = user(self.topLevelWidgets()[0])
        if self.user is not None:
            next(self.user, None)

QtWidgets.QApplication = App
runpy.run_path(sys.argv[1], run_name="__main__")
print("ended")
"""


# asyncio's messages about what a program has left behind.
COMPLAINTS = ("Exception in callback", "never retrieved", "never awaited", "was destroyed")


@needs_binding
@pytest.mark.skipif(find_spec("distributed") is None, reason="distributed is not installed")
def test_window_shows_progress_cancels_and_closes(tmp_path: Path) -> None:
    program = tmp_path / "dask_window.py"
    program.write_text(EXAMPLE.read_text().replace("PySide6", str(BINDING)))
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", USER, str(BINDING), str(program)],
        capture_output=True,
        text=True,
        timeout=50,
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
    )
    shown = ["The cluster is ready", "3.1", "{True}", "Pi is ", "Cancelled", "ended"]
    assert (done.returncode, done.stdout.splitlines()) == (0, shown), done.stderr
    # A worker may log that its last heartbeat has failed: the scheduler has closed before it.
    assert not [complaint for complaint in COMPLAINTS if complaint in done.stderr], done.stderr
