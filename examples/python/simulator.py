"""A simulation in virtual time: how many customers of a bank wait, with three and with four clerks.

A customer is a coroutine, and the clerks are a semaphore. A day takes a fraction of a second. The
program ends when the window is closed. On the platform "offscreen" it saves the plot as
simulator.png, and ends.
"""

import asyncio
import random
import sys
import time
from itertools import pairwise

# For PyQt6, change these two lines.
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QGuiApplication, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QApplication, QWidget

import qtloop

MINUTE, HOUR = 60, 3600
OPENS, CLOSES = 9 * HOUR, 17 * HOUR


class Bank:
    """The simulation. Times are seconds since midnight, those of the loop."""

    def __init__(self, clerks: int) -> None:
        self.clerks = asyncio.Semaphore(clerks)
        self.now = asyncio.get_running_loop().time
        self.queue = [(self.now(), 0)]  # its length, each time that it changes
        self.waits: list[float] = []
        self.chance = random.Random(3)

    def change_queue(self, by: int) -> None:
        self.queue.append((self.now(), self.queue[-1][1] + by))

    async def serve(self, service: float) -> None:
        arrived = self.now()
        self.change_queue(+1)
        async with self.clerks:
            self.change_queue(-1)
            self.waits.append(self.now() - arrived)
            await asyncio.sleep(service)

    async def open(self) -> None:
        customers = []
        while self.now() < CLOSES:
            is_noon = 12 * HOUR < self.now() < 14 * HOUR
            await asyncio.sleep(self.chance.expovariate((1.1 if is_noon else 0.65) / MINUTE))
            service = self.chance.expovariate(1 / (4 * MINUTE))
            customers.append(asyncio.create_task(self.serve(service)))
        await asyncio.gather(*customers)


async def day(clerks: int) -> Bank:
    bank = Bank(clerks)
    await bank.open()
    return bank


class Plot(QWidget):
    COLORS = QColor("#d1495b"), QColor("#00798c")

    def __init__(self, banks: dict[str, Bank]) -> None:
        super().__init__()
        self.banks = banks
        self.setWindowTitle("A day in a bank")
        self.resize(760, 420)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        ink = self.palette().text().color()
        faint = QColor(ink)
        faint.setAlpha(40)
        painter.fillRect(self.rect(), self.palette().base())
        plot = QRectF(self.rect()).adjusted(56, 88, -24, -44)
        longest = max(length for bank in self.banks.values() for _, length in bank.queue)
        top = 10 * (longest // 10 + 1)
        ends = max(bank.queue[-1][0] for bank in self.banks.values())
        last = max(CLOSES, HOUR * -(-ends // HOUR))

        def point(when: float, length: float) -> QPointF:
            x = plot.left() + plot.width() * (when - OPENS) / (last - OPENS)
            return QPointF(x, plot.bottom() - plot.height() * length / top)

        def label(where: QPointF, text: str, flags: Qt.AlignmentFlag) -> None:
            painter.setPen(ink)
            painter.drawText(QRectF(where.x() - 40, where.y() - 10, 80, 20), flags, text)

        for length in range(0, top + 1, 10):
            painter.setPen(faint)
            painter.drawLine(point(OPENS, length), point(last, length))
            where = point(OPENS, length) - QPointF(48, 0)
            label(where, str(length), Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        for hour in range(OPENS // HOUR, int(last) // HOUR + 1):
            where = point(hour * HOUR, 0) + QPointF(0, 16)
            label(where, f"{hour}:00", Qt.AlignmentFlag.AlignCenter)
        painter.drawText(QPointF(plot.left(), 26), "Customers in the queue")
        for row, (name, bank) in enumerate(self.banks.items()):
            steps = QPolygonF()
            for (_, before), (when, length) in pairwise(bank.queue):
                steps.append(point(when, before))
                steps.append(point(when, length))
            painter.setPen(QPen(self.COLORS[row], 1.5))
            painter.drawPolyline(steps)
            minutes = sum(bank.waits) / len(bank.waits) / MINUTE
            text = f"{name}: {len(bank.waits)} customers wait {minutes:.1f} minutes on average"
            painter.drawText(QPointF(plot.left(), 48 + 20 * row), text)


app = QApplication(sys.argv)
began = time.perf_counter()
banks = {}
for name, clerks in ("Three clerks", 3), ("Four clerks", 4):
    bank = qtloop.run(day(clerks), clock=qtloop.VirtualClock(start=OPENS))
    assert bank is not None
    banks[name] = bank
print(f"two days took {time.perf_counter() - began:.2f} seconds")
plot = Plot(banks)
if QGuiApplication.platformName() == "offscreen":
    plot.grab().save("simulator.png")
else:
    plot.show()
    app.exec()
