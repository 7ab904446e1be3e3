"""`throttle` and `debounce` of functions and methods."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import Any

import pytest
from support.pace import FOREVER, Log, Meter, burst, quiet
from support.slots import QtWidgets, Sender, destroy, run

import qtloop

# The edges


@pytest.mark.parametrize(
    ("leading", "trailing", "at_once", "in_the_end"),
    [(True, True, [0], [0, 4]), (False, True, [], [4]), (True, False, [0], [0])],
)
def test_throttled_burst_runs_at_the_chosen_edges(
    loop: qtloop.QEventLoop, leading: bool, trailing: bool, at_once: list[int], in_the_end: Any
) -> None:
    async def main() -> None:
        log = Log()
        paced = qtloop.throttle(0.005, leading, trailing)(log)
        for _ in range(2):  # the second burst behaves as the first one
            burst(paced)
            assert (log.runs, paced.pending) == (at_once, trailing)
            await quiet(paced)
            assert (log.runs, paced.pending) == (in_the_end, False)
            log.runs.clear()

    run(loop, main())


@pytest.mark.parametrize(
    ("leading", "max_wait", "at_once", "in_the_end"),
    [
        (False, None, [], [4]),
        (True, None, [0], [0, 4]),
        (False, 0.005, [], [4]),
        (True, 0.005, [0], [0, 4]),
    ],
)
def test_debounced_burst_runs_at_the_chosen_edges(
    loop: qtloop.QEventLoop, leading: bool, max_wait: Any, at_once: list[int], in_the_end: Any
) -> None:
    async def main() -> None:
        log = Log()
        paced = qtloop.debounce(0.005, leading, max_wait)(log)
        for _ in range(2):
            burst(paced)
            assert (log.runs, paced.pending) == (at_once, True)
            await quiet(paced)
            assert (log.runs, paced.pending) == (in_the_end, False)
            log.runs.clear()

    run(loop, main())


def test_single_call_with_a_leading_edge_runs_once(loop: qtloop.QEventLoop) -> None:
    async def main() -> None:
        for decorate in (qtloop.throttle(0.005), qtloop.debounce(0.005, leading=True)):
            log = Log()
            paced = decorate(log)
            paced(1)
            assert (log.runs, paced.pending) == ([1], False)
            await quiet(paced)
            assert log.runs == [1]

    run(loop, main())


def test_throttled_function_never_runs_early(loop: qtloop.QEventLoop) -> None:
    async def main() -> None:
        times: list[float] = []
        done = asyncio.Event()

        @qtloop.throttle(0.005)
        def again() -> None:
            times.append(loop.time())
            if len(times) == 6:
                done.set()
            else:
                again()  # a call by the function itself waits for the next interval

        began = loop.time()
        again()
        await done.wait()
        assert [time >= began + 0.005 * index for index, time in enumerate(times)] == [True] * 6

    run(loop, main())


def test_debounced_function_runs_after_the_delay_of_the_last_call(
    loop: qtloop.QEventLoop,
) -> None:
    async def main() -> None:
        delay, last, log = 0.05, 0.0, Log()
        ran: list[float] = []

        @qtloop.debounce(delay)
        def paced(number: int) -> None:
            ran.append(loop.time())
            log(number)

        for number in range(10):
            last = loop.time()
            paced(number)
            await asyncio.sleep(0)
        while paced.pending:
            await asyncio.sleep(0)
        assert log.runs[-1] == 9
        assert ran[-1] >= last + delay

    run(loop, main())


def test_max_wait_runs_a_call_although_calls_do_not_cease(loop: qtloop.QEventLoop) -> None:
    async def main() -> None:
        log = Log()
        paced = qtloop.debounce(0.02, max_wait=0.02)(log)
        began, calls = loop.time(), 0
        while not log.runs:
            calls += 1
            paced(calls)
            await asyncio.sleep(0)
        assert loop.time() >= began + 0.02
        assert log.runs[0] == calls

    run(loop, main())


def test_leading_call_does_not_run_again_until_calls_have_ceased(loop: qtloop.QEventLoop) -> None:
    async def main() -> None:
        log = Log()
        paced = qtloop.debounce(FOREVER, leading=True, max_wait=FOREVER)(log)
        burst(paced, 2)
        paced.flush()
        burst(paced, 2)
        assert log.runs == [0, 1, 0]
        paced.cancel()

    run(loop, main())


def test_zero_seconds_join_the_calls_of_one_turn(loop: qtloop.QEventLoop) -> None:
    async def main() -> None:
        log = Log()
        paced = qtloop.debounce(0)(log)
        burst(paced)
        assert await log.until(1) == [4]

    run(loop, main())


# The members


@pytest.mark.parametrize("decorate", [qtloop.throttle(FOREVER), qtloop.debounce(FOREVER)])
def test_cancel_drops_the_call_and_leaves_no_timer(loop: qtloop.QEventLoop, decorate: Any) -> None:
    async def main() -> None:
        log = Log()
        paced = decorate(log)
        burst(paced)
        assert paced.pending
        at_once = len(log.runs)
        paced.cancel()
        paced.cancel()
        assert not paced.pending
        assert (len(log.runs), loop._close_callbacks) == (at_once, set())
        burst(paced)  # the first call after it is a first one
        assert (len(log.runs), paced.pending) == (2 * at_once, True)
        paced.cancel()
        reference = weakref.ref(paced)
        del paced
        gc.collect()
        assert reference() is None  # a timer would refer to it

    run(loop, main())


@pytest.mark.parametrize("decorate", [qtloop.throttle(FOREVER), qtloop.debounce(FOREVER)])
def test_flush_runs_the_pending_call_now(loop: qtloop.QEventLoop, decorate: Any) -> None:
    async def main() -> None:
        log = Log()
        paced = decorate(log)
        paced.flush()
        assert log.runs == []
        burst(paced)
        paced.flush()
        assert (log.runs[-1], paced.pending) == (4, False)
        count = len(log.runs)
        paced.flush()
        assert len(log.runs) == count
        paced.cancel()

    run(loop, main())


def test_flushed_debounce_leaves_no_timer_and_a_throttle_keeps_its_interval(
    loop: qtloop.QEventLoop,
) -> None:
    async def main() -> None:
        log = Log()
        paced = qtloop.debounce(FOREVER)(log)
        burst(paced)
        paced.flush()
        assert loop._close_callbacks == set()
        paced = qtloop.throttle(FOREVER)(log)
        burst(paced)
        paced.flush()
        paced(7)
        assert (log.runs, paced.pending) == ([4, 0, 4], True)

    run(loop, main())


def test_function_keeps_its_name_and_takes_keywords(loop: qtloop.QEventLoop) -> None:
    @qtloop.throttle(FOREVER)
    def scale(value: int, *, by: int = 1) -> None:
        """Scales."""
        runs.append(value * by)

    async def main() -> None:
        scale(2, by=3)
        scale(2, by=4)
        scale.flush()

    runs: list[int] = []
    run(loop, main())
    named: Any = scale
    assert (runs, named.__name__, named.__doc__) == ([6, 8], "scale", "Scales.")


# Methods


def test_each_instance_has_its_own_state(loop: qtloop.QEventLoop) -> None:
    async def main() -> None:
        one, other = Meter(), Meter()
        burst(one.throttled)
        other.throttled(7)
        assert (one.throttled.pending, other.throttled.pending) == (True, False)
        one.throttled.flush()
        assert (one.log.runs, other.log.runs) == ([0, 4], [7])
        Meter.throttled(one, 8)  # a call by the class is a call of the method
        assert one.throttled.pending and not Meter.throttled.pending
        one.throttled.cancel()
        assert not one.throttled.pending

    run(loop, main())


def test_override_has_a_state_of_its_own(loop: qtloop.QEventLoop) -> None:
    class Special(Meter):
        @qtloop.throttle(FOREVER)
        def throttled(self, *args: Any) -> None:
            super().throttled("super", *args)

    async def main() -> None:
        meter = Special()
        burst(meter.throttled, 2)
        meter.throttled.flush()
        assert meter.log.runs == [("super", 0)]

    run(loop, main())


def test_class_and_static_methods_are_paced(loop: qtloop.QEventLoop) -> None:
    runs: list[Any] = []

    class Tools:
        @classmethod
        @qtloop.throttle(FOREVER)
        def inside(cls: Any, value: int) -> None:
            runs.append((cls, value))

        @qtloop.throttle(FOREVER)
        @staticmethod
        def outside(value: int) -> None:
            runs.append(value)

    async def main() -> None:
        burst(Tools.inside, 2)
        burst(Tools().outside, 2)
        burst(Tools().outside, 2)

    run(loop, main())
    assert runs == [(Tools, 0), 0]


@pytest.mark.parametrize("method", ["throttled", "debounced"])
def test_pending_call_does_not_keep_the_instance_alive(
    loop: qtloop.QEventLoop, method: str
) -> None:
    async def main() -> None:
        meter, sender = Meter(), Sender()
        runs = meter.log.runs
        sender.clicked.connect(getattr(meter, method))
        sender.clicked.emit(True)
        sender.clicked.emit(False)
        assert getattr(meter, method).pending
        at_once = len(runs)
        reference = weakref.ref(meter)
        del meter
        gc.collect()
        assert (reference(), loop._close_callbacks) == (None, set())
        sender.clicked.emit(True)
        assert len(runs) == at_once

    run(loop, main())


def test_function_of_a_bound_method_does_not_keep_the_instance_alive(
    loop: qtloop.QEventLoop,
) -> None:
    async def main() -> None:
        meter, label = Meter(), QtWidgets.QLabel()
        of_python = qtloop.debounce(0)(meter.log)
        of_meter = qtloop.debounce(0)(meter.setObjectName)
        of_label = qtloop.debounce(0)(label.setText)
        of_label("text")
        of_meter("name")
        while of_label.pending:
            await asyncio.sleep(0)
        assert (label.text(), meter.objectName()) == ("text", "name")
        of_label("more")
        of_meter("more")
        references = [weakref.ref(meter), weakref.ref(label)]
        del meter, label
        gc.collect()
        assert [reference() for reference in references] == [None, None]
        while of_meter.pending or of_label.pending:
            await asyncio.sleep(0)
        assert not of_python.pending

    run(loop, main())


def test_call_for_a_destroyed_object_is_dropped(
    loop: qtloop.QEventLoop, reports: list[Any]
) -> None:
    async def main() -> None:
        meter = Meter()
        meter.debounced(True)
        destroy(meter)
        while meter.debounced.pending:
            await asyncio.sleep(0)
        assert meter.log.runs == []

    run(loop, main())


def test_instance_without_weak_references_is_refused(loop: qtloop.QEventLoop) -> None:
    class Slotted:
        __slots__ = ()

        @qtloop.throttle(1)
        def method(self) -> None: ...

        def plain(self) -> None: ...

    with pytest.raises(TypeError, match='add "__weakref__" to its __slots__'):
        Slotted().method()
    with pytest.raises(TypeError, match='add "__weakref__" to its __slots__'):
        qtloop.throttle(1)(Slotted().plain)
