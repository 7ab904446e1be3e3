"""Callbacks, tasks, futures and threads: CPU time per step, wall time for threads that wait."""

from __future__ import annotations

import asyncio
import contextvars
import threading

from measure import BATCH, CPU, WALL, Group, nothing

group = Group(pinned=True)
Loop = asyncio.AbstractEventLoop


@group.steps("call_soon, 0 args", CPU)
async def call_soon(loop: Loop, steps: int) -> None:
    for _ in range(steps // BATCH):
        for _ in range(BATCH):
            loop.call_soon(nothing)
        await asyncio.sleep(0)


@group.steps("call_soon, 1 arg, context", CPU)
async def call_soon_with_context(loop: Loop, steps: int) -> None:
    context = contextvars.copy_context()
    for _ in range(steps // BATCH):
        for _ in range(BATCH):
            loop.call_soon(nothing, 1, context=context)
        await asyncio.sleep(0)


@group.steps("call_soon, 3 args", CPU)
async def call_soon_with_arguments(loop: Loop, steps: int) -> None:
    for _ in range(steps // BATCH):
        for _ in range(BATCH):
            loop.call_soon(nothing, 1, 2, 3)
        await asyncio.sleep(0)


@group.steps("sleep(0), 1 task", CPU)
async def sleep_zero(_loop: Loop, steps: int) -> None:
    for _ in range(steps):
        await asyncio.sleep(0)


@group.steps("sleep(0), 100 tasks", CPU)
async def sleep_zero_in_100_tasks(loop: Loop, steps: int) -> None:
    await asyncio.gather(*(sleep_zero(loop, steps // 100) for _ in range(100)))


@group.steps("future round trip", CPU)
async def future_round_trip(loop: Loop, steps: int) -> None:
    for _ in range(steps):
        future = loop.create_future()
        loop.call_soon(future.set_result, None)
        await future


async def ends_at_once() -> None:
    pass


@group.steps("create_task", CPU)
async def create_task(loop: Loop, steps: int) -> None:
    for _ in range(steps // BATCH):
        tasks = [loop.create_task(ends_at_once()) for _ in range(BATCH)]
        await tasks[-1]


@group.steps("call_soon_threadsafe, own thread", CPU)
async def call_soon_threadsafe(loop: Loop, steps: int) -> None:
    for _ in range(steps // BATCH):
        for _ in range(BATCH):
            loop.call_soon_threadsafe(nothing)
        done = loop.create_future()
        loop.call_soon_threadsafe(done.set_result, None)
        await done


@group.steps("call_soon_threadsafe, round trip", WALL, 100)
async def round_trip_from_a_thread(loop: Loop, steps: int) -> None:
    finished = loop.create_future()

    def ask() -> None:
        answered = threading.Semaphore(0)
        for _ in range(steps):
            loop.call_soon_threadsafe(answered.release)
            answered.acquire()
        loop.call_soon_threadsafe(finished.set_result, None)

    thread = threading.Thread(target=ask)
    thread.start()
    await finished
    thread.join()


@group.steps("run_in_executor", WALL, 100)
async def run_in_executor(loop: Loop, steps: int) -> None:
    for _ in range(steps):
        await loop.run_in_executor(None, nothing)
