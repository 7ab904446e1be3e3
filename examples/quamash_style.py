"""The way in of quamash: a loop made for the application, and run for ever.

    python examples/quamash_style.py

A bar fills while the window stays alive. Closing the window ends the program, and so does the full bar.
Written for PySide6; for PyQt6 change the name in the import.
"""

import asyncio
import sys

from PySide6.QtWidgets import QApplication, QProgressBar

from qtloop import QEventLoop


async def fill(bar: QProgressBar) -> None:
    try:
        for percent in range(101):
            bar.setValue(percent)
            await asyncio.sleep(0.01)
        bar.close()
    finally:
        print(f"filled to {bar.value()} %")


app = QApplication(sys.argv)
loop = QEventLoop(app)
asyncio.set_event_loop(loop)

bar = QProgressBar()
bar.show()

with loop:  # at its end, tasks that are left are cancelled and clean up
    task = loop.create_task(fill(bar))
    code = loop.run_forever()  # this is app.exec(): the last window's closing ends it

print("exit code", code)
sys.exit(code)
