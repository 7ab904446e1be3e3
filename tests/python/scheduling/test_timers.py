"""Timers: never early, in order, cancelled at once: asyncio's behaviour on both loops."""

from __future__ import annotations

import asyncio
import math
import os
import random
import time
from itertools import pairwise
from typing import Any

import pytest
from conftest import Child, needs_binding
from support.running import nothing, run_once

import qtloop
from qtloop._binding import binding

pytest_plugins = ["support.each_loop"]

Loop = asyncio.SelectorEventLoop


# Handles


def test_timer_handle_returns_its_deadline(each_loop: Loop) -> None:
    before = each_loop.time()
    later = each_loop.call_later(10, nothing)
    after = each_loop.time()
    assert isinstance(later, asyncio.TimerHandle)
    assert before + 10 <= later.when() <= after + 10
    at = each_loop.call_at(after + 3.25, nothing)
    assert isinstance(at, asyncio.TimerHandle)
    assert at.when() == after + 3.25
    assert not later.cancelled()
    later.cancel()
    assert later.cancelled()
    assert before + 10 <= later.when() <= after + 10


def test_timer_handles_compare_by_deadline(each_loop: Loop) -> None:
    first, same, last = (each_loop.call_at(when, nothing) for when in (1e9, 1e9, 2e9))
    assert first < last
    assert last > first
    assert first <= same
    assert first >= same
    assert first == same != last
    assert sorted([last, first], key=lambda handle: handle.when()) == [first, last]
    assert hash(first) == hash(first.when())


def test_scheduled_flag_follows_the_timer(each_loop: Loop) -> None:
    rings: Any = each_loop.call_later(0, nothing)
    waits: Any = each_loop.call_later(60, nothing)
    cancelled: Any = each_loop.call_later(60, nothing)
    assert rings._scheduled and waits._scheduled and cancelled._scheduled
    cancelled.cancel()
    each_loop.call_later(0.002, each_loop.stop)
    each_loop.run_forever()
    assert not rings._scheduled
    assert waits._scheduled


def test_loops_clock_is_the_monotonic_one(each_loop: Loop) -> None:
    for _ in range(1000):
        before = time.monotonic()
        now = each_loop.time()
        after = time.monotonic()
        assert before <= now <= after


# Order


def test_timers_fire_by_deadline_and_equal_ones_in_order_of_scheduling(loop: Loop) -> None:
    # Not on asyncio's own: its heap compares deadlines alone, so equal ones ring in no order.
    start = loop.time() + 0.005
    due = [(start + slot * 0.0005, index) for index, slot in enumerate([3, 1, 2, 1, 3, 2, 1] * 50)]
    rung: list[tuple[float, int]] = []
    for when, index in due:
        loop.call_at(when, rung.append, (when, index))
    loop.call_at(start + 0.01, loop.stop)
    loop.run_forever()
    assert rung == sorted(due)


def test_timers_that_are_due_together_fire_by_deadline(each_loop: Loop) -> None:
    past = each_loop.time() - 100
    rung: list[int] = []
    order = random.Random(1).sample(range(500), 500)
    for number in order:
        each_loop.call_at(past + number * 0.01, rung.append, number)
    run_once(each_loop)
    assert rung == sorted(order)


def test_one_batch_is_ready_callbacks_then_descriptors_then_timers(each_loop: Loop) -> None:
    seen: list[str] = []
    reading, writing = os.pipe()
    os.write(writing, b"x")
    each_loop.call_later(0, seen.append, "timer")
    each_loop.add_reader(reading, seen.append, "reader")
    each_loop.call_soon(seen.append, "soon")
    run_once(each_loop)
    each_loop.remove_reader(reading)
    os.close(reading)
    os.close(writing)
    assert seen == ["soon", "reader", "timer"]


def test_zero_and_negative_delays_fire_in_the_next_batch(each_loop: Loop) -> None:
    seen: list[str] = []

    def schedule() -> None:
        for delay in (0, -1, -1e9, 0.0, -math.inf):
            each_loop.call_later(delay, seen.append, "timer")
        each_loop.call_at(0, seen.append, "timer")
        each_loop.call_soon(seen.append, "soon")
        each_loop.call_soon(each_loop.stop)

    each_loop.call_soon(schedule)
    each_loop.run_forever()
    assert seen == ["soon"] + ["timer"] * 6


