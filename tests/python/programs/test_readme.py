"""The programs of README and of docs/PORTING.md run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from conftest import BINDING, Child, needs_binding

ROOT = Path(__file__).parents[3]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PORTING = (ROOT / "docs" / "PORTING.md").read_text(encoding="utf-8")


def programs(page: str) -> list[str]:
    """Returns the Python blocks of a page."""
    return re.findall(r"^```python\n(.*?)^```", page, flags=re.MULTILINE | re.DOTALL)


PROGRAMS = programs(README)


def section(heading: str) -> str:
    """Returns the only Python block under a heading of docs/PORTING.md."""
    _, text = PORTING.split(f"\n## {heading}\n")
    (program,) = programs(text.split("\n## ")[0])
    return program


@needs_binding
def test_first_program_runs_until_its_window_is_closed(child: Child) -> None:
    program = PROGRAMS[0].replace("PySide6", str(BINDING))
    made = "app = QApplication(sys.argv)\n"
    assert made in program
    closes = made + "QtCore.QTimer.singleShot(100, app.closeAllWindows)\n"
    assert child(program.replace(made, closes)).stderr == ""


@needs_binding
def test_slot_of_the_second_program_asks_a_question_and_continues(child: Child) -> None:
    """The class is README's; the window, the answer and the saved text are the test's."""
    program = f"""
from {BINDING}.QtWidgets import QApplication, QMessageBox, QWidget
app = QApplication([])
{PROGRAMS[1]}
main_thread = threading.get_ident()
Window.write = lambda self: print("in a thread:", threading.get_ident() != main_thread)
def answer():
    box = app.activeModalWidget()
    yes = box.button(QMessageBox.StandardButton.Yes)
    yes.click()
async def main():
    QtCore.QTimer.singleShot(50, answer)
    await Window().on_save()
qtloop.run(main())
"""
    assert child(program).stdout == "in a thread: True\n"


def test_every_block_of_the_porting_page_is_python_and_is_run_here() -> None:
    found = programs(PORTING)
    for program in found:
        compile(program, "docs/PORTING.md", "exec")
    tested = ["What behaves differently, and why", "Tests with pytest"]
    tested += ["Libraries with a blocking run()", "trio"]
    assert found == [programs(PORTING)[0], *map(section, tested)]


def test_dependency_that_imports_qasync_gets_qtloop(child: Child) -> None:
    program = programs(PORTING)[0] + "from qasync import QEventLoop\nprint(QEventLoop.__module__)"
    assert child(program).stdout == "qtloop._loop\n"


@needs_binding
def test_job_that_main_awaits_is_completed_after_the_window_was_closed(child: Child) -> None:
    program = section("What behaves differently, and why").replace("sleep(0.1)", "sleep(1)")
    window = """
app = QtWidgets.QApplication([])
window = QtWidgets.QWidget()
window.show()
QtCore.QTimer.singleShot(10, window.close)
qtloop.QThreadExecutor.grace = 0.2
"""
    done = child(program.replace("\n\nqtloop.run(main())", window + "qtloop.run(main())"))
    assert (done.stdout, done.stderr) == ("saved\n", "")


@needs_binding
def test_loop_that_is_attached_runs_in_the_exec_of_a_library(child: Child) -> None:
    done = child(section("Libraries with a blocking run()"))
    assert (done.stdout, done.stderr) == ("beside the window\n", "")


@pytest.mark.skipif(find_spec("trio") is None, reason="trio is not installed")
def test_trio_is_a_guest_of_the_loop_without_a_warning(child: Child) -> None:
    done = child(section("trio"))
    assert (done.stdout, done.stderr) == ("from trio\n", "")


@needs_binding
@pytest.mark.skipif(
    find_spec("pytestqt") is None or find_spec("pytest_asyncio") is None,
    reason="pytest-qt or pytest-asyncio is not installed",
)
def test_coroutine_test_with_qtbot_runs_on_the_loop(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(section("Tests with pytest"))
    (tmp_path / "pytest.ini").write_text("[pytest]\nasyncio_mode = auto\n")
    (tmp_path / "test_button.py").write_text(f"""
import asyncio, qtloop
from {BINDING}.QtWidgets import QPushButton

async def test_button(qtbot):
    loop = asyncio.get_running_loop()
    assert isinstance(loop, qtloop.QEventLoop)
    clicked, button = asyncio.Event(), QPushButton()
    button.clicked.connect(lambda: clicked.set())
    button.show()
    qtbot.addWidget(button)
    loop.call_later(0.001, button.click)
    with qtbot.waitSignal(button.clicked):
        pass
    await clicked.wait()
    button.close()
    await asyncio.sleep(0.01)

async def test_after_a_window_was_closed():
    await asyncio.sleep(0.001)
""")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", tmp_path],
        capture_output=True,
        text=True,
        timeout=50,
        env={**os.environ, "QT_API": str(BINDING), "PYTEST_QT_API": str(BINDING).lower()},
    )
    assert "2 passed" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("path", sorted(set(re.findall(r"\]\(([a-z][\w./]+)[)#]", README))))
def test_files_that_readme_links_to_exist(path: str) -> None:
    assert (ROOT / path).exists()


def test_supported_python_versions_are_the_tested_ones() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    tested = re.findall(
        r"^for minor in ([\d ]+);", (ROOT / "tools/pythons").read_text(), re.MULTILINE
    )
    minors = sorted(int(minor) for minor in tested[0].split())
    assert minors == [int(minor) for minor in re.findall(r":: Python :: 3\.(\d+)", project)]
    assert f'requires-python = ">=3.{minors[0]},<3.{minors[-1] + 1}"' in project
    assert f"Python 3.{minors[0]} to 3.{minors[-1]}" in README
    assert sys.version_info[1] in minors, os.fspath(sys.executable)
