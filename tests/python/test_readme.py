"""README's programs run."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest
from conftest import BINDING, Child, needs_binding

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"^```python\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


@needs_binding
def test_first_program_runs_until_its_window_is_closed(child: Child) -> None:
    program = PROGRAMS[0].replace("PySide6", str(BINDING))
    made = "app = QApplication(sys.argv)\n"
    assert made in program
    closes = made + "QtCore.QTimer.singleShot(100, app.closeAllWindows)\n"
    assert child(program.replace(made, closes)).stderr == ""


@needs_binding
def test_slot_of_the_second_program_asks_and_goes_on(child: Child) -> None:
    """The class is README's; the window around it, the answer and what is saved are the test's."""
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


@pytest.mark.parametrize("path", sorted(set(re.findall(r"\]\(([a-z][\w./]+)[)#]", README))))
def test_what_readme_links_to_exists(path: str) -> None:
    assert (ROOT / path).exists()


def test_readme_names_the_oldest_python_that_runs() -> None:
    assert "Python 3.10 or newer" in README
    assert sys.version_info >= (3, 10), os.fspath(sys.executable)
