"""Descriptors watched by add_reader: CPU time per step, with and without idle ones."""

from __future__ import annotations

import asyncio
import os

from measure import BATCH, CPU, SECONDS, Bench, Figures, Group, nothing

group = Group(pinned=True)
Loop = asyncio.AbstractEventLoop


@group.steps("add_reader + remove_reader", CPU)
async def add_and_remove(loop: Loop, steps: int) -> None:
    descriptor = os.eventfd(0)
    for _ in range(steps // BATCH):
        for _ in range(BATCH):
            loop.add_reader(descriptor, nothing)
            loop.remove_reader(descriptor)
        await asyncio.sleep(0)
    os.close(descriptor)


async def events(loop: Loop, steps: int) -> None:
    """Makes one descriptor ready again each time its callback has run."""
    descriptor = os.eventfd(1, os.EFD_NONBLOCK)
    done = loop.create_future()
    left = steps

    def ready() -> None:
        nonlocal left
        try:
            os.eventfd_read(descriptor)
        except BlockingIOError:
            return  # rloop calls once more than there are data to read
        left -= 1
        if left:
            os.eventfd_write(descriptor, 1)
        else:
            done.set_result(None)

    loop.add_reader(descriptor, ready)
    await done
    loop.remove_reader(descriptor)
    os.close(descriptor)


def beside(count: int) -> None:
    """Adds the workload of one busy descriptor and that many idle ones."""
    name = f"one event beside {count:,} idle descriptors"

    @group.figures(name, {name: SECONDS})
    async def one_event(bench: Bench) -> Figures:
        idle = [os.eventfd(0) for _ in range(count)]
        for descriptor in idle:
            bench.loop.add_reader(descriptor, nothing)
        figure = await bench.per_step(events, CPU, 100)
        for descriptor in idle:
            bench.loop.remove_reader(descriptor)
            os.close(descriptor)
        return {name: figure}


for number in (0, 100, 1000, 5000):
    beside(number)
