"""`loop._ready` and `loop._scheduled`, as monitors of asyncio read them."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from contextvars import copy_context
from datetime import datetime, timedelta
from typing import Any

import pytest
from support.running import Pair, in_thread, nothing, run_once

import qtloop

pytest_plugins = ["support.each_loop"]


# On both loops


def test_ready_handles_are_listed_in_the_order_in_which_they_run(each_loop: Any) -> None:
    seen: list[int] = []
    handles = [each_loop.call_soon(seen.append, number) for number in range(5)]
    assert len(each_loop._ready) == 5
    assert list(each_loop._ready) == handles
    assert all(listed is made for listed, made in zip(each_loop._ready, handles, strict=True))
    assert list(reversed(each_loop._ready)) == handles[::-1]
    assert each_loop._ready[0] is handles[0]
    assert each_loop._ready[-1] is handles[-1]
    assert handles[2] in each_loop._ready
    assert "append" in repr(each_loop._ready)
    run_once(each_loop)
    assert seen == [0, 1, 2, 3, 4]
    assert len(each_loop._ready) == 0
    assert not each_loop._ready
    assert handles[2] not in each_loop._ready


def test_timers_are_scheduled_until_they_are_due(each_loop: Any) -> None:
    listed: list[tuple[list[Any], list[Any]]] = []

    def call() -> None:
        listed.append((list(each_loop._ready), list(each_loop._scheduled)))

    now = each_loop.time()
    late = each_loop.call_at(now + 60, nothing)
    first, second = each_loop.call_at(now - 2, call), each_loop.call_at(now - 1, call)
    assert len(each_loop._scheduled) == 3
    assert each_loop._scheduled
    assert each_loop._scheduled[0] is first
    assert late in each_loop._scheduled
    assert set(map(id, each_loop._scheduled)) == {id(first), id(second), id(late)}
    assert not each_loop._ready
    run_once(each_loop)
    assert listed == [([second], [late]), ([], [late])]


def test_cancelled_handle_is_ready_until_its_turn(each_loop: Any) -> None:
    handle = each_loop.call_soon(nothing)
    handle.cancel()
    assert list(each_loop._ready) == [handle]
    run_once(each_loop)
    assert not each_loop._ready


def test_call_of_another_thread_is_ready_at_once(each_loop: Any) -> None:
    counts: list[int] = []

    def call() -> None:
        made: list[asyncio.Handle] = []
        before = len(each_loop._ready)
        thread = in_thread(
            lambda: made.extend(each_loop.call_soon_threadsafe(nothing) for _ in range(3))
        )
        thread.join()
        counts.append(len(each_loop._ready) - before)
        assert list(each_loop._ready)[-3:] == made
        each_loop.stop()

    each_loop.call_soon(call)
    each_loop.run_forever()
    assert counts == [3]


def test_transport_with_data_is_a_ready_handle(each_loop: Any, tcp: Pair) -> None:
    listed: list[list[str]] = []
    received = 0

    class Protocol(asyncio.Protocol):
        def data_received(self, data: bytes) -> None:
            nonlocal received
            received += 1
            listed.append([repr(handle) for handle in each_loop._ready])
            if received == 2:
                each_loop.stop()

    async def connect() -> list[asyncio.Transport]:
        return [(await each_loop.connect_accepted_socket(Protocol, end))[0] for end in tcp]

    transports = each_loop.run_until_complete(connect())

    def send() -> None:
        for transport in transports:
            transport.write(b"x")

    each_loop.call_soon(send)
    each_loop.run_forever()
    assert any("_read_ready" in handle for handle in listed[0])
    for transport in transports:
        transport.abort()
    run_once(each_loop)


def test_closed_loop_has_no_handles(each_loop: Any) -> None:
    each_loop.call_soon(nothing)
    each_loop.call_later(60, nothing)
    each_loop.close()
    assert len(each_loop._ready) == len(each_loop._scheduled) == 0
    assert list(each_loop._ready) == list(each_loop._scheduled) == []


# On QEventLoop


def test_timers_are_listed_by_deadline_without_cancelled_ones(loop: Any) -> None:
    start = loop.time() + 60
    handles = [loop.call_at(start + number % 5, nothing) for number in range(1000)]
    for handle in handles[1::2]:
        handle.cancel()
    assert len(loop._scheduled) == 500
    assert list(loop._scheduled) == sorted(handles[::2], key=lambda handle: handle.when())
    assert loop._scheduled[1:3] == [handles[10], handles[20]]
    assert handles[1] not in loop._scheduled


def test_all_handles_can_be_cancelled_during_the_iteration(loop: Any) -> None:
    made = [loop.call_soon(nothing) for _ in range(9)]
    made += [loop.call_later(60, nothing) for _ in range(9)]
    for view in (loop._ready, loop._scheduled):
        for handle in view:
            handle.cancel()
    assert all(handle.cancelled() for handle in made)
    assert len(loop._scheduled) == 0


def test_calls_at_a_wall_clock_time_are_scheduled_among_the_timers(
    loop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QTLOOP_TIMER", "")  # without a timerfd there is one more timer
    loop.call_at_datetime(datetime.now(), nothing)
    hour = loop.call_at_datetime(datetime.now() + timedelta(hours=1), nothing)
    timers = [loop.call_later(seconds, nothing) for seconds in (7200, 600)]
    assert len(loop._scheduled) == 3
    assert list(loop._scheduled) == [timers[1], hour, timers[0]]
    assert len(loop._ready) == 1


def test_handle_whose_context_is_in_use_is_the_first_ready_one(loop: Any) -> None:
    modal = pytest.importorskip("support.modal").Modal()
    context = copy_context()
    seen: list[str] = []

    async def main() -> None:
        deferred = loop.call_soon(seen.append, "deferred", context=context)

        def check() -> None:
            assert seen == []
            assert loop._ready[0] is deferred
            assert list(loop._ready).count(deferred) == 1
            assert len(loop._ready) == len(list(loop._ready))
            seen.append("checked")
            modal.close()

        loop.call_soon(check)
        context.run(modal.exec)
        await asyncio.sleep(0)

    loop.run_until_complete(main())
    assert seen == ["checked", "deferred"]


def test_views_can_be_read_on_another_thread_while_the_loop_is_busy(loop: Any) -> None:
    sums: list[int] = []
    done = threading.Event()

    def again() -> None:
        loop.call_later(0, nothing).cancel()
        loop.call_later(0, nothing)
        if done.is_set():
            loop.stop()
        else:
            loop.call_soon(again)

    def read() -> None:
        try:
            for _ in range(300):
                sums.append(len(loop._ready) + len(loop._scheduled))
                assert all(isinstance(each, asyncio.Handle) for each in loop._ready)
                assert all(isinstance(each, asyncio.Handle) for each in loop._scheduled)
        finally:
            done.set()

    loop.call_soon(again)
    thread = in_thread(read)
    loop.run_forever()
    thread.join()
    assert len(sums) == 300


@pytest.mark.parametrize("name", ["_ready", "_scheduled"])
def test_views_are_read_only_and_name_the_cure(name: str, loop: Any) -> None:
    cure = rf"QEventLoop\.{name} is a read-only view .*call_soon\(\) or call_at\(\).*cancel\(\)"
    for method in ("append", "appendleft", "popleft", "pop", "remove", "extendleft"):
        assert not hasattr(getattr(loop, name), method)
        with pytest.raises(AttributeError, match=cure):
            getattr(getattr(loop, name), method)
    handle = loop.call_soon(nothing) if name == "_ready" else loop.call_later(60, nothing)
    with pytest.raises(AttributeError, match=cure):
        getattr(loop, name).clear()
    with pytest.raises(AttributeError, match=cure):
        setattr(loop, name, [handle])
    setattr(loop, name, deque())  # as asyncio's constructor does
    assert list(getattr(loop, name)) == [handle]


def test_loop_stores_nothing_for_its_views(loop: qtloop.QEventLoop) -> None:
    assert not {"_ready", "_scheduled"} & set(vars(loop))
