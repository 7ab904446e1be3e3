"""Shows the progress of tasks that run in the processes of a dask cluster.

The client of the cluster runs on the window's loop, so no thread is needed. Each task estimates pi.
"""

import asyncio
import random
import sys

from distributed import Client, Future, LocalCluster, as_completed, get_worker

# For PyQt6, change this line.
from PySide6.QtWidgets import (
    QApplication,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

import qtloop
from qtloop import asyncSlot

TASKS, STEPS, POINTS = 6, 20, 20_000


def count_hits(task: int, run: int) -> int:
    """Counts random points of a square that are in its circle; runs in a process of the cluster."""
    hits = 0
    for step in range(1, STEPS + 1):
        hits += sum(random.random() ** 2 + random.random() ** 2 < 1 for _ in range(POINTS))
        get_worker().log_event("progress", (run, task, step))
    return hits


class Window(QWidget):
    client: Client

    def __init__(self) -> None:
        super().__init__()
        self.setWindowTitle("dask and qtloop")
        self.futures: list[Future[int]] = []
        self.run = 0
        self.label = QLabel("The cluster is starting")
        self.bars = [QProgressBar() for _ in range(TASKS)]
        self.start = QPushButton("Start")
        self.cancel = QPushButton("Cancel")
        buttons = QHBoxLayout()
        buttons.addWidget(self.start)
        buttons.addWidget(self.cancel)
        layout = QVBoxLayout(self)
        layout.addWidget(self.label)
        for task, bar in enumerate(self.bars, 1):
            bar.setRange(0, STEPS)
            bar.setFormat(f"task {task}: %p %")
            layout.addWidget(bar)
        layout.addLayout(buttons)
        self.setMinimumWidth(360)
        self.start.clicked.connect(self.on_start)
        self.cancel.clicked.connect(self.on_cancel)
        self.start.setEnabled(False)
        self.cancel.setEnabled(False)

    def use(self, client: Client) -> None:
        self.client = client
        client.subscribe_topic("progress", self.on_progress)
        self.label.setText("The cluster is ready")
        self.start.setEnabled(True)

    # The client calls it on the window's loop.
    def on_progress(self, event: tuple[float, tuple[int, int, int]]) -> None:
        _, (run, task, step) = event
        if run == self.run:  # not of a task that was cancelled while it ran
            self.bars[task].setValue(step)

    @asyncSlot()
    async def on_start(self) -> None:
        self.start.setEnabled(False)
        self.cancel.setEnabled(True)
        for bar in self.bars:
            bar.reset()
        self.run += 1
        # Not pure: the function is called again for equal arguments.
        self.futures = self.client.map(count_hits, range(TASKS), run=self.run, pure=False)
        hits = points = 0
        async for future in as_completed(self.futures):
            if future.cancelled():
                self.label.setText("Cancelled")
                break
            hits += await future
            points += STEPS * POINTS
            self.label.setText(f"Pi is about {4 * hits / points:.4f}")
        self.cancel.setEnabled(False)
        self.start.setEnabled(True)

    @asyncSlot()
    async def on_cancel(self) -> None:
        # Waiting tasks do not start. dask cannot stop a running function; it drops the result.
        await self.client.cancel(self.futures)


async def main() -> None:
    window = Window()
    window.show()
    async with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0", asynchronous=True
        ) as cluster,
        Client(cluster, asynchronous=True) as client,
    ):
        window.use(client)
        try:
            await asyncio.Event().wait()  # until the window is closed, which cancels it
        finally:
            # Or the cluster would try to send the progress of running tasks to a closed client.
            client.unsubscribe_topic("progress")


# The processes of the cluster import this file.
if __name__ == "__main__":
    app = QApplication(sys.argv)
    qtloop.run(main())
