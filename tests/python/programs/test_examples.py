"""Every example runs with the binding of this run, and exits without an error."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import BINDING, needs_binding

EXAMPLES = Path(__file__).parents[3] / "examples" / "python"

# Closes each window that opens, as a user does; it runs before the example, in its process.
CLOSER = """
import runpy, sys
from qtloop._binding import binding
QtCore, QtWidgets = binding.module("QtCore"), binding.module("QtWidgets")

seen = None

def close():
    # Only what was open already at the last call: the program may be about to open a dialog.
    global seen
    app = QtWidgets.QApplication.instance()
    dialog = app and app.activeModalWidget()
    windows = app and [window for window in app.topLevelWidgets() if window.isVisible()]
    before, seen = seen, (dialog, windows)
    if before != seen:
        return
    if dialog:
        dialog.close()
    elif windows:
        app.closeAllWindows()

class App(QtWidgets.QApplication):
    def __init__(self, arguments):
        super().__init__(arguments)
        self.closer = QtCore.QTimer()
        self.closer.timeout.connect(close)
        self.closer.start(200)

QtWidgets.QApplication = App
runpy.run_path(sys.argv[1], run_name="__main__")
"""


def run(name: str, folder: Path, *arguments: str, closing: bool = False) -> str:
    """Runs an example and returns its output; it must exit with code 0 and print no warning.

    The program is a copy that imports the binding of this run in place of PySide6.
    """
    path = folder / name
    path.write_text((EXAMPLES / name).read_text().replace("PySide6", BINDING or "PySide6"))
    program = ["-c", CLOSER, str(path)] if closing else [str(path)]
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", *program, *arguments],
        capture_output=True,
        text=True,
        timeout=40,
        cwd=folder,
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
    )
    # The offscreen platform prints this for every dialog.
    errors = done.stderr.replace("This plugin does not support propagateSizeHints()\n", "")
    errors = "".join(line for line in errors.splitlines(True) if "olicy" not in line)
    assert (done.returncode, errors) == (0, "")
    return done.stdout


@pytest.mark.parametrize(
    ("name", "printed"),
    [
        ("asyncio_run.py", "Hello from inside Qt's loop."),
        ("threads.py", "second is done"),
        ("policy.py", "QEventLoop"),
        ("no_binding.py", "libQt6Core"),
    ],
)
def test_example_without_a_window_ends_by_itself(name: str, printed: str, tmp_path: Path) -> None:
    assert printed in run(name, tmp_path)


@needs_binding
@pytest.mark.parametrize(
    ("name", "printed"),
    [
        ("quamash_style.py", ""),
        ("attach.py", "cleaned up\n"),
        ("dialog.py", "counted to "),
        ("signals.py", "you move the slider\n"),
    ],
)
def test_example_with_a_window_ends_when_the_window_is_closed(
    name: str, printed: str, tmp_path: Path
) -> None:
    assert run(name, tmp_path, closing=True).startswith(printed)


@needs_binding
def test_view_of_the_pace_example_is_updated_at_most_20_times_a_second(tmp_path: Path) -> None:
    printed = run("pace.py", tmp_path, closing=True)
    changes, updates, seconds = re.findall(r"[\d.]+", printed)
    assert int(changes) > int(updates) >= 2
    assert int(updates) <= float(seconds) / 0.05 + 1


@needs_binding
def test_example_parses_a_whole_file_while_its_window_shows_frames(tmp_path: Path) -> None:
    printed = run("parse_file.py", tmp_path, "12")
    lines, total = re.findall(r"[\d.]+", printed)[:2]
    blocks, rest = divmod(int(lines), 10_000)
    assert blocks > 0 and rest == 0
    assert float(total) == round(blocks * sum(round(n / 7, 2) for n in range(10_000)), 2)
    assert int(re.findall(r"(\d+) frames", printed)[0]) >= 2


@needs_binding
def test_qml_example_shows_the_result_and_ends_by_itself(tmp_path: Path) -> None:
    assert run("promise.py", tmp_path) == "Hello from a socket.\n"


@needs_binding
def test_simulation_takes_no_real_time_and_saves_its_plot(tmp_path: Path) -> None:
    (seconds,) = re.findall(r"two days took ([\d.]+) seconds", run("simulator.py", tmp_path))
    assert float(seconds) < 20
    assert (tmp_path / "simulator.png").read_bytes().startswith(b"\x89PNG")


def test_every_example_is_run_by_a_test() -> None:
    tested = "".join(path.read_text() for path in Path(__file__).parents[1].rglob("test_*.py"))
    assert [path.name for path in EXAMPLES.glob("*.py") if path.name not in tested] == []
