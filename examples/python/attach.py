"""`attach()`: the program calls exec() itself, and the loop runs inside it.

Run it with PySide6 or PyQt6 installed; it ends when the window is closed.
"""

import asyncio
import sys

import qtloop
from fetching.qt import QtWidgets

app = QtWidgets.QApplication(sys.argv)
label = QtWidgets.QLabel("…")
label.setWindowTitle("guest")
label.show()


async def count() -> None:
    try:
        for seconds in range(1000):
            label.setText(f"Open for {seconds} s")
            await asyncio.sleep(1)
    finally:
        # When exec() has returned, remaining tasks are cancelled and may clean up, awaits included.
        await asyncio.sleep(0)
        print("cleaned up")


with qtloop.attach() as loop:
    task = loop.create_task(count())
    code = app.exec()
sys.exit(code)
