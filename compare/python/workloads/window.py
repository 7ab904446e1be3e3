"""The effects on a window: late QTimers, late clicks, and the cost of idling."""

from __future__ import annotations

import asyncio
import importlib
import resource
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

from measure import COUNT, SECONDS, Bench, Figures, Group, Unsuitable, percentile
from peers import BARE, QT_LOOPS, Bare, Peer
from servers import protocol

group = Group(loops=(*QT_LOOPS, BARE), slow=("qtinter", "QtAsyncio"))
INTERVAL = 0.016
TASKS = 200
IDLE = 5.0
IDLE_CPU = "CPU time of 5 s idle"
IDLE_SWITCHES = "wake-ups in 5 s idle"

Load = Callable[[Bench], Awaitable[None]]


class Ticker:
    """A precise QTimer of 16 ms, and the lateness of each tick."""

    def __init__(self, peer: Peer) -> None:
        self.late: list[float] = []
        self.timer = peer.core.QTimer()
        self.timer.setTimerType(peer.core.Qt.TimerType.PreciseTimer)
        self.timer.timeout.connect(self.tick)
        self.timer.start(round(INTERVAL * 1000))
        self.due = time.perf_counter() + INTERVAL

    def tick(self) -> None:
        late = time.perf_counter() - self.due
        self.late.append(max(0.0, late))
        # Qt skips the ticks that it has missed.
        self.due += INTERVAL * (1 + max(0, int(late / INTERVAL)))


class Clicker:
    """A button that another thread clicks, as the display does, and the time until its slot."""

    def __init__(self, peer: Peer) -> None:
        self.late: list[float] = []
        self.core = peer.core
        self.gui: Any = importlib.import_module(f"{peer.binding}.QtGui")
        self.button = peer.widgets.QPushButton("Click")
        self.button.clicked.connect(self.slot)
        self.button.show()
        self.answered = threading.Event()
        self.ends = threading.Event()
        self.posted = 0.0
        self.thread = threading.Thread(target=self.click, daemon=True)
        self.thread.start()

    def click(self) -> None:
        left = self.core.Qt.MouseButton.LeftButton
        nowhere = self.core.Qt.KeyboardModifier.NoModifier
        at = self.core.QPointF(5, 5)
        kinds = self.core.QEvent.Type
        while not self.ends.wait(0.01):
            press, release = (
                self.gui.QMouseEvent(kind, at, at, left, left, nowhere)
                for kind in (kinds.MouseButtonPress, kinds.MouseButtonRelease)
            )
            self.answered.clear()
            self.posted = time.perf_counter()
            self.core.QCoreApplication.postEvent(self.button, press)
            self.core.QCoreApplication.postEvent(self.button, release)
            self.answered.wait(5)

    def slot(self) -> None:
        self.late.append(time.perf_counter() - self.posted)
        self.answered.set()


async def nothing_else(bench: Bench) -> None:
    await bench.peer.pause(0.5 if bench.quick else 3)


async def tasks(bench: Bench) -> None:
    end = time.perf_counter() + (0.5 if bench.quick else 3)

    async def spin() -> None:
        while time.perf_counter() < end:
            await asyncio.sleep(0)

    await asyncio.gather(*(spin() for _ in range(TASKS)))


async def echoes(bench: Bench) -> None:
    """Sends as many requests as another process can make, on 100 connections."""
    seconds = 0.5 if bench.quick else 3
    async with protocol() as address:
        await bench.ask(
            "echo", kind="tcp", address=address, size=1024, connections=100, seconds=seconds
        )


async def download(bench: Bench) -> None:
    size = (100 if bench.quick else 1000) * 1_000_000
    host, port = await bench.ask("serve", size=size)
    reader, writer = await asyncio.open_connection(host, port)
    got = 0
    while data := await reader.read(1 << 18):
        got += len(data)
    writer.close()
    if got != size:
        raise AssertionError(f"{got:,} bytes came, of {size:,}")


def beside(what: str, load: Load) -> None:
    """Adds the workload of a timer and a button with that load."""
    rows = [f"{kind}, {what}, {part}" for kind in ("QTimer", "click") for part in ("p50", "p99")]

    @group.figures(what, dict.fromkeys(rows, SECONDS))
    async def window(bench: Bench) -> Figures:
        if isinstance(bench.peer, Bare) and load is not nothing_else:
            raise Unsuitable("it has no asyncio to be loaded with")
        ticker, clicker = Ticker(bench.peer), Clicker(bench.peer)
        try:
            await bench.peer.pause(0.1)  # until the window is shown
            ticker.late.clear()
            clicker.late.clear()
            await load(bench)
        finally:
            ticker.timer.stop()
            clicker.ends.set()
            clicker.button.hide()
        if not ticker.late or not clicker.late:
            raise AssertionError("Qt's timers or clicks starve")
        figures = [
            percentile(late, share) for late in (ticker.late, clicker.late) for share in (0.5, 0.99)
        ]
        return dict(zip(rows, figures, strict=True))


LOADS: dict[str, Load] = {
    f"{TASKS} tasks on sleep(0)": tasks,
    "full echo load": echoes,
    "1 GB download": download,
}
beside("idle", nothing_else)
for what, way in LOADS.items():
    beside(what, way)


@group.figures("idle cost", {IDLE_CPU: SECONDS, IDLE_SWITCHES: COUNT})
async def idle_cost(bench: Bench) -> Figures:
    """Measures for a shorter time, and scales the result, in a quick run."""
    seconds = 1.0 if bench.quick else IDLE
    await bench.peer.pause(0.5)
    before = resource.getrusage(resource.RUSAGE_SELF)
    cpu = time.process_time()
    await bench.peer.pause(seconds)
    cpu = time.process_time() - cpu
    switches = resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw - before.ru_nvcsw
    return {IDLE_CPU: cpu * IDLE / seconds, IDLE_SWITCHES: switches}
