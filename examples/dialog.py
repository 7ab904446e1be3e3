"""A modal dialog in the middle of a coroutine: `exec()` waits, and everything else goes on.

    python examples/dialog.py

The question counts down by a task of the same loop, and answers itself in the end.
Written for PySide6; for PyQt6 change the name in the import.
"""

import asyncio
import sys

from PySide6.QtWidgets import QApplication, QMessageBox

import qtloop

BUTTON = QMessageBox.StandardButton


async def count_down(box: QMessageBox, seconds: float) -> None:
    for left in range(5, 0, -1):
        box.setInformativeText(f"I shall go on by myself in {left}.")
        print("still open, and tasks run:", left)
        await asyncio.sleep(seconds / 5)
    box.button(BUTTON.Yes).click()


async def main() -> None:
    box = QMessageBox(QMessageBox.Icon.Question, "A question", "Shall I go on?")
    box.setStandardButtons(BUTTON.Yes | BUTTON.No)
    clock = asyncio.create_task(count_down(box, seconds=1))
    me = asyncio.current_task()

    answer = box.exec()  # a Qt loop of its own, inside of this coroutine

    assert asyncio.current_task() is me
    clock.cancel()
    print("answer:", BUTTON(answer).name)


app = QApplication(sys.argv)
app.setQuitOnLastWindowClosed(False)  # the box is the only window, and not the end
qtloop.run(main())
