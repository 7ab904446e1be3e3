"""Priorities of callbacks that threads, executors and signals queue."""

from __future__ import annotations

import asyncio
import os
import signal
import threading

import pytest
from support.priorities import each_priority, own, run_with, running

import qtloop
from qtloop import Priority

HIGH, NORMAL, LOW = Priority.HIGH, Priority.NORMAL, Priority.LOW


@each_priority
def test_results_of_an_executor_reach_the_task_in_its_priority(
    loop: qtloop.QEventLoop, priority: int
) -> None:
    async def main() -> None:
        assert await loop.run_in_executor(None, int, "3") == 3
        assert own() == running() == priority
        assert await asyncio.to_thread(int, "4") == 4
        assert own() == running() == priority

    run_with(loop, main(), priority)


@pytest.mark.parametrize("debug", [False, True])
def test_callbacks_from_outside_schedule_with_the_normal_priority(
    loop: qtloop.QEventLoop, debug: bool
) -> None:
    loop.set_debug(debug)
    seen: dict[str, int] = {}

    def note(name: str, *_: object) -> None:
        seen[name] = running()

    async def main() -> None:
        thread = threading.Thread(target=loop.call_soon_threadsafe, args=(note, "thread"))
        thread.start()
        loop.add_signal_handler(signal.SIGUSR1, note, "signal")
        os.kill(os.getpid(), signal.SIGUSR1)
        future = loop.run_in_executor(None, int)
        await future
        while len(seen) < 2:
            await asyncio.sleep(0.001)
        thread.join()
        loop.remove_signal_handler(signal.SIGUSR1)

    run_with(loop, main())
    assert seen == {"thread": NORMAL, "signal": NORMAL}


def test_thread_does_not_inherit_from_the_job_that_blocks_the_loop(
    loop: qtloop.QEventLoop,
) -> None:
    """Another thread with a loop at the same level calls while a HIGH task runs."""
    seen: list[int] = []

    def on_a_thread() -> None:
        async def call() -> None:
            loop.call_soon_threadsafe(lambda: seen.append(running()))

        asyncio.run(call())

    async def main() -> None:
        thread = threading.Thread(target=on_a_thread)
        thread.start()
        thread.join()
        await asyncio.sleep(0.002)

    run_with(loop, main())
    assert seen == [NORMAL]
