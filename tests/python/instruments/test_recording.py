"""`loop.record()`: the events of a trace, the longest callbacks, and what a recording refuses."""

from __future__ import annotations

import asyncio
import functools
import gc
import gzip
import itertools
import json
import operator
import pathlib
import socket
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

import qtloop
from qtloop._binding import binding

BINDING = binding

Event = dict[str, Any]


class Trace:
    """A trace that was read back."""

    def __init__(self, path: pathlib.Path) -> None:
        opened = gzip.open if path.suffix == ".gz" else open
        with opened(path, "rt") as file:
            self.data = json.load(file)
        self.events: list[Event] = self.data["traceEvents"]
        self.tracks = {
            event["tid"]: event["args"]["name"]
            for event in self.events
            if event["name"] == "thread_name"
        }

    def spans(self, *categories: str) -> list[Event]:
        return [
            event
            for event in self.events
            if event["ph"] == "X" and (not categories or event["cat"] in categories)
        ]

    def of_task(self, name: str) -> list[Event]:
        return [event for event in self.spans() if self.tracks[event["tid"]] == name]

    def check(self) -> None:
        """Checks what holds for each trace."""
        spans = self.spans()
        assert all(event["dur"] >= 0 and event["ts"] >= 0 for event in spans)
        for _, track in itertools.groupby(
            sorted(spans, key=operator.itemgetter("tid")), operator.itemgetter("tid")
        ):
            ends: list[int] = []
            for event in sorted(track, key=lambda event: (event["ts"], -event["dur"])):
                begin, took = (round(1000 * event[key]) for key in ("ts", "dur"))
                while ends and ends[-1] <= begin:
                    ends.pop()
                assert not ends or begin + took <= ends[-1], event
                ends.append(begin + took)
        starts = {event["id"]: event for event in self.events if event["ph"] == "s"}
        arrows = [event for event in self.events if event["ph"] == "f"]
        assert len(starts) == len(arrows)
        begins = {(event["tid"], event["ts"]) for event in spans}
        for arrow in arrows:
            start = starts[arrow["id"]]
            assert start["ts"] <= arrow["ts"]
            assert (arrow["tid"], arrow["ts"]) in begins
            assert any(
                event["tid"] == start["tid"]
                and event["ts"] <= start["ts"] <= event["ts"] + event["dur"]
                for event in spans
            )


@pytest.fixture
def record(
    loop: qtloop.QEventLoop, tmp_path: pathlib.Path
) -> Callable[[Coroutine[Any, Any, object]], Trace]:
    """Runs a coroutine as the task "main" while the loop is recorded, and returns the trace."""

    def record(coroutine: Coroutine[Any, Any, object]) -> Trace:
        with loop.record() as recording:
            loop.run_until_complete(loop.create_task(coroutine, name="main"))
        recording.save(tmp_path / "trace.json")
        trace = Trace(tmp_path / "trace.json")
        trace.check()
        assert trace.data["otherData"]["events"] == recording.events
        return trace

    return record


Record = Callable[[Coroutine[Any, Any, object]], Trace]