def test_zero_delays_do_not_starve_callbacks_that_are_ready(each_loop: Loop) -> None:
    rings = [0]

    def again() -> None:
        rings[0] += 1
        each_loop.call_later(0, again)

    async def main() -> None:
        for _ in range(100):
            await asyncio.sleep(0)

    each_loop.call_later(0, again)
    each_loop.run_until_complete(main())
    assert 50 <= rings[0] <= 200


# Never early


def test_timers_are_never_early_also_below_a_millisecond(each_loop: Loop) -> None:
    early: list[float] = []
    late: list[float] = []
    # asyncio's own may be early by its clock's resolution, a nanosecond.
    tolerance = 0.0 if isinstance(each_loop, qtloop.QEventLoop) else 2e-9

    def ring(when: float) -> None:
        now = each_loop.time()
        late.append(now - when)
        if now < when - tolerance:
            early.append(now - when)
        if len(late) == 1000:
            each_loop.stop()

    start = each_loop.time()
    delays = random.Random(7)
    for _ in range(1000):
        when = start + delays.uniform(0.0002, 0.005) + delays.randrange(40) * 0.005
        each_loop.call_at(when, ring, when)
    each_loop.run_forever()
    assert early == []
    # Half of them are on time, by a bound that allows for a busy machine.
    assert sorted(late)[500] < 1


def test_timers_set_one_after_the_other_are_never_early(each_loop: Loop) -> None:
    early: list[float] = []
    tolerance = 0.0 if isinstance(each_loop, qtloop.QEventLoop) else 2e-9

    async def main() -> None:
        for delay in [0.0002, 0.0005, 0.0009, 0.001, 0.0011, 0.0019] * 20:
            before = time.monotonic()
            await asyncio.sleep(delay)
            took = time.monotonic() - before
            if took < delay - tolerance:
                early.append(took - delay)

    each_loop.run_until_complete(main())
    assert early == []


def test_earlier_timer_that_is_set_last_is_not_late(each_loop: Loop) -> None:
    async def main() -> float:
        far = each_loop.call_later(60, nothing)
        await asyncio.sleep(0.01)
        before = each_loop.time()
        await asyncio.sleep(0.005)
        far.cancel()
        return each_loop.time() - before

    assert 0.005 <= each_loop.run_until_complete(main()) < 1


def test_timer_set_by_another_timer_fires_in_time(each_loop: Loop) -> None:
    seen: list[float] = []

    def chain() -> None:
        seen.append(each_loop.time())
        if len(seen) < 20:
            each_loop.call_later(0.002, chain)
        else:
            each_loop.stop()

    each_loop.call_soon(chain)
    each_loop.run_forever()
    gaps = [after - before for before, after in pairwise(seen)]
    assert min(gaps) >= 0.002 - 1e-8
    assert sorted(gaps)[10] < 0.05


@needs_binding
def test_timer_set_in_a_slot_of_an_idle_loop_fires_in_time(loop: qtloop.QEventLoop) -> None:
    assert binding
    took: list[float] = []

    def slot() -> None:
        before = loop.time()
        loop.call_later(0.01, lambda: [took.append(loop.time() - before), loop.stop()])

    loop.call_later(60, nothing)
    binding.QtCore.QTimer.singleShot(20, slot)
    loop.run_forever()
    assert 0.01 <= took[0] < 1


def test_cancelling_the_first_timer_does_not_make_the_second_early(each_loop: Loop) -> None:
    async def main() -> float:
        before = each_loop.time()
        first = each_loop.call_later(0.005, nothing)
        second = asyncio.ensure_future(asyncio.sleep(0.02))
        await asyncio.sleep(0)
        first.cancel()
        await second
        return each_loop.time() - before

    assert each_loop.run_until_complete(main()) >= 0.02 - 2e-9


def test_qtimers_replace_the_timerfd_on_request(child: Child) -> None:
    program = """
        loop = QEventLoop()
        with os.scandir("/proc/self/fd") as descriptors:
            print(any("timerfd" in os.readlink(each.path) for each in descriptors))
        early = []
        async def main():
            for delay in [0.0002, 0.0008, 0.001, 0.0014, 0.003] * 10:
                before = time.monotonic()
                await asyncio.sleep(delay)
                if time.monotonic() - before < delay:
                    early.append(delay)
        loop.run_until_complete(main())
        print(early)
        loop.close()
    """
    found = [child(program, QTLOOP_TIMER=timer).stdout.split() for timer in ("qtimer", "timerfd")]
    assert found == [["False", "[]"], ["True", "[]"]]


