"""A modal dialog inside a coroutine: other tasks run while it is open.

Run it with PySide6 or PyQt6 installed; it ends when the question is answered.
"""

import asyncio
import sys

import qtloop
from fetching.qt import QtWidgets

app = QtWidgets.QApplication(sys.argv)


async def count(ticks: list[int]) -> None:
    while True:
        ticks.append(len(ticks))
        await asyncio.sleep(0.01)


async def main() -> None:
    ticks: list[int] = []
    counter = asyncio.create_task(count(ticks))
    # No await and no thread: the dialog's own exec() returns when it is answered.
    box = QtWidgets.QMessageBox()
    box.setText("Another task is counting. How far has it come?")
    box.exec()
    print(f"counted to {len(ticks)} while the question was open")
    counter.cancel()


qtloop.run(main())
