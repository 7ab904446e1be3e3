"""`VirtualClock.advance()`: it runs nothing, and each timer runs at its own time."""

from __future__ import annotations

import asyncio
import math
import threading
from typing import Any

import pytest
from support.virtual_time import in_thread, make_idle, reach, run

import qtloop

pytest_plugins = ["support.virtual_time"]


def test_advance_moves_a_clock_without_timers_at_once(clock: qtloop.VirtualClock, app: Any) -> None:
    clock.advance(5)
    assert clock.now == 5
    with qtloop.QEventLoop(app, clock=clock) as loop:
        clock.advance(1.5)
        assert loop.time() == clock.now == 6.5
    clock.advance(1)
    assert loop.time() == clock.now == 7.5


def test_advance_runs_nothing_and_each_timer_runs_at_its_own_time(
    virtual: qtloop.QEventLoop, clock: qtloop.VirtualClock
) -> None:
    async def main() -> None:
        ran: list[float] = []
        for delay in (1, 2, 30, 3, 2):
            virtual.call_later(delay, lambda: ran.append(virtual.time()))
        clock.advance(10)
        assert (ran, clock.now) == ([], 1)
        await asyncio.sleep(9)
        assert (ran, clock.now) == ([1, 2, 2, 3], 10)

    run(virtual, main())


def test_timers_that_start_on_the_way_of_an_advance_run_on_it(
    virtual: qtloop.QEventLoop, clock: qtloop.VirtualClock
) -> None:
    async def main() -> None:
        ticks: list[float] = []

        def tick() -> None:
            ticks.append(virtual.time())
            virtual.call_later(1, tick)

        tick()
        clock.advance(4.5)
        clock.advance(0.5)
        assert ticks == [0]
        await asyncio.sleep(4)
        assert ticks == [0, 1, 2, 3, 4, 5]  # the one at 5 was started before this sleep

    run(virtual, main())


def test_advance_in_a_callback_is_time_that_the_callback_takes(
    virtual: qtloop.QEventLoop, clock: qtloop.VirtualClock
) -> None:
    ran: list[tuple[str, float]] = []

    def slow() -> None:
        clock.advance(5)
        ran.append(("slow", virtual.time()))

    virtual.call_later(1, slow)
    virtual.call_later(4, lambda: ran.append(("next", virtual.time())))
    virtual.call_later(7, lambda: ran.append(("last", virtual.time())))
    run(virtual, asyncio.sleep(20))
    assert ran == [("slow", 4), ("next", 4), ("last", 7)]


def test_cancelled_timer_does_not_stop_an_advance(
    virtual: qtloop.QEventLoop, clock: qtloop.VirtualClock
) -> None:
    async def main() -> None:
        timer = virtual.call_later(1, pytest.fail, "it was cancelled")
        clock.advance(10)
        assert clock.now == 1
        timer.cancel()
        await asyncio.sleep(9)
        assert clock.now == 10

    run(virtual, main())


def test_advance_passes_the_timers_of_a_held_clock(
    virtual: qtloop.QEventLoop, clock: qtloop.VirtualClock
) -> None:
    async def main() -> None:
        ended = asyncio.Event()

        def work() -> None:
            make_idle(virtual)
            virtual.call_soon_threadsafe(clock.advance, 31)
            asyncio.run_coroutine_threadsafe(ended.wait(), virtual).result(30)

        job = asyncio.create_task(asyncio.to_thread(work))
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.shield(job), 30)
        assert clock.now == 30
        ended.set()
        await job
        await reach(31)
        assert clock.now == 31

    run(virtual, main())


def test_advance_on_another_thread_wakes_the_loop(
    virtual: qtloop.QEventLoop, clock: qtloop.VirtualClock
) -> None:
    async def main() -> None:
        ended = threading.Event()

        def work() -> None:
            make_idle(virtual)
            clock.advance(2)
            ended.wait(30)

        job = asyncio.create_task(asyncio.to_thread(work))
        for when in (1, 2):
            await reach(when)
            assert virtual.time() == when
        ended.set()
        await job

    run(virtual, main())
    in_thread(lambda: clock.advance(1)).join()
    assert clock.now == 3


@pytest.mark.parametrize("seconds", [math.inf, 1e300, 9.3e9, -1, -math.inf, math.nan])
def test_advance_by_a_time_that_cannot_pass_is_an_error_and_changes_nothing(
    virtual: qtloop.QEventLoop, clock: qtloop.VirtualClock, seconds: float
) -> None:
    with pytest.raises(ValueError, match=r"^advance\(\): "):
        clock.advance(seconds)
    assert clock.now == 0
    run(virtual, asyncio.sleep(1))
    assert clock.now == 1
    clock.advance(9.2e9)
    with pytest.raises(ValueError, match=r"^advance\(\): the clock ends"):
        clock.advance(9.2e9)