# Odd delays


def test_infinite_delays_are_legal_and_never_fire(each_loop: Loop) -> None:
    seen: list[str] = []
    later = each_loop.call_later(math.inf, seen.append, "later")
    at = each_loop.call_at(math.inf, seen.append, "at")
    cancelled = each_loop.call_at(math.inf, seen.append, "cancelled")
    assert later.when() == at.when() == math.inf
    cancelled.cancel()

    async def main() -> None:
        await asyncio.sleep(0.005)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.sleep(math.inf), 0.002)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(each_loop.create_future(), 0.002)

    each_loop.run_until_complete(main())
    later.cancel()
    assert seen == []
    assert later.cancelled() and not at.cancelled()


def test_far_deadlines_do_not_overflow_into_near_ones(each_loop: Loop) -> None:
    seen: list[float] = []
    handles = []
    # Around what fits a C int of milliseconds, a long of nanoseconds, and far beyond.
    for delay in (2**31 / 1000, 2**31, 2**32, 2**63 / 1e9, 2**63, 1e100, 1.7e308):
        handles.append(each_loop.call_later(delay, seen.append, delay))
        assert handles[-1].when() > delay / 2
    each_loop.call_later(0.01, each_loop.stop)
    each_loop.run_forever()
    assert seen == []
    for handle in handles:
        handle.cancel()
    run_once(each_loop)


@pytest.mark.parametrize("wrong", [math.nan, None, "1", [], 1j, object()])
def test_delay_that_is_no_number_is_refused(loop: Any, wrong: object) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        loop.call_later(wrong, nothing)
    assert str(caught.value)
    with pytest.raises((TypeError, ValueError)) as caught:
        loop.call_at(wrong, nothing)
    assert str(caught.value)
    run_once(loop)


def test_delay_beyond_all_floats_is_an_overflow_error(each_loop: Loop) -> None:
    with pytest.raises(OverflowError):
        each_loop.call_later(10**400, nothing)


def test_values_that_can_be_added_to_a_time_are_delays(each_loop: Any) -> None:
    import fractions

    seen: list[str] = []
    each_loop.call_later(fractions.Fraction(1, 1000), seen.append, "fraction")
    each_loop.call_later(True, seen.append, "true").cancel()
    at = each_loop.call_at(1, seen.append, "integer")
    assert at.when() == 1
    each_loop.call_later(0.01, each_loop.stop)
    each_loop.run_forever()
    assert sorted(seen) == ["fraction", "integer"]


# Many


def test_timers_cancelled_in_any_order_do_not_affect_the_others(each_loop: Loop) -> None:
    chance = random.Random(3)
    rung: list[int] = []
    start = each_loop.time() + 0.01
    handles = [
        each_loop.call_at(start + chance.uniform(0, 0.02), rung.append, number)
        for number in range(3000)
    ]
    kept = set(range(3000))
    for number in chance.sample(range(3000), 2500):
        handles[number].cancel()
        kept.discard(number)
    each_loop.call_at(start + 0.03, each_loop.stop)
    each_loop.run_forever()
    assert sorted(rung) == sorted(kept)


def test_timer_can_cancel_others_that_are_due(each_loop: Loop) -> None:
    past = each_loop.time() - 1
    seen: list[int] = []
    handles: list[asyncio.TimerHandle] = []

    def ring(number: int) -> None:
        seen.append(number)
        for handle in handles[number + 1 : number + 4]:
            handle.cancel()

    handles += [each_loop.call_at(past + number * 0.01, ring, number) for number in range(12)]
    run_once(each_loop)
    assert seen == [0, 4, 8]


def test_ten_thousand_sleepers_all_wake_up(each_loop: Loop) -> None:
    async def main() -> int:
        naps = (asyncio.sleep(0.001 * (number % 20), 1) for number in range(10_000))
        return sum(await asyncio.gather(*naps))

    assert each_loop.run_until_complete(main()) == 10_000


def test_timeouts_set_and_cancelled_all_the_time_do_not_delay_others(each_loop: Loop) -> None:
    async def main() -> int:
        done = 0
        for _ in range(2000):
            done += await asyncio.wait_for(asyncio.sleep(0, 1), 30)
        return done

    assert each_loop.run_until_complete(main()) == 2000