def burn(seconds: float) -> None:
    """Uses the processor for some time."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def test_steps_of_a_task_are_spans_on_its_track(record: Record) -> None:
    async def main() -> None:
        for _ in range(3):
            await asyncio.sleep(0)

    steps = record(main()).of_task("main")
    assert len(steps) == 4
    for step in steps:
        assert step["name"].endswith("main")
        assert step["cat"] == "step"
        file, line = step["args"]["at"].rsplit(":", 1)
        assert file == __file__
        assert int(line) == main.__code__.co_firstlineno


def test_arrow_leads_from_the_waker_to_the_woken_step(record: Record) -> None:
    async def wait(event: asyncio.Event) -> None:
        await event.wait()

    async def main() -> None:
        event = asyncio.Event()
        waiter = asyncio.create_task(wait(event), name="waiter")
        await asyncio.sleep(0)
        event.set()
        await waiter

    trace = record(main())
    (first, second) = trace.of_task("waiter")
    arrow = next(
        event
        for event in trace.events
        if event["ph"] == "f" and (event["tid"], event["ts"]) == (second["tid"], second["ts"])
    )
    start = next(e for e in trace.events if e["ph"] == "s" and e["id"] == arrow["id"])
    assert trace.tracks[start["tid"]] == "main"
    created = [event for event in trace.events if event["name"] == "created"]
    (waiter,) = [event for event in created if trace.tracks[event["tid"]] == "waiter"]
    assert waiter["args"]["parent"] == "main"
    finished = [event for event in trace.events if event["name"] == "finished"]
    assert {trace.tracks[event["tid"]] for event in finished} >= {"main", "waiter"}
    assert first["ts"] + first["dur"] <= second["ts"]


def test_each_kind_of_job_has_its_name(record: Record, loop: qtloop.QEventLoop) -> None:
    class Place:
        def method(self, done: asyncio.Future[None]) -> None:
            done.set_result(None)

    async def main() -> None:
        done = loop.create_future()
        loop.call_soon(functools.partial(Place().method, done))
        await done
        called = loop.create_future()
        loop.call_later(0, called.set_result, None)
        await called
        near, far = socket.socketpair()
        with near, far:
            read = loop.create_future()

            def on_readable() -> None:
                loop.remove_reader(near)
                read.set_result(None)

            loop.add_reader(near, on_readable)
            far.send(b"x")
            await read
        may_end = threading.Event()
        loop.call_soon(may_end.set)
        await asyncio.to_thread(may_end.wait)

    trace = record(main())
    names = {(event["cat"], event["name"].rsplit(".", 1)[-1]) for event in trace.spans()}
    assert ("callback", "method") in names
    assert ("timer", "set_result") in names
    assert ("reader", "on_readable") in names
    assert "other thread" in {category for category, _ in names}
    (timer,) = trace.spans("timer")
    assert timer["args"]["latency_us"] >= 0


def test_stream_is_a_span_of_its_transport(record: Record) -> None:
    async def main() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(await reader.readline())
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"ping\n")
        assert await reader.readline() == b"ping\n"
        writer.close()
        server.close()

    assert record(main()).spans("transport")


def test_job_that_runs_a_qt_loop_contains_the_jobs_inside(
    record: Record, loop: qtloop.QEventLoop
) -> None:
    async def inner() -> None:
        burn(0.001)

    async def main() -> None:
        await asyncio.sleep(0)
        task = loop.create_task(inner(), name="inner")
        qtloop.block_on(asyncio.wait([task]))

    trace = record(main())
    (_, outer) = trace.of_task("main")
    (step,) = trace.of_task("inner")
    assert outer["ts"] < step["ts"]
    assert step["ts"] + step["dur"] <= outer["ts"] + outer["dur"]
    assert any(turn["args"]["depth"] == 2 for turn in trace.spans("turn"))


def test_times_of_jobs_add_up_to_that_of_the_thread(record: Record) -> None:
    used = 0.0

    async def main() -> None:
        nonlocal used
        await asyncio.sleep(0)
        began = time.thread_time()
        for _ in range(50):
            burn(0.001)
            await asyncio.sleep(0)
        used = time.thread_time() - began

    trace = record(main())
    jobs = [event for event in trace.spans() if event["cat"] not in ("turn", "poll", "qt")]
    # A job takes longer than its processor time if the system runs another process in between.
    assert sum(event["dur"] for event in jobs) / 1e6 >= 0.95 * used


@pytest.mark.skipif(BINDING is None, reason="the events are those of a binding")
def test_events_of_qt_are_spans_of_its_track(
    record: Record, loop: qtloop.QEventLoop, app: Any
) -> None:
    from support.modal import QtCore

    done = loop.create_future()

    class Counter(QtCore.QObject):  # type: ignore[misc, name-defined, unused-ignore]
        def event(self, event: Any) -> bool:
            if event.type() == QtCore.QEvent.Type.User:
                burn(0.002)
                done.set_result(None)
            return bool(super().event(event))

    async def main() -> None:
        app.postEvent(counter, QtCore.QEvent(QtCore.QEvent.Type.User))
        await done

    counter = Counter()
    trace = record(main())
    (span,) = [event for event in trace.spans() if event["name"].endswith("Counter: User")]
    assert trace.tracks[span["tid"]] == "Qt"
    assert span["dur"] >= 2000
    stats = loop.stats()
    assert stats.time_in_qt is None, "no instrument is on"


def test_time_in_qt_and_waiting_is_measured_while_an_instrument_is_on(
    loop: qtloop.QEventLoop,
) -> None:
    with loop.record():
        loop.run_until_complete(asyncio.sleep(0.05))
        stats = loop.stats()
    assert stats.time_waiting is not None
    assert 0.03 < stats.time_waiting
    assert stats.time_in_qt is not None
    assert stats.time_in_qt >= 0
    assert stats.time_polling is not None
    assert 0 < stats.time_polling <= stats.time_in_turns
    assert loop.stats().time_polling is None


def test_recording_begins_inside_a_step(loop: qtloop.QEventLoop, tmp_path: pathlib.Path) -> None:
    async def main() -> None:
        with loop.record() as recording:
            burn(0.005)
            await asyncio.sleep(0)
            burn(0.001)
        recording.save(tmp_path / "trace.json")
        (top,) = [each for each in recording.top() if each.function.endswith("main")]
        assert top.count == 2
        assert top.worst >= 0.005

    loop.run_until_complete(loop.create_task(main(), name="main"))
    trace = Trace(tmp_path / "trace.json")
    trace.check()
    assert len(trace.of_task("main")) == 2


def test_top_lists_the_longest_places(loop: qtloop.QEventLoop) -> None:
    def short() -> None:
        burn(0.0001)

    def long() -> None:
        burn(0.03)

    async def main() -> None:
        for _ in range(600):
            loop.call_soon(short)
        loop.call_soon(long)
        await asyncio.sleep(0.001)

    with loop.record() as recording:
        loop.run_until_complete(main())
    by_total = [each.function.rsplit(".", 1)[-1] for each in recording.top()]
    by_worst = [each.function.rsplit(".", 1)[-1] for each in recording.top(by="worst")]
    assert by_total.index("short") < by_total.index("long")
    assert by_worst.index("long") < by_worst.index("short")
    (times,) = [each for each in recording.top() if each.function.endswith("long")]
    assert (times.file, times.count) == (__file__, 1)
    assert times.line == long.__code__.co_firstlineno
    assert times.total == times.worst >= 0.03
    assert times.run is not None
    assert times.run.p50 <= times.run.p99 <= times.worst
    assert times.latency is not None
    assert times.worst_at <= recording.duration
    assert f"long): {times.total:.6f} s in 1, at most" in str(times)
    assert len(recording.top(1)) == 1
    assert recording.top(0) == recording.top(-1) == []
    with pytest.raises(ValueError, match='"total" or "worst"'):
        recording.top(by="longest")  # type: ignore[arg-type]


def test_old_events_are_dropped_and_counted(
    loop: qtloop.QEventLoop, tmp_path: pathlib.Path
) -> None:
    async def main() -> None:
        for _ in range(500):
            await asyncio.sleep(0)

    with loop.record(events=100) as recording:
        loop.run_until_complete(main())
    assert recording.events == 100
    assert recording.dropped >= 400
    recording.save(tmp_path / "trace.json")
    trace = Trace(tmp_path / "trace.json")
    trace.check()
    assert trace.data["otherData"]["dropped_events"] == recording.dropped
    (times,) = [each for each in recording.top() if each.function.endswith("main")]
    assert times.count == 501, "those of the dropped events, too"


def test_trace_is_compressed_if_its_path_says_so(
    loop: qtloop.QEventLoop, tmp_path: pathlib.Path
) -> None:
    with loop.record() as recording:
        loop.run_until_complete(asyncio.sleep(0))
    recording.save(str(tmp_path / "trace.json.gz"))
    trace = Trace(tmp_path / "trace.json.gz")
    trace.check()
    assert trace.spans("step")


def test_trace_that_cannot_be_written_keeps_the_older_file(
    loop: qtloop.QEventLoop, tmp_path: pathlib.Path
) -> None:
    with loop.record() as recording:
        loop.run_until_complete(asyncio.sleep(0))
    missing = tmp_path / "missing" / "trace.json"
    with pytest.raises(FileNotFoundError, match="missing"):
        recording.save(missing)
    with pytest.raises(OSError, match=str(tmp_path)):
        recording.save(tmp_path)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(TypeError):
        recording.save(3)  # type: ignore[arg-type]


@pytest.mark.parametrize("events", [0, -1, 2**31 + 1])
def test_number_of_events_is_checked(loop: qtloop.QEventLoop, events: int) -> None:
    with pytest.raises(ValueError, match="from 1 to"):
        loop.record(events=events)
    loop.record(events=1).stop()


def test_loop_has_one_recording_at_a_time(loop: qtloop.QEventLoop) -> None:
    first = loop.record()
    with pytest.raises(RuntimeError, match="stop"):
        loop.record()
    first.stop()
    first.stop()
    with loop.record() as second:
        loop.run_until_complete(asyncio.sleep(0))
    assert first.top() == []
    assert second.top() != []


def test_recording_that_the_program_drops_ends(loop: qtloop.QEventLoop) -> None:
    recording = loop.record()
    del recording
    gc.collect()
    loop.record().stop()


def test_recording_outlives_its_loop(app: Any, tmp_path: pathlib.Path) -> None:
    loop = qtloop.QEventLoop(app)
    recording = loop.record()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    with pytest.raises(RuntimeError, match="closed"):
        loop.record()
    del loop
    gc.collect()
    recording.stop()
    recording.save(tmp_path / "trace.json")
    assert Trace(tmp_path / "trace.json").spans("step")


def test_other_thread_cannot_record_a_running_loop(loop: qtloop.QEventLoop) -> None:
    def record() -> None:
        with pytest.raises(RuntimeError, match="call_soon_threadsafe"):
            loop.record()

    loop.run_until_complete(asyncio.to_thread(record))


def test_recording_begins_and_ends_in_callbacks_of_one_turn(loop: qtloop.QEventLoop) -> None:
    recordings: list[qtloop.Recording] = []

    def restart() -> None:
        if recordings:
            recordings[-1].stop()
        recordings.append(loop.record())

    for _ in range(5):
        loop.call_soon(restart)
    loop.run_until_complete(asyncio.sleep(0.001))
    recordings[-1].stop()
    # Each begins in one callback and ends in the next one.
    assert [sum(each.count for each in one.top()) for one in recordings[:4]] == [2] * 4


def test_numbers_of_tasks_are_not_used_again(record: Record) -> None:
    async def nothing() -> None:
        pass

    async def main() -> None:
        for number in range(100):
            await asyncio.create_task(nothing(), name=f"child {number}")

    trace = record(main())
    for number in range(100):
        assert len(trace.of_task(f"child {number}")) == 1


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks are new in Python 3.12")
def test_eager_task_has_a_track(record: Record, loop: qtloop.QEventLoop) -> None:
    async def child() -> None:
        await asyncio.sleep(0)

    async def main() -> None:
        loop.set_task_factory(asyncio.eager_task_factory)
        try:
            await loop.create_task(child(), name="eager")
        finally:
            loop.set_task_factory(None)

    assert len(record(main()).of_task("eager")) == 1


def test_cancelled_task_finishes(record: Record) -> None:
    async def main() -> None:
        task = asyncio.create_task(asyncio.sleep(60), name="cancelled")
        task.cancel()
        await asyncio.wait([task])

    trace = record(main())
    finished = [event for event in trace.events if event["name"] == "finished"]
    assert "cancelled" in {trace.tracks[event["tid"]] for event in finished}


def test_task_that_was_collected_finishes_when_a_new_one_has_its_address(
    record: Record, loop: qtloop.QEventLoop, reports: list[dict[str, Any]]
) -> None:
    async def wait() -> None:
        await loop.create_future()

    async def main() -> None:
        for _ in range(50):
            loop.create_task(wait(), name="lost")
            await asyncio.sleep(0)
            gc.collect()
            reports.clear()  # it was destroyed while it was pending

    trace = record(main())
    finished = [event for event in trace.events if event["name"] == "finished"]
    assert "lost" in {trace.tracks[event["tid"]] for event in finished}


def test_failing_callback_is_recorded(
    loop: qtloop.QEventLoop, reports: list[dict[str, Any]]
) -> None:
    def fail() -> None:
        raise ValueError

    with loop.record() as recording:
        loop.call_soon(fail)
        loop.run_until_complete(asyncio.sleep(0))
    assert any(each.function.endswith("fail") for each in recording.top())
    assert len(reports) == 1
    reports.clear()


def test_loops_of_two_threads_record_at_once(loop: qtloop.QEventLoop) -> None:
    async def work() -> None:
        for _ in range(100):
            await asyncio.sleep(0)

    counts: list[int] = []

    def run() -> None:
        other = qtloop.QEventLoop()
        with other.record() as recording:
            other.run_until_complete(work())
        counts.append(sum(each.count for each in recording.top()))
        other.close()

    thread = threading.Thread(target=run)
    with loop.record() as recording:
        thread.start()
        loop.run_until_complete(work())
    thread.join()
    assert counts[0] >= 101
    assert sum(each.count for each in recording.top()) >= 101
