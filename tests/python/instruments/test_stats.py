"""`loop.stats()`: its counts, its times, and where it may be called."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import time
from contextvars import copy_context
from datetime import datetime, timedelta

import pytest
from support.running import Pair, in_thread, nothing, run_for, run_once

import qtloop
from qtloop import Priority

pytest_plugins = ["support.each_loop"]


def test_new_loop_has_counted_nothing(app: object) -> None:
    loop = qtloop.QEventLoop()
    stats = loop.stats()
    loop.close()
    assert stats == qtloop.Stats(
        ready={},
        timers=0,
        watched_fds=0,
        tasks=0,
        turns=0,
        jobs=0,
        wakeups=0,
        polls=0,
        lingers=0,
        linger_hits=0,
        time_in_turns=0.0,
        longest_turn=0.0,
        timers_fired=0,
        mean_timer_lateness=0.0,
        max_timer_lateness=0.0,
        time_polling=None,
        time_in_qt=None,
        time_waiting=None,
    )


def test_stats_cannot_be_changed(loop: qtloop.QEventLoop) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        loop.stats().turns = 1  # type: ignore[misc]


def test_ready_callbacks_are_counted_by_priority_from_the_highest(
    loop: qtloop.QEventLoop,
) -> None:
    for priority in (Priority.LOW, 0, 0, -7):
        loop.call_soon_priority(priority, nothing)
    loop.call_soon(nothing).cancel()
    assert list(loop.stats().ready.items()) == [(-7, 1), (0, 3), (100, 1)]
    assert sum(loop.stats().ready.values()) == len(loop._ready)
    run_once(loop)
    assert loop.stats().ready == {}
    assert loop.stats().jobs == 6  # and that of run_once()


def test_callbacks_of_other_threads_are_ready_at_the_highest_priority(
    loop: qtloop.QEventLoop,
) -> None:
    counted: list[dict[int, int]] = []

    def call() -> None:
        in_thread(lambda: loop.call_soon_threadsafe(nothing)).join()
        counted.append(loop.stats().ready)
        loop.call_soon_priority(-5, nothing)
        counted.append(loop.stats().ready)

    loop.call_soon(call)
    run_once(loop)
    # The normal one is that of run_once().
    assert counted == [{0: 2}, {-5: 2, 0: 1}]
    run_once(loop)
    assert loop.stats().ready == {}


def test_callback_whose_context_is_in_use_is_ready(loop: qtloop.QEventLoop) -> None:
    context = copy_context()
    counted: list[dict[int, int]] = []

    def outer() -> None:
        loop.call_soon(nothing, context=context)
        loop._run_batch()  # as a Qt loop inside of this callback does
        counted.append(loop.stats().ready)

    loop.call_soon(outer, context=context)
    loop._run_batch()
    assert counted == [{0: 1}]
    loop._run_batch()
    assert loop.stats().ready == {}


def test_timers_are_those_that_wait(loop: qtloop.QEventLoop) -> None:
    loop.call_later(60, nothing)
    loop.call_later(60, nothing).cancel()
    loop.call_at_datetime(datetime.now() + timedelta(hours=1), nothing)
    assert loop.stats().timers == 2 == len(loop._scheduled)


def test_watched_descriptors_are_those_of_the_program(loop: qtloop.QEventLoop, pair: Pair) -> None:
    loop.call_at_datetime(datetime.now() + timedelta(hours=1), nothing)
    assert loop.stats().watched_fds == 0
    loop.add_reader(pair[0], nothing)
    loop.add_writer(pair[0], nothing)
    assert loop.stats().watched_fds == 1
    transport = loop.run_until_complete(_connect(loop, pair))
    assert loop.stats().watched_fds == 2
    transport.abort()
    run_once(loop)
    loop.remove_reader(pair[0])
    loop.remove_writer(pair[0])
    assert loop.stats().watched_fds == 0


async def _connect(loop: qtloop.QEventLoop, pair: Pair) -> asyncio.Transport:
    transport, _ = await loop.create_connection(asyncio.Protocol, sock=pair[1])
    return transport


def test_tasks_are_those_that_are_not_done(loop: qtloop.QEventLoop) -> None:
    async def main() -> list[int]:
        counts = [loop.stats().tasks]
        children = [asyncio.create_task(asyncio.sleep(60)) for _ in range(3)]
        counts.append(loop.stats().tasks)
        children[0].cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await children[0]
        counts.append(loop.stats().tasks)
        for child in children:
            child.cancel()
        await asyncio.wait(children)
        counts.append(loop.stats().tasks)
        return counts

    assert loop.run_until_complete(main()) == [1, 4, 3, 1]
    assert loop.stats().tasks == 0


def test_steps_of_tasks_are_jobs(loop: qtloop.QEventLoop) -> None:
    async def main() -> int:
        before = loop.stats().jobs
        for _ in range(10):
            await asyncio.sleep(0)
        return loop.stats().jobs - before

    assert loop.run_until_complete(main()) == 10


def test_timer_wakes_an_idle_loop_once(loop: qtloop.QEventLoop) -> None:
    run_once(loop)
    before = loop.stats()
    loop.call_soon(loop.call_later, 0.02, loop.stop)
    loop.run_forever()
    after = loop.stats()
    # If the machine was busy for 0.02 s, the timer was due in the first turn.
    assert after.wakeups - before.wakeups <= 1
    assert after.wakeups <= after.turns
    assert after.timers_fired - before.timers_fired == 1
    assert after.polls > before.polls


def test_lateness_is_that_of_timers_behind_a_long_callback(loop: qtloop.QEventLoop) -> None:
    start = loop.time()
    loop.call_at(start, time.sleep, 0.05)
    loop.call_at(start + 0.01, loop.stop)
    loop.run_forever()
    stats = loop.stats()
    assert stats.timers_fired == 2
    assert 0.04 <= stats.max_timer_lateness < 30
    assert 0.02 <= stats.mean_timer_lateness <= stats.max_timer_lateness


def test_long_callback_is_the_longest_turn(loop: qtloop.QEventLoop) -> None:
    loop.call_soon(time.sleep, 0.03)
    loop.call_soon(time.sleep, 0.01)
    run_for(loop, 0.001)
    stats = loop.stats()
    assert 0.03 <= stats.longest_turn < 30
    assert 0.04 <= stats.time_in_turns < 30


def test_time_without_a_callback_is_not_in_turns(loop: qtloop.QEventLoop) -> None:
    run_for(loop, 2)
    assert loop.stats().time_in_turns < 2


def test_stats_of_a_timer_in_virtual_time_are_not_late(app: object) -> None:
    clock = qtloop.VirtualClock()
    with qtloop.QEventLoop(clock=clock) as loop:
        loop.run_until_complete(asyncio.sleep(3600))
        stats = loop.stats()
    assert (stats.timers_fired, stats.max_timer_lateness) == (1, 0.0)


def test_stats_can_be_read_on_another_thread_while_the_loop_runs(
    loop: qtloop.QEventLoop,
) -> None:
    read: list[qtloop.Stats] = []

    async def main() -> None:
        def monitor() -> None:
            for _ in range(200):
                read.append(loop.stats())
            loop.call_soon_threadsafe(done.set_result, None)

        done = loop.create_future()
        thread = in_thread(monitor)
        while not done.done():
            await asyncio.sleep(0)
            asyncio.create_task(asyncio.sleep(0))  # noqa: RUF006
        thread.join()

    loop.run_until_complete(main())
    assert len(read) == 200
    jobs = [stats.jobs for stats in read]
    assert jobs == sorted(jobs)
    assert all(stats.tasks >= 1 for stats in read)


def test_stats_of_a_closed_loop_are_refused(app: object) -> None:
    loop = qtloop.QEventLoop()
    loop.close()
    with pytest.raises(RuntimeError, match="Event loop is closed"):
        loop.stats()
