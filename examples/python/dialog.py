"""A modal dialog inside a coroutine: other tasks run while it is open.

It ends when the question is answered.
"""

import asyncio
import sys

from PySide6.QtWidgets import QApplication, QMessageBox  # for PyQt6, change this line

import qtloop

app = QApplication(sys.argv)


async def count(ticks: list[int]) -> None:
    while True:
        ticks.append(len(ticks))
        await asyncio.sleep(0.01)


async def main() -> None:
    ticks: list[int] = []
    counter = asyncio.create_task(count(ticks))
    # No await and no thread: the dialog's own exec() returns when it is answered.
    box = QMessageBox()
    box.setText("Another task is counting. How far has it come?")
    box.exec()
    print(f"counted to {len(ticks)} while the question was open")
    counter.cancel()


qtloop.run(main())
