"""The cost of priorities, and the jobs beside a task of high priority that never waits."""

from __future__ import annotations

import asyncio
import statistics
import time

from measure import CPU, SECONDS, Bench, Figures, Group, Steps, percentile

from .scheduling import call_soon, sleep_zero
from .window import Ticker

group = Group(loops=("qtloop",), pinned=True)
Loop = asyncio.AbstractEventLoop
LOW = "LOW job beside a HIGH task that never waits"
NORMAL = "NORMAL job beside a HIGH task that never waits"
TIMER = "QTimer beside a HIGH task that never waits, p99"
PLAIN = "call_soon, no priority in use"
IN_USE = "call_soon, a HIGH task waits"
YIELD = "yield_if_needed()"
SLEEP = "sleep(0)"


@group.figures("starvation", {LOW: SECONDS, NORMAL: SECONDS, TIMER: SECONDS})
async def starvation(bench: Bench) -> Figures:
    """Measures the time per job: 10 ms are 100 jobs a second."""
    seconds = 0.5 if bench.quick else 3
    end = time.perf_counter() + seconds

    async def spin() -> int:
        steps = 0
        while time.perf_counter() < end:
            steps += 1
            await asyncio.sleep(0)
        return steps

    priority = bench.peer.library.Priority
    ticker = Ticker(bench.peer)
    tasks = [
        bench.loop.create_task(spin(), priority=each)
        for each in (priority.HIGH, priority.NORMAL, priority.LOW)
    ]
    _, normal, low = await asyncio.gather(*tasks)
    ticker.timer.stop()
    return {
        LOW: seconds / low,
        NORMAL: seconds / normal,
        TIMER: percentile(ticker.late, 0.99),
    }


async def in_turn(bench: Bench, first: Steps, second: Steps) -> list[float]:
    """Returns the seconds per step of two workloads that are measured in turn, five times."""
    figures = [
        (await bench.per_step(first, CPU), await bench.per_step(second, CPU)) for _ in range(5)
    ]
    return [statistics.median(each) for each in zip(*figures, strict=True)]


@group.figures("call_soon beside a HIGH task", {PLAIN: SECONDS, IN_USE: SECONDS})
async def call_soon_beside_high(bench: Bench) -> Figures:
    async def beside_high(loop: Loop, steps: int) -> None:
        ends = asyncio.Event()
        task = bench.peer.create_urgent_task(wait(ends))
        await call_soon(loop, steps)
        ends.set()
        await task

    async def wait(ends: asyncio.Event) -> None:
        await ends.wait()

    plain, in_use = await in_turn(bench, call_soon, beside_high)
    return {PLAIN: plain, IN_USE: in_use}


@group.figures("yields", {YIELD: SECONDS, SLEEP: SECONDS})
async def yields(bench: Bench) -> Figures:
    yield_if_needed = bench.peer.library.yield_if_needed

    async def run(_loop: Loop, steps: int) -> None:
        for _ in range(steps):
            await yield_if_needed()

    own, sleep = await in_turn(bench, run, sleep_zero)
    return {YIELD: own, SLEEP: sleep}
