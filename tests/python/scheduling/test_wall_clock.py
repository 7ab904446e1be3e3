"""`sleep_until()` and `call_at_datetime()`: never early by the wall clock, however it is set."""

from __future__ import annotations

import asyncio
import gc
import random
import time
import weakref
from collections.abc import Callable, Iterator
from contextvars import ContextVar, copy_context
from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytest
from conftest import Child
from support.running import count_descriptors, nothing, refused_elsewhere, run_for, run_once
from support.wall_clock import Clock

import qtloop
from qtloop import _wall_clock

pytest_plugins = ["support.wall_clock"]

UTC = timezone.utc
HOUR = timedelta(hours=1)


@pytest.fixture
def local_time(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Sets the local time to that of New York, by its rule of today."""
    monkeypatch.setenv("TZ", "EST5EDT,M3.2.0,M11.1.0")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def nanoseconds(when: datetime) -> int:
    return _wall_clock.nanoseconds(when, "test")


def waiting(loop: qtloop.QEventLoop) -> int:
    """Returns how many handles wait for the wall clock."""
    return len(loop._wall_clock.handles()) if loop._wall_clock else 0


# When it calls


def test_call_is_never_early_by_the_wall_clock(alarm: str, loop: qtloop.QEventLoop) -> None:
    late: list[int] = []

    def call(deadline: datetime) -> None:
        late.append(time.time_ns() - nanoseconds(deadline))
        if len(late) == 40:
            loop.stop()

    start = datetime.now()
    for index in random.Random(1).sample(range(40), 40):
        deadline = start + timedelta(microseconds=700 * index)
        loop.call_at_datetime(deadline, call, deadline)
    loop.run_forever()
    assert min(late) >= 0
    assert max(late) < 20e9


def test_deadline_in_the_past_is_called_after_ready_callbacks(
    alarm: str, loop: qtloop.QEventLoop
) -> None:
    seen: list[str] = []
    loop.call_soon(seen.append, "ready")
    loop.call_at_datetime(datetime(1969, 1, 1, tzinfo=UTC), seen.append, "1969")
    loop.call_at_datetime(datetime.now() - HOUR, seen.append, "an hour ago")
    run_once(loop)
    assert seen == ["ready", "1969", "an hour ago"]
    assert waiting(loop) == 0


def test_many_handles_are_called_by_deadline_and_equal_ones_in_order(
    clock: Clock, loop: qtloop.QEventLoop
) -> None:
    start = clock.now() + HOUR
    seen: list[tuple[int, int]] = []
    numbers = [number % 5000 for number in random.Random(2).sample(range(10_000), 10_000)]
    due = [(number, index) for index, number in enumerate(numbers)]
    for each in due:
        loop.call_at_datetime(start + timedelta(milliseconds=each[0]), seen.append, each)
    loop.call_at_datetime(start + HOUR, loop.stop)
    clock.step(3 * HOUR)
    loop.run_forever()
    assert seen == sorted(due)


# The clock is set


def test_clock_that_is_set_forward_past_the_deadline_calls_at_once(
    clock: Clock, loop: qtloop.QEventLoop
) -> None:
    loop.call_at_datetime(clock.now() + HOUR, loop.stop)
    loop.call_soon(clock.step, HOUR)
    loop.run_forever()
    assert waiting(loop) == 0


def test_clock_that_is_set_back_keeps_the_call_waiting(
    clock: Clock, loop: qtloop.QEventLoop
) -> None:
    seen: list[str] = []
    loop.call_at_datetime(clock.now() + timedelta(milliseconds=30), seen.append, "called")
    clock.step(-HOUR)
    run_for(loop, 0.1)
    assert seen == []
    assert waiting(loop) == 1
    clock.step(HOUR)
    loop.call_at_datetime(clock.now() + timedelta(milliseconds=30), loop.stop)
    loop.run_forever()
    assert seen == ["called"]


def test_timerfd_is_set_once_more_when_the_clock_was_set(
    timerfd_clock: Clock, loop: qtloop.QEventLoop
) -> None:
    loop.call_at_datetime(timerfd_clock.now() + HOUR, nothing)
    (timer,) = timerfd_clock.timers
    deadline, before = timer.deadline, timer.times_set
    timerfd_clock.step(timedelta(seconds=1))
    run_for(loop, 0.02)
    assert timer.deadline == deadline
    assert timer.times_set == before + 1
    assert waiting(loop) == 1


def test_last_datetime_does_not_wake_the_loop(
    timerfd_clock: Clock, loop: qtloop.QEventLoop
) -> None:
    loop.call_at_datetime(datetime.max.replace(tzinfo=UTC), nothing)
    run_for(loop, 0.02)
    assert [timer.times_set for timer in timerfd_clock.timers] == [1]
    assert waiting(loop) == 1


# Local time and zones


def test_aware_datetime_is_exact_to_the_microsecond() -> None:
    zone = timezone(timedelta(hours=5, minutes=30))
    assert nanoseconds(datetime(1970, 1, 1, 5, 30, 0, 1, tzinfo=zone)) == 1000
    # The float of timestamp() is earlier than this by 0.2 microseconds.
    assert nanoseconds(datetime(2286, 11, 20, 17, 46, 39, 999_999, UTC)) == 9999999999_999_999_000
    assert nanoseconds(datetime(1969, 12, 31, 23, 59, 59, 999_999, UTC)) == -1000


@pytest.mark.parametrize(
    ("local", "utc"),
    [
        (datetime(2026, 1, 15, 12), datetime(2026, 1, 15, 17, tzinfo=UTC)),
        (datetime(2026, 7, 15, 12, 0, 0, 7), datetime(2026, 7, 15, 16, 0, 0, 7, UTC)),
        (datetime(2026, 11, 1, 1, 30), datetime(2026, 11, 1, 5, 30, tzinfo=UTC)),
        (datetime(2026, 11, 1, 1, 30, fold=1), datetime(2026, 11, 1, 6, 30, tzinfo=UTC)),
        (datetime(2026, 3, 8, 2, 30), datetime(2026, 3, 8, 7, 30, tzinfo=UTC)),
        (datetime(2026, 3, 8, 2, 30, fold=1), datetime(2026, 3, 8, 6, 30, tzinfo=UTC)),
    ],
    ids=["winter", "summer", "twice, first", "twice, second", "skipped", "skipped, fold"],
)
def test_naive_datetime_is_local_time(local_time: None, local: datetime, utc: datetime) -> None:
    assert nanoseconds(local) == nanoseconds(utc)
    assert local.timestamp() == utc.timestamp()


# Handles


def test_handle_has_the_datetime_and_an_estimate_in_loop_time(
    clock: Clock, loop: qtloop.QEventLoop
) -> None:
    deadline = clock.now() + HOUR
    before = loop.time()
    handle = loop.call_at_datetime(deadline, nothing)
    assert isinstance(handle, asyncio.TimerHandle)
    assert handle.deadline is deadline
    assert not handle.cancelled()
    # Two clocks are read one after the other, while the machine does other things.
    assert handle.when() == pytest.approx(before + 3600, abs=30)
    clock.step(-HOUR)
    assert handle.when() == pytest.approx(before + 7200, abs=30)


def test_cancelled_handle_is_not_called(clock: Clock, loop: qtloop.QEventLoop) -> None:
    seen: list[str] = []
    past = loop.call_at_datetime(clock.now(), seen.append, "past")
    later = loop.call_at_datetime(clock.now() + HOUR, seen.append, "later")
    for handle in (past, later, past):
        handle.cancel()
        assert handle.cancelled()
    clock.step(2 * HOUR)
    run_for(loop, 0.03)
    assert seen == []


def test_cancel_after_the_call_has_no_effect_on_others(
    clock: Clock, loop: qtloop.QEventLoop
) -> None:
    first = loop.call_at_datetime(clock.now() - HOUR, loop.stop)
    loop.call_at_datetime(clock.now() + HOUR, loop.stop)
    loop.run_forever()
    first.cancel()
    assert waiting(loop) == 1
    clock.step(HOUR)
    loop.run_forever()


def test_cancelled_handle_leaves_no_timer_and_no_reference(
    timerfd_clock: Clock, loop: qtloop.QEventLoop
) -> None:
    def callback() -> None: ...

    gc.collect()
    gc.disable()
    try:
        handle = loop.call_at_datetime(timerfd_clock.now() + HOUR, callback, callback)
        freed, freed_handle = weakref.ref(callback), weakref.ref(handle)
        handle.cancel()
        del callback
        assert freed() is None
        del handle
        assert freed_handle() is None
    finally:
        gc.enable()
    assert [timer.deadline for timer in timerfd_clock.timers] == [None]


def test_cancelling_the_earliest_sets_the_timer_for_the_next(
    timerfd_clock: Clock, loop: qtloop.QEventLoop
) -> None:
    start = timerfd_clock.now()
    handles = [loop.call_at_datetime(start + hours * HOUR, nothing) for hours in (3, 1, 2)]
    (timer,) = timerfd_clock.timers
    assert timer.deadline == nanoseconds(start + HOUR)
    handles[1].cancel()
    assert timer.deadline == nanoseconds(start + 2 * HOUR)
    assert timer.times_set == 3  # not for the one in the middle
    assert loop._wall_clock is not None
    assert loop._wall_clock.handles() == [handles[2], handles[0]]


def test_cancelling_many_handles_leaves_a_small_heap(clock: Clock, loop: qtloop.QEventLoop) -> None:
    start = clock.now() + HOUR
    handles = [loop.call_at_datetime(start + HOUR * number, nothing) for number in range(10_000)]
    for handle in handles[1:]:
        handle.cancel()
    assert loop._wall_clock is not None
    assert len(loop._wall_clock._heap) <= 2 * _wall_clock.STALE + 2
    assert loop._wall_clock.handles() == handles[:1]


def test_call_runs_in_its_context(loop: qtloop.QEventLoop) -> None:
    variable: ContextVar[str] = ContextVar("variable", default="none")
    context = copy_context()
    context.run(variable.set, "given")
    seen: list[str] = []

    def note() -> None:
        seen.append(variable.get())

    loop.call_at_datetime(datetime.now(), note, context=context)
    variable.set("current")
    loop.call_at_datetime(datetime.now(), note)
    variable.set("later")
    loop.call_at_datetime(datetime.now(), loop.stop)
    loop.run_forever()
    assert seen == ["given", "current"]


def test_loop_does_not_keep_the_context_of_the_first_call(
    clock: Clock, loop: qtloop.QEventLoop
) -> None:
    def value() -> None: ...

    variable: ContextVar[Callable[[], None]] = ContextVar("variable")
    context = copy_context()
    context.run(variable.set, value)
    freed = weakref.ref(value)
    context.run(loop.call_at_datetime, clock.now() + HOUR, nothing).cancel()
    del value, context
    gc.collect()
    assert freed() is None


@pytest.mark.parametrize("debug", [False, True])
def test_exception_of_a_call_is_reported(
    debug: bool, loop: qtloop.QEventLoop, reports: list[dict[str, Any]]
) -> None:
    loop.set_debug(debug)
    loop.call_at_datetime(datetime.now(), lambda: 1 / 0)
    loop.call_at_datetime(datetime.now(), loop.stop)
    loop.run_forever()
    report = reports.pop()
    assert isinstance(report["exception"], ZeroDivisionError)
    assert "Exception in callback" in report["message"]
    assert ("source_traceback" in report) == debug


# The loop


def test_loop_has_one_descriptor_from_the_first_call_until_its_close(
    timerfd_clock: Clock, loop: qtloop.QEventLoop
) -> None:
    before = count_descriptors()
    for hours in (2, 1, 3):
        loop.call_at_datetime(timerfd_clock.now() + hours * HOUR, nothing)
    assert count_descriptors() == before + 1
    other = qtloop.QEventLoop()
    others = count_descriptors()
    other.call_at_datetime(timerfd_clock.now() + HOUR, nothing)
    other.close()
    assert count_descriptors() < others
    assert waiting(loop) == 3


def test_closed_loop_drops_the_calls_and_takes_no_more(
    clock: Clock, loop: qtloop.QEventLoop
) -> None:
    def callback() -> None: ...

    freed = weakref.ref(callback)
    handle = loop.call_at_datetime(clock.now() + HOUR, callback)
    loop.close()
    assert waiting(loop) == 0
    handle.cancel()
    del callback
    assert freed() is None
    with pytest.raises(RuntimeError, match="Event loop is closed"):
        loop.call_at_datetime(clock.now(), nothing)


def test_unclosed_loop_with_a_waiting_call_is_collected(timerfd_clock: Clock, app: Any) -> None:
    loop = qtloop.QEventLoop(app)
    loop.call_at_datetime(timerfd_clock.now() + HOUR, nothing)
    freed = weakref.ref(loop)
    with pytest.warns(ResourceWarning, match="unclosed event loop"):
        del loop
        timerfd_clock.timers.clear()
        gc.collect()
    gc.collect()  # the warning referred to the loop
    assert freed() is None


def test_debug_mode_refuses_another_thread(loop: qtloop.QEventLoop) -> None:
    async def main() -> list[str]:
        return refused_elsewhere(lambda: loop.call_at_datetime(datetime.now(), nothing))

    loop.set_debug(True)
    (message,) = loop.run_until_complete(main())
    assert "Non-thread-safe operation" in message


def test_loop_is_served_without_a_run(loop: qtloop.QEventLoop) -> None:
    modal = pytest.importorskip("support.modal").Modal()
    loop.call_at_datetime(datetime.now() + timedelta(milliseconds=5), modal.close)
    modal.exec()
    assert not loop.is_running()


def test_calls_run_while_a_dialog_is_open_in_a_task(clock: Clock, loop: qtloop.QEventLoop) -> None:
    modal = pytest.importorskip("support.modal").Modal()

    async def main() -> None:
        loop.call_at_datetime(clock.now() + HOUR, modal.close)
        loop.call_soon(clock.step, HOUR)
        modal.exec()

    loop.run_until_complete(main())


def test_dialog_in_a_call_does_not_keep_the_others_waiting(loop: qtloop.QEventLoop) -> None:
    modal = pytest.importorskip("support.modal").Modal()
    start = datetime.now()
    loop.call_at_datetime(start, modal.exec)
    loop.call_at_datetime(start + timedelta(milliseconds=5), modal.close)
    loop.call_at_datetime(start + timedelta(milliseconds=6), loop.stop)
    loop.run_forever()
    assert not modal.is_open


def test_forked_child_does_not_change_its_parents_timer(child: Child) -> None:
    program = """
        from datetime import datetime, timedelta
        async def main():
            loop, called = asyncio.get_running_loop(), asyncio.Event()
            handle = loop.call_at_datetime(datetime.now() + timedelta(seconds=0.3), called.set)
            if os.fork() == 0:
                handle.cancel()  # the shared timer would be disarmed
                os._exit(0)
            os.wait()
            await asyncio.wait_for(called.wait(), 20)
            print("called")
        qtloop.run(main())
    """
    assert child(program).stdout.split() == ["called"]


def test_calls_that_wait_at_a_fork_run_in_the_child_and_in_the_parent(child: Child) -> None:
    program = """
        from datetime import datetime, timedelta
        loop = QEventLoop()
        loop.call_at_datetime(datetime.now() + timedelta(seconds=0.1), loop.stop)
        pid = os.fork()
        loop.run_forever()
        loop.run_until_complete(qtloop.sleep_until(datetime.now() + timedelta(seconds=0.01)))
        if pid == 0:
            os._exit(3)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        loop.close()
    """
    assert child(program).stdout.split() == ["3"]


# sleep_until()


def test_sleep_until_is_never_early(alarm: str, loop: qtloop.QEventLoop) -> None:
    async def main() -> int:
        deadline = datetime.now(UTC) + timedelta(milliseconds=3)
        await qtloop.sleep_until(deadline)
        return time.time_ns() - nanoseconds(deadline)

    assert 0 <= loop.run_until_complete(main()) < 20e9


def test_sleep_until_the_past_lets_ready_callbacks_run(loop: qtloop.QEventLoop) -> None:
    seen: list[str] = []

    async def main() -> None:
        loop.call_soon(seen.append, "ready")
        await qtloop.sleep_until(datetime.now() - HOUR)
        assert seen == ["ready"]

    loop.run_until_complete(main())


def test_cancelled_sleep_until_leaves_no_timer(
    timerfd_clock: Clock, loop: qtloop.QEventLoop
) -> None:
    async def main() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(qtloop.sleep_until(timerfd_clock.now() + HOUR), 0.001)
        assert waiting(loop) == 0

    loop.run_until_complete(main())
    assert [timer.deadline for timer in timerfd_clock.timers] == [None]


def test_sleep_until_on_another_loop_names_the_loop_that_it_needs() -> None:
    async def main() -> None:
        await qtloop.sleep_until(datetime.now())

    other = asyncio.SelectorEventLoop()
    with pytest.raises(RuntimeError, match=r"needs a qtloop\.QEventLoop, but .*qtloop\.run\(main"):
        other.run_until_complete(main())
    other.close()


# Mistakes


@pytest.mark.parametrize("when", [None, 1.7e9, date(2026, 1, 1), HOUR, "2026-01-01T12:00"])
def test_other_types_than_datetime_are_refused_with_the_cure(
    when: Any, loop: qtloop.QEventLoop
) -> None:
    cure = r"\(\) needs a datetime\.datetime, not .*fromtimestamp\(seconds\).*datetime\.now"
    with pytest.raises(TypeError, match="call_at_datetime" + cure):
        loop.call_at_datetime(when, nothing)
    with pytest.raises(TypeError, match="sleep_until" + cure):
        loop.run_until_complete(qtloop.sleep_until(when))


def test_coroutine_function_is_refused(loop: qtloop.QEventLoop) -> None:
    async def callback() -> None: ...

    not_callable: Any = 3
    with pytest.raises(TypeError, match=r"coroutines cannot be used with call_at_datetime\(\)"):
        loop.call_at_datetime(datetime.now(), callback)
    with pytest.raises(TypeError, match=r"a callable object was expected by call_at_datetime\(\)"):
        loop.call_at_datetime(datetime.now(), not_callable)
    assert waiting(loop) == 0


def test_local_time_that_the_system_cannot_convert_names_the_cure(loop: qtloop.QEventLoop) -> None:
    with pytest.raises(
        ValueError, match=r"cannot convert the local time .* pass an aware datetime"
    ):
        loop.call_at_datetime(datetime.min, nothing)
    calls: list[Callable[[], object]] = []
    loop.call_at_datetime(datetime.min.replace(tzinfo=UTC), calls.append, nothing)
    run_once(loop)
    assert calls == [nothing]
