"""Virtual time: which timers run, in which order, and what `time()` is in their callbacks."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
import random
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from support.virtual_time import in_thread, make_idle, run

import qtloop
from qtloop import Priority

pytest_plugins = ["support.virtual_time"]

DAY = 86_400


def test_sleep_takes_no_real_time(virtual: qtloop.QEventLoop, clock: qtloop.VirtualClock) -> None:
    begun = time.monotonic()
    run(virtual, asyncio.sleep(1000 * DAY))
    assert time.monotonic() - begun < 30
    assert virtual.time() == clock.now == 1000 * DAY


@pytest.mark.parametrize("start", [0.0, 1.7e9, -5.25])
def test_callback_runs_at_its_own_time(app: Any, start: float) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        ran: list[tuple[float, float]] = []

        def note(handle: list[asyncio.TimerHandle]) -> None:
            ran.append((handle[0].when(), loop.time()))

        for delay in (3, 0.1, 7e-4, 2.5, 0.1):
            handle: list[asyncio.TimerHandle] = []
            handle.append(loop.call_later(delay, note, handle))
        await asyncio.sleep(4)
        assert [when for when, _ in ran] == [now for _, now in ran]
        assert [now - start for _, now in ran] == pytest.approx([7e-4, 0.1, 0.1, 2.5, 3], abs=3e-7)

    with qtloop.QEventLoop(app, clock=qtloop.VirtualClock(start)) as loop:
        assert loop.time() == start
        run(loop, main())


@pytest.mark.parametrize(
    "priorities",
    [
        (Priority.NORMAL, Priority.NORMAL),
        (Priority.NORMAL, Priority.HIGH),
        (Priority.HIGH, Priority.NORMAL),
        (Priority.NORMAL, Priority.LOW),
        (Priority.LOW, Priority.HIGH),
    ],
)
def test_timer_of_another_priority_runs_at_its_own_time(
    virtual: qtloop.QEventLoop, priorities: tuple[int, int]
) -> None:
    """No timer is early, also not between two jobs of one batch."""
    log: list[tuple[float, str]] = []

    async def sleeper(name: str, seconds: float) -> None:
        for _ in range(3):
            await asyncio.sleep(seconds)
            log.append((virtual.time(), name))

    async def main() -> None:
        slow = virtual.create_task(sleeper("slow", 5), priority=priorities[0])
        quick = virtual.create_task(sleeper("quick", 2), priority=priorities[1])
        await asyncio.gather(slow, quick)

    run(virtual, main())
    quick, slow = (
        [(2, "quick"), (4, "quick"), (6, "quick")],
        [(5, "slow"), (10, "slow"), (15, "slow")],
    )
    assert log == sorted(quick + slow)


def test_timers_of_one_deadline_run_by_priority(virtual: qtloop.QEventLoop) -> None:
    log: list[str] = []
    for name, priority in ("low", 100), ("normal", 0), ("high", -100):
        virtual.call_soon_priority(priority, virtual.call_at, 7, log.append, name)
    run(virtual, asyncio.sleep(8))
    assert log == ["high", "normal", "low"]


def simulate(
    seed: int, call_at: Callable[..., Any], now: Callable[[], float], count: int
) -> list[tuple[float, int]]:
    """Starts timers that start and cancel others; returns the list that records them."""
    chance, names = random.Random(seed), itertools.count()
    ran: list[tuple[float, int]] = []
    waiting: dict[int, Any] = {}

    def start(delay: float) -> None:
        name = next(names)
        waiting[name] = call_at(now() + delay, fire, name)

    def fire(name: int) -> None:
        ran.append((now(), name))
        del waiting[name]
        if len(ran) < count:
            for _ in range(chance.randrange(3)):
                start(chance.choice([0, 1, 2, chance.randrange(100)]))
            if waiting and chance.random() < 0.3:
                waiting.pop(chance.choice(list(waiting))).cancel()

    for _ in range(20):
        start(chance.randrange(50))
    return ran


class HeapLoop:
    """The reference: a heap of (time, sequence number)."""

    class Entry:
        def __init__(self, callback: Callable[..., None], args: tuple[Any, ...]) -> None:
            self.callback, self.args, self.is_cancelled = callback, args, False

        def cancel(self) -> None:
            self.is_cancelled = True

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, HeapLoop.Entry]] = []
        self._sequence = itertools.count()
        self.now = 0.0

    def call_at(self, when: float, callback: Callable[..., None], *args: Any) -> HeapLoop.Entry:
        entry = HeapLoop.Entry(callback, args)
        heapq.heappush(self._heap, (when, next(self._sequence), entry))
        return entry

    def run(self) -> None:
        while self._heap:
            when, _, entry = heapq.heappop(self._heap)
            if not entry.is_cancelled:
                self.now = max(self.now, when)
                entry.callback(*entry.args)


@pytest.mark.parametrize("seed", range(40))
def test_order_is_that_of_a_heap(virtual: qtloop.QEventLoop, seed: int) -> None:
    reference = HeapLoop()
    expected = simulate(seed, reference.call_at, lambda: reference.now, 400)
    reference.run()
    ran = simulate(seed, virtual.call_at, virtual.time, 400)
    run(virtual, asyncio.sleep(10 * DAY))
    assert ran == expected


def test_day_with_100_000_timers_is_quick_and_in_order(virtual: qtloop.QEventLoop) -> None:
    chance = random.Random(5)
    delays = [chance.random() * DAY for _ in range(100_000)]
    ran: list[int] = []
    for index, delay in enumerate(delays):
        virtual.call_at(delay, ran.append, index)
    begun = time.monotonic()
    run(virtual, asyncio.sleep(DAY))
    assert time.monotonic() - begun < 20  # it is 0.5 s on an idle machine
    assert ran == sorted(range(len(delays)), key=lambda index: delays[index])


def test_ready_callbacks_run_before_a_later_timer(virtual: qtloop.QEventLoop) -> None:
    async def main() -> None:
        ran: list[str] = []
        virtual.call_later(1, ran.append, "timer")
        for number in range(100):
            ran.append(str(number))
            await asyncio.sleep(0)
        assert ran == [str(number) for number in range(100)]
        assert virtual.time() == 0
        await asyncio.sleep(2)
        assert ran[-1] == "timer"

    run(virtual, main())


def test_timeout_and_sleep_keep_their_order(virtual: qtloop.QEventLoop) -> None:
    async def main() -> str:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.sleep(10), 9.999999999)
        assert virtual.time() == 9.999999999
        return await asyncio.wait_for(asyncio.sleep(10, "slept"), 10.000000001)

    assert run(virtual, main()) == "slept"
    assert virtual.time() == 19.999999999


@pytest.mark.parametrize("delay", [1e-9, 1e-12, 5e-324])
def test_shortest_sleep_ends_after_1700_million_seconds(app: Any, delay: float) -> None:
    clock = qtloop.VirtualClock(1.7e9)
    with qtloop.QEventLoop(app, clock=clock) as loop:
        run(loop, asyncio.sleep(delay))
        assert clock.now == 1.7e9  # as a float: a nanosecond more


def test_sleeping_until_a_time_ends_after_1700_million_seconds(app: Any) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + 0.3
        while (rest := end - loop.time()) > 0:
            await asyncio.sleep(rest / 2)
        assert loop.time() == end

    with qtloop.QEventLoop(app, clock=qtloop.VirtualClock(1.7e9)) as loop:
        run(loop, main())


def test_infinite_sleep_does_not_move_the_clock(virtual: qtloop.QEventLoop) -> None:
    async def main() -> None:
        forever = asyncio.create_task(asyncio.sleep(math.inf))
        await asyncio.sleep(5)
        forever.cancel()
        assert virtual.time() == 5

    run(virtual, main())


def test_time_stands_still_while_only_a_thread_can_continue(virtual: qtloop.QEventLoop) -> None:
    async def main() -> None:
        done = asyncio.Event()

        def work() -> None:
            make_idle(virtual)
            virtual.call_soon_threadsafe(done.set)

        in_thread(work)
        await done.wait()
        assert virtual.time() == 0

    run(virtual, main())


def test_clock_goes_on_in_the_next_run(virtual: qtloop.QEventLoop) -> None:
    ran: list[float] = []
    virtual.call_later(2, virtual.stop)
    virtual.call_later(3, lambda: ran.append(virtual.time()))
    virtual.run_forever()
    assert (virtual.time(), ran) == (2, [])
    run(virtual, asyncio.sleep(5))
    assert (virtual.time(), ran) == (7, [3])


def test_debug_mode_measures_callbacks_in_real_time(
    virtual: qtloop.QEventLoop, clock: qtloop.VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    virtual.set_debug(True)
    virtual.call_later(60, clock.advance, 1000)
    run(virtual, asyncio.sleep(2000))
    assert virtual.time() == 2000
    assert "took" not in caplog.text


# Paced functions and the wall clock


def test_paced_functions_use_the_virtual_clock(virtual: qtloop.QEventLoop) -> None:
    ran: list[tuple[str, int, float]] = []

    @qtloop.throttle(60)
    def throttled(value: int) -> None:
        ran.append(("throttled", value, virtual.time()))

    @qtloop.debounce(60)
    def debounced(value: int) -> None:
        ran.append(("debounced", value, virtual.time()))

    async def main() -> None:
        for value in range(3):
            throttled(value)
            debounced(value)
            await asyncio.sleep(10)
        await asyncio.sleep(1000)

    run(virtual, main())
    assert ran == [("throttled", 0, 0), ("throttled", 2, 60), ("debounced", 2, 80)]


def test_wall_clock_is_the_virtual_clock_since_1970(app: Any) -> None:
    start = datetime(2026, 3, 29, 0, 59, 59, tzinfo=timezone.utc)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, qtloop.QEventLoop)
        times: list[float] = []
        handle = loop.call_at_datetime(
            start + timedelta(days=1, microseconds=1), lambda: times.append(loop.time())
        )
        assert handle.when() == pytest.approx(loop.time() + DAY)
        await qtloop.sleep_until(start + timedelta(hours=8))
        assert datetime.fromtimestamp(loop.time(), timezone.utc) == start + timedelta(hours=8)
        await qtloop.sleep_until(start)  # it is past
        await asyncio.sleep(DAY)
        assert times == [pytest.approx(start.timestamp() + DAY, abs=2e-6)]
        assert times[0] >= handle.deadline.timestamp()

    clock = qtloop.VirtualClock(start.timestamp())
    with qtloop.QEventLoop(app, clock=clock) as loop:
        run(loop, main())


@pytest.mark.parametrize("priority", [qtloop.Priority.HIGH, qtloop.Priority.LOW])
def test_timer_is_not_early_beside_other_priorities(
    virtual: qtloop.QEventLoop, clock: qtloop.VirtualClock, priority: int
) -> None:
    early: list[float] = []

    async def main() -> None:
        other = virtual.create_task(asyncio.sleep(DAY), priority=priority)
        await asyncio.sleep(0)
        # A flood of callbacks, between which the turn looks for timers and events.
        for count in range(200):
            virtual.call_soon(lambda: None)
            virtual.call_soon_priority(-count % 3, time.sleep, 1e-5)
        virtual.call_later(1e-9, lambda: early.append(clock.now))
        for _ in range(100):
            await asyncio.sleep(0)
        assert early == []
        await other
        assert early == [1e-9]

    run(virtual, main())


# The clock itself


def test_run_and_attach_take_a_clock(app: Any) -> None:
    clock = qtloop.VirtualClock(7)

    async def main() -> float:
        await asyncio.sleep(3)
        return asyncio.get_running_loop().time()

    assert qtloop.run(main(), clock=clock) == 10
    with qtloop.attach(app, clock=clock) as loop:
        assert loop.run_until_complete(main()) == 13
    assert clock.now == loop.time() == 13


def test_second_open_loop_of_a_clock_is_refused(
    virtual: qtloop.QEventLoop, clock: qtloop.VirtualClock, app: Any
) -> None:
    with pytest.raises(RuntimeError, match="another loop uses this VirtualClock"):
        qtloop.QEventLoop(app, clock=clock)
    run(virtual, asyncio.sleep(1))
    virtual.close()
    with qtloop.QEventLoop(app, clock=clock) as loop:
        run(loop, asyncio.sleep(1))
    assert clock.now == 2


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1e10])
def test_start_that_is_no_time_is_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="start must be"):
        qtloop.VirtualClock(bad)


@pytest.mark.parametrize("bad", [math.nan, -1e-9])
def test_negative_durations_are_refused(clock: qtloop.VirtualClock, bad: float) -> None:
    with pytest.raises(ValueError, match="idle must be"):
        qtloop.VirtualClock(idle=bad)
    with pytest.raises(ValueError, match="seconds must be"):
        clock.advance(bad)


@pytest.mark.parametrize("bad", [datetime(2026, 3, 29), timedelta(hours=1), "1", None])
def test_value_that_is_no_number_is_refused(clock: qtloop.VirtualClock, bad: Any) -> None:
    cure = r"such as datetime.timestamp\(\) or timedelta.total_seconds\(\), not "
    calls: list[Callable[[], object]] = [
        lambda: qtloop.VirtualClock(bad),
        lambda: qtloop.VirtualClock(idle=bad),
        lambda: clock.advance(bad),
    ]
    for call in calls:
        with pytest.raises(TypeError, match=cure):
            call()
    with pytest.raises(OverflowError):
        clock.advance(10**400)


def test_clock_of_another_type_is_refused(app: Any) -> None:
    clock: Any = time
    with pytest.raises(TypeError, match="clock must be a qtloop"):
        qtloop.QEventLoop(app, clock=clock)
