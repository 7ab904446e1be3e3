"""The way in of asyncio: `asyncio.run` with a loop factory, or `qtloop.run` on every Python.

    python examples/asyncio_run.py

A label counts seconds until five, or until its window is closed, which cancels the coroutine.
Written for PySide6; for PyQt6 change the name in the import.
"""

import asyncio
import sys

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QLabel

import qtloop


async def main() -> str:
    label = QLabel("0")
    label.setAlignment(Qt.AlignmentFlag.AlignCenter)
    label.resize(300, 150)
    label.show()
    for second in range(1, 6):
        await asyncio.sleep(0.2)  # short ones
        label.setText(str(second))
    return f"counted to {label.text()}"


app = QApplication(sys.argv)
print(qtloop.run(main()))

# The same from Python 3.12 on with asyncio's own; closing the window is then an error, "Event loop
# stopped before Future completed", for it is not known to `asyncio.run` as a way to end.
if sys.version_info >= (3, 12):
    print(asyncio.run(main(), loop_factory=qtloop.QEventLoop))
