"""Loops in worker threads: a plain Python thread, and a QThread that `quit()` ends.

    python examples/threads.py

Both worker loops and the main thread's talk to each other. Needs no window.
Written for PySide6; for PyQt6 change the name in the import.
"""

import asyncio
import sys
import threading

from PySide6.QtCore import QCoreApplication, QThread

import qtloop


async def square(number: int) -> int:
    await asyncio.sleep(0.01)
    return number * number


class Worker(QThread):
    """Its loop runs until somebody calls `quit()`."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = qtloop.QEventLoop(self)

    def run(self) -> None:
        with self.loop:
            self.loop.run_forever()


async def main() -> None:
    # A plain thread needs nothing but another call of run().
    plain = threading.Thread(target=lambda: print("plain thread:", qtloop.run(square(3))))
    plain.start()
    await asyncio.to_thread(plain.join)

    worker = Worker()
    worker.start()
    theirs = asyncio.run_coroutine_threadsafe(square(4), worker.loop)
    print("QThread:", await asyncio.wrap_future(theirs))
    worker.quit()
    await asyncio.to_thread(worker.wait)
    print("QThread has finished:", worker.isFinished())


app = QCoreApplication(sys.argv)
qtloop.run(main())
