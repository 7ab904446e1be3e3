"""`attach()`: the program calls exec() itself, and the loop runs inside it.

It ends when the window is closed.
"""

import asyncio
import sys

from PySide6.QtWidgets import QApplication, QLabel  # for PyQt6, change this line

import qtloop

app = QApplication(sys.argv)
label = QLabel("…")
label.setWindowTitle("attach")
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
