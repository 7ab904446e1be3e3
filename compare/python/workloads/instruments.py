"""The cost of each instrument, per callback and per step of a task."""

from __future__ import annotations

import asyncio
import contextlib
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
