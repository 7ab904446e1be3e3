"""Timers: CPU time to set, cancel and fire them, and how late they fire."""

from __future__ import annotations

import asyncio
import random
import time

from measure import BATCH, COUNT, CPU, SECONDS, Bench, Figures, Group, nothing, percentile

group = Group()
Loop = asyncio.AbstractEventLoop
TIMERS = 10_000
P50 = "timer lateness, 0.2 to 20 ms, p50"
P99 = "timer lateness, 0.2 to 20 ms, p99"
EARLY = "timers that came early"


@group.steps("call_later + cancel", CPU)
async def call_later_and_cancel(loop: Loop, steps: int) -> None:
    for _ in range(steps // BATCH):
        for _ in range(BATCH):
            loop.call_later(3600, nothing).cancel()
        await asyncio.sleep(0)  # some loops remove cancelled timers here


@group.steps("10,000 timers set and fired", CPU, TIMERS)
async def set_and_fired(loop: Loop, steps: int) -> None:
    """Fires timers within 50 ms, in an order that differs from the order of setting."""
    for _ in range(steps // TIMERS):
        all_fired = loop.create_future()
        left = TIMERS

        def fire(all_fired: asyncio.Future[None] = all_fired) -> None:
            nonlocal left
            left -= 1
            if not left:
                all_fired.set_result(None)

        for number in range(TIMERS):
            loop.call_later(number * 7919 % TIMERS * 5e-6, fire)
        await all_fired


@group.figures("timer lateness", {P50: SECONDS, P99: SECONDS, EARLY: COUNT})
async def lateness(bench: Bench) -> Figures:
    """Sets one timer after another: short delays are as frequent as long ones."""
    chance = random.Random(1)
    late = []
    for _ in range(50 if bench.quick else 300):
        delay = 0.0002 * 100 ** chance.random()
        came = bench.loop.create_future()
        due = time.monotonic() + delay
        bench.loop.call_later(delay, lambda came=came: came.set_result(time.monotonic()))
        late.append(await came - due)
    return {
        P50: percentile(late, 0.5),
        P99: percentile(late, 0.99),
        EARLY: sum(one < 0 for one in late),
    }
