"""The source of the inspector: changes of tasks, figures, timers and descriptors."""

from __future__ import annotations

import asyncio
import gc
import os
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

import qtloop
from qtloop import _native
from qtloop._asyncio_private import cancel_all_tasks
from qtloop.inspector import _source
from qtloop.inspector._source import Changes, Source


@pytest.fixture
def source(loop: qtloop.QEventLoop) -> Iterator[Source]:
    source = Source(loop)
    yield source
    source.close()
    cancel_all_tasks(loop)


def names(changes: Changes) -> list[str]:
    return [task.get_name() for _, task in changes.created]


def run_a_little(loop: qtloop.QEventLoop) -> None:
    loop.run_until_complete(asyncio.sleep(0.003))


def test_changes_are_returned_once(loop: qtloop.QEventLoop, source: Source) -> None:
    one = loop.create_task(asyncio.sleep(60), name="one")
    gate = asyncio.Event()
    loop.create_task(gate.wait(), name="two")
    run_a_little(loop)
    changes = source.changes()
    assert names(changes) == ["one", "two"]
    numbers = [number for number, _ in changes.created]
    assert numbers == sorted(numbers)
    assert source.changes() == Changes([], [], [], [])
    one.cancel()
    gate.set()
    loop.create_task(asyncio.sleep(60), name="three")
    run_a_little(loop)
    changes = source.changes()
    assert names(changes) == ["three"]
    assert sorted(changes.ended) == numbers


def test_task_that_has_stepped_is_a_change(loop: qtloop.QEventLoop, source: Source) -> None:
    gates = [asyncio.Event(), asyncio.Event()]

    async def waits() -> None:
        for gate in gates:
            await gate.wait()

    loop.create_task(waits(), name="one")
    loop.create_task(asyncio.sleep(60), name="two")
    run_a_little(loop)
    (number, _), _ = source.changes().created
    gates[0].set()
    run_a_little(loop)
    assert source.changes() == Changes([], [number], [], [])


def test_task_that_was_collected_while_it_waited_has_ended(
    loop: qtloop.QEventLoop,
    source: Source,
    reports: list[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def waits() -> None:
        await loop.create_future()

    loop.create_task(waits())
    run_a_little(loop)
    ((number, task),) = source.changes().created
    del task
    gc.collect()
    assert reports.pop()["message"] == "Task was destroyed but it is pending!"
    monkeypatch.setattr(_source, "COMPARE", 1)
    assert source.changes().ended == [number]


def test_failed_tasks_are_returned_until_their_exception_is_retrieved(
    loop: qtloop.QEventLoop, source: Source
) -> None:
    async def fails() -> None:
        raise ValueError

    task = loop.create_task(fails(), name="one")
    awaited = loop.create_task(fails(), name="two")
    with pytest.raises(ValueError):
        loop.run_until_complete(awaited)
    changes = source.changes()
    failed = [task.get_name() for _, task in changes.failed]
    assert failed[0] == "one", "the other one has been retrieved since"
    assert task.exception()


def test_figures_of_a_task(loop: qtloop.QEventLoop, source: Source) -> None:
    async def works() -> None:
        for _ in range(3):
            await asyncio.sleep(0)
        time.sleep(0.02)
        await asyncio.sleep(60)

    before = time.monotonic_ns()
    task = loop.create_task(works())
    loop.run_until_complete(asyncio.sleep(0.05))
    ((number, _),) = source.changes().created
    (account,) = source.accounts([(id(task), number)])
    assert account is not None
    polls, busy, longest, wakeups, self_wakeups, created, ready, running, idle = account
    assert (polls, wakeups, self_wakeups, ready, running) == (4, 4, 3, 0, 0)
    assert 20_000_000 <= longest <= busy
    assert before - 1_000_000 <= created <= idle <= time.monotonic_ns()
    assert source.accounts([(id(task), number + 1), (0, 1)]) == [None, None]


def test_numbers_of_the_loop(loop: qtloop.QEventLoop, source: Source) -> None:
    source.figures()
    read, write = os.pipe()
    loop.add_reader(read, print)
    handle = loop.call_later(60, print)
    loop.call_soon(print)
    figures = source.figures()
    assert (figures.ready, figures.timers, figures.watches) == (1, 1, 1)
    loop.call_soon(time.sleep, 0.02)
    fired = figures.fired
    run_a_little(loop)
    figures = source.figures()
    assert figures.longest_turn >= 20_000_000
    assert figures.fired == fired + 1
    run_a_little(loop)
    assert source.figures().longest_turn < 20_000_000, "it is that since the last figures"
    handle.cancel()
    loop.remove_reader(read)
    os.close(read)
    os.close(write)


def test_timers_of_the_wall_clock_are_listed(loop: qtloop.QEventLoop, source: Source) -> None:
    handle = loop.call_at_datetime(datetime.now() + timedelta(seconds=100), print)
    (timer,) = source.timers()
    assert timer.what == "print" and 0 < timer.remaining <= 100_000_000_000
    assert source.watches() == [], "the descriptor of the wall clock is the loop's own"
    handle.cancel()


def test_closed_descriptor_is_described_as_closed(loop: qtloop.QEventLoop, source: Source) -> None:
    read, write = os.pipe()
    loop.add_reader(read, print)
    os.close(read)
    (watch,) = source.watches()
    assert (watch.fd, watch.file, watch.writer) == (read, "closed", False)
    loop.remove_reader(read)
    os.close(write)


def test_accounts_are_off_after_close(loop: qtloop.QEventLoop) -> None:
    first = Source(loop)
    loop.create_task(asyncio.sleep(60))
    run_a_little(loop)
    assert len(first.changes().created) == 1
    first.close()
    first.close()
    assert _native.task_changes(loop) is None
    with pytest.raises(RuntimeError, match="is closed"):
        first.changes()
    again = Source(loop)
    assert len(again.changes().created) == 1, "a new reader is told about all tasks"
    again.close()
    cancel_all_tasks(loop)


def test_recording_and_inspector_are_independent(loop: qtloop.QEventLoop) -> None:
    source = Source(loop)
    with loop.record() as recording:
        loop.call_soon(print)
        run_a_little(loop)
    assert recording.events > 0
    assert source.changes() is not None
    with loop.record():
        source.close()
        assert _native.task_changes(loop) is not None
    assert _native.task_changes(loop) is None
