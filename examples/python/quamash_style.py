"""A loop for an existing application: run_forever() calls the application's own exec().

It ends when the window is closed.
"""

import asyncio
import sys

from PySide6.QtWidgets import QApplication, QProgressBar  # for PyQt6, change this line

from qtloop import QEventLoop

app = QApplication(sys.argv)
loop = QEventLoop(app)
asyncio.set_event_loop(loop)

bar = QProgressBar()
bar.setWindowTitle("quamash style")
bar.show()


async def fill() -> None:
    for value in range(101):
        bar.setValue(value)
        await asyncio.sleep(0.02)
    bar.setFormat("Done. Close the window.")


with loop:
    task = loop.create_task(fill())
    code = loop.run_forever()
sys.exit(code)
