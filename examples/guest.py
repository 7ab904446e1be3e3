"""The way in for a program that calls `app.exec()` itself, or is called by one that does.

    python examples/guest.py

The button starts a coroutine; when that is done, the window closes and the program ends.
Written for PySide6; for PyQt6 change the name in the import.
"""

import asyncio
import sys

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication, QPushButton

import qtloop


class Button(QPushButton):
    def __init__(self) -> None:
        super().__init__("Ask a process")
        self.clicked.connect(self.ask)

    @qtloop.asyncSlot()
    async def ask(self) -> None:
        self.setEnabled(False)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", "print(6 * 7)", stdout=asyncio.subprocess.PIPE
        )
        answer, _ = await process.communicate()
        print("the process says", answer.decode().strip())
        self.close()


app = QApplication(sys.argv)
button = Button()
button.show()
QTimer.singleShot(200, button.click)  # in case nobody else clicks

with qtloop.attach():  # from here on tasks run whenever Qt does
    code = app.exec()

print("exit code", code)
