"""The cost of each instrument, per callback and per step of a task."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from measure import CPU, SECONDS, Bench, Figures, Group

from .scheduling import call_soon, sleep_zero

group = Group(loops=("qtloop",), pinned=True)
OFF = "no instrument"
RECORDED = "recorded"
WATCHED = "watchdog"
INSTRUMENT = "an instrument with one method"
ACCOUNTS = "inspector"
ALL = (OFF, RECORDED, WATCHED, ACCOUNTS, INSTRUMENT)
CALL_SOON = {each: f"call_soon, {each}" for each in ALL}
SLEEP_ZERO = {each: f"sleep(0), {each}" for each in ALL}
SAVE = "save 1,000,000 events"
WINDOW = "inspector, 500 tasks: CPU time per second"
UPDATE = "inspector, 10,000 tasks that wait: an update"
CHANGING = "inspector, 10,000 tasks, 200 of them new: an update"


class Steps:
    """Counts the steps of tasks."""

    count = 0

    def before_task_step(self, task: asyncio.Task[Any]) -> None:
        self.count += 1


@contextlib.contextmanager
def turned_on(loop: Any, instrument: str) -> Iterator[None]:
    """Turns an instrument on for a block."""
    if instrument == RECORDED:
        with loop.record(events=100_000):
            yield
    elif instrument == WATCHED:
        loop.watchdog = 1
        yield
        loop.watchdog = 0
    elif instrument == ACCOUNTS:
        import qtloop

        qtloop._native.observe_tasks(loop, True)
        yield
        qtloop._native.observe_tasks(loop, False)
    elif instrument == INSTRUMENT:
        steps = Steps()
        loop.add_instrument(steps)
        yield
        loop.remove_instrument(steps)
    else:
        yield


async def figures(bench: Bench, steps: Callable[..., Any], rows: dict[str, str]) -> Figures:
    """Measures the seconds per step with each instrument in turn, five times."""
    measured: dict[str, list[float]] = {row: [] for row in rows.values()}
    for _ in range(5):
        for instrument, row in rows.items():
            with turned_on(bench.loop, instrument):
                measured[row].append(await bench.per_step(steps, CPU))
    return {row: statistics.median(each) for row, each in measured.items()}


@group.figures("call_soon with instruments", dict.fromkeys(CALL_SOON.values(), SECONDS))
async def call_soon_with_instruments(bench: Bench) -> Figures:
    return await figures(bench, call_soon, CALL_SOON)


@group.figures("steps with instruments", dict.fromkeys(SLEEP_ZERO.values(), SECONDS))
async def steps_with_instruments(bench: Bench) -> Figures:
    return await figures(bench, sleep_zero, SLEEP_ZERO)


@group.figures("save", {SAVE: SECONDS})
async def save(bench: Bench) -> Figures:
    """Measures one save of a full recording."""
    loop: Any = bench.loop
    events = 1_000_000
    with loop.record(events=events) as recording:
        while recording.events < events:
            for _ in range(10_000):
                await asyncio.sleep(0)
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        recording.save(Path(folder) / "trace.json")
        return {SAVE: time.perf_counter() - began}


@group.figures("inspector", {WINDOW: SECONDS, UPDATE: SECONDS, CHANGING: SECONDS})
async def inspector(bench: Bench) -> Figures:
    """Measures the window: its share of the processor, and single updates."""
    seconds = 2 if bench.quick else 5
    tasks = [asyncio.create_task(asyncio.sleep(3600)) for _ in range(500)]
    await asyncio.sleep(0)

    async def used() -> float:
        began = CPU()
        await asyncio.sleep(seconds)
        return CPU() - began

    without = await used()
    window = importlib.import_module("qtloop.inspector").show(bench.loop)
    await asyncio.sleep(2)  # it draws its first picture, and reads what each task awaits
    share = (await used() - without) / seconds
    tasks += [asyncio.create_task(asyncio.sleep(3600)) for _ in range(9_500)]
    await asyncio.sleep(5)
    idle, changing = [], []
    for _ in range(20):
        idle.append(timed(window.refresh))
        await asyncio.sleep(0.1)
    for _ in range(20):
        tasks += [asyncio.create_task(asyncio.sleep(3600)) for _ in range(200)]
        for task in tasks[:200]:
            task.cancel()
        del tasks[:200]
        await asyncio.sleep(0.1)
        changing.append(timed(window.refresh))
    window.close()
    for task in tasks:
        task.cancel()
    await asyncio.sleep(0)
    return {
        WINDOW: share,
        UPDATE: statistics.median(idle),
        CHANGING: statistics.median(changing),
    }


def timed(call: Callable[[], object]) -> float:
    began = CPU()
    call()
    return CPU() - began
