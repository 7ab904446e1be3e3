"""Callbacks and handles of call_soon, call_later and call_at: asyncio's behaviour on both loops."""

from __future__ import annotations

import asyncio
import contextvars
import os
import sys
from collections.abc import Callable
from typing import Any

import pytest
from support.running import nothing, run_once

pytest_plugins = ["support.each_loop"]

Loop = asyncio.SelectorEventLoop
number: contextvars.ContextVar[int] = contextvars.ContextVar("number", default=0)


async def answer() -> int:
    await asyncio.sleep(0)
    return 42


def when_soon(loop: Loop) -> float:
    return loop.time() + 0.001


# Each way of scheduling a callback, by name.
WAYS: dict[str, Callable[..., asyncio.Handle]] = {
    "call_soon": lambda loop, *args, **kwargs: loop.call_soon(*args, **kwargs),
    "call_soon_threadsafe": lambda loop, *args, **kw: loop.call_soon_threadsafe(*args, **kw),
    "call_later": lambda loop, *args, **kwargs: loop.call_later(0.001, *args, **kwargs),
    "call_at": lambda loop, *args, **kwargs: loop.call_at(when_soon(loop), *args, **kwargs),
}
each_way = pytest.mark.parametrize("schedule", WAYS.values(), ids=WAYS.keys())


# Order


def test_callbacks_run_in_the_order_in_which_they_were_scheduled(each_loop: Loop) -> None:
    seen: list[int] = []
    for index in range(1000):
        schedule = each_loop.call_soon_threadsafe if index % 3 else each_loop.call_soon
        schedule(seen.append, index)
    run_once(each_loop)
    assert seen == list(range(1000))


def test_callback_scheduled_by_a_callback_runs_after_those_already_queued(
    each_loop: Loop,
) -> None:
    seen: list[str] = []
    each_loop.call_soon(lambda: [seen.append("a"), each_loop.call_soon(seen.append, "c")])
    each_loop.call_soon(seen.append, "b")
    each_loop.call_soon(each_loop.call_soon, each_loop.call_soon, each_loop.stop)
    each_loop.run_forever()
    assert seen == ["a", "b", "c"]


def test_tasks_take_turns(each_loop: Loop) -> None:
    seen: list[int] = []

    async def count(number: int) -> None:
        for _ in range(3):
            seen.append(number)
            await asyncio.sleep(0)

    async def main() -> None:
        await asyncio.gather(*map(count, range(4)))

    each_loop.run_until_complete(main())
    assert seen == [0, 1, 2, 3] * 3


# Arguments and results


@each_way
def test_arguments_reach_the_callback(each_loop: Loop, schedule: Any) -> None:
    seen: list[Any] = []
    schedule(each_loop, lambda *args: [seen.append(args), each_loop.stop()], 1, "two", None, [3])
    each_loop.run_forever()
    assert seen == [(1, "two", None, [3])]


@each_way
def test_scheduling_call_returns_a_handle_of_asyncios_class(each_loop: Loop, schedule: Any) -> None:
    handle = schedule(each_loop, nothing)
    assert isinstance(handle, asyncio.Handle)
    assert handle.cancelled() is False
    assert handle.cancel() is None
    assert handle.cancelled() is True
    handle.cancel()  # again is nothing
    assert handle.cancelled() is True


def test_named_parameters_may_be_given_by_name(each_loop: Loop) -> None:
    loop: Any = each_loop
    seen: list[int] = []
    here = contextvars.copy_context()
    here.run(number.set, 5)

    def note() -> None:
        seen.append(number.get())

    loop.call_soon(callback=note, context=here)
    loop.call_soon_threadsafe(context=here, callback=note)
    loop.call_later(delay=0, callback=note, context=here)
    loop.call_later(0, callback=note, context=here)
    loop.call_at(callback=note, when=0, context=here)
    loop.call_soon(note, context=None)
    loop.call_later(0.002, loop.stop)
    loop.run_forever()
    assert sorted(seen) == [0, 5, 5, 5, 5, 5]


@pytest.mark.parametrize(
    ("method", "args", "kwargs"),
    [
        ("call_soon", (), {}),
        ("call_soon", (nothing,), {"contxt": None}),
        ("call_soon", (nothing,), {"callback": nothing}),
        ("call_soon", (), {"context": None}),
        ("call_soon_threadsafe", (), {}),
        ("call_soon_threadsafe", (nothing,), {"args": ()}),
        ("call_later", (1,), {}),
        ("call_later", (), {"callback": nothing}),
        ("call_later", (1, nothing), {"delay": 1}),
        ("call_later", (None, nothing), {}),
        ("call_later", ("1", nothing), {}),
        ("call_at", (1, nothing), {"delay": 1}),
        # asyncio's own checks this from Python 3.11 on.
        *([("call_at", (None, nothing), {})] if sys.version_info >= (3, 11) else []),
    ],
)
def test_wrong_arguments_are_type_errors(
    each_loop: Loop, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    with pytest.raises(TypeError):
        getattr(each_loop, method)(*args, **kwargs)
    run_once(each_loop)


def test_wrong_keywords_are_named_in_the_error(loop: Any) -> None:
    with pytest.raises(TypeError, match=r"call_soon\(\) .*unexpected keyword argument 'contxt'"):
        loop.call_soon(nothing, contxt=None)
    with pytest.raises(TypeError, match=r"call_later\(\) missing .*'callback'"):
        loop.call_later(1)


# Handles


@each_way
@pytest.mark.parametrize("debug", [False, True])
def test_repr_of_a_handle_is_asyncios(each_loop: Loop, schedule: Any, debug: bool) -> None:
    each_loop.set_debug(debug)
    # Both on one line: in debug mode the repr contains the line where the handle was made.
    made = [(schedule(each_loop, nothing, 1, "x"), asyncio.Handle(nothing, (1, "x"), each_loop))]
    for handle, model in made:
        if isinstance(handle, asyncio.TimerHandle):
            model = asyncio.TimerHandle(handle.when(), nothing, (1, "x"), each_loop)
        elif sys.version_info >= (3, 14) and type(handle).__name__ == "_ThreadSafeHandle":
            model = asyncio.events._ThreadSafeHandle(nothing, (1, "x"), each_loop)
        wanted, got = repr(model), repr(handle)
        assert got.split(" created at ")[0] == wanted.split(" created at ")[0]
        assert (" created at " in got) is debug
        for each in (handle, model):
            each.cancel()
        wanted, got = repr(model), repr(handle)
        assert got.split(" created at ")[0] == wanted.split(" created at ")[0]


def test_repr_of_a_readers_handle_is_asyncios(each_loop: Any) -> None:
    reading, writing = os.pipe()
    handle = each_loop._add_reader(reading, nothing, 1)
    assert repr(handle) == repr(asyncio.Handle(nothing, (1,), each_loop))
    each_loop.remove_reader(reading)
    assert repr(handle) == "<Handle cancelled>"
    os.close(reading)
    os.close(writing)


@each_way
def test_handle_in_debug_mode_records_the_line_of_the_call(each_loop: Loop, schedule: Any) -> None:
    each_loop.set_debug(True)
    handle: Any = schedule(each_loop, nothing)
    frames = [frame for frame in handle._source_traceback if frame.filename == __file__]
    assert handle._source_traceback[-1].filename == __file__
    # The last line is the one in WAYS, which was called from here.
    assert [frame.name for frame in frames[-2:]] == [
        "test_handle_in_debug_mode_records_the_line_of_the_call",
        "<lambda>",
    ]
    each_loop.set_debug(False)
    plain: Any = schedule(each_loop, nothing)
    assert plain._source_traceback is None


@each_way
def test_cancelled_handle_does_not_run(each_loop: Loop, schedule: Any) -> None:
    seen: list[int] = []
    handles = [schedule(each_loop, seen.append, index) for index in range(10)]
    for handle in handles[::2]:
        handle.cancel()
    each_loop.call_later(0.005, each_loop.stop)
    each_loop.run_forever()
    assert seen == [1, 3, 5, 7, 9]


def test_handle_cancelled_earlier_in_the_same_batch_does_not_run(each_loop: Loop) -> None:
    seen: list[str] = []
    each_loop.call_soon(lambda: handle.cancel())
    handle = each_loop.call_soon(seen.append, "cancelled")
    each_loop.call_soon(seen.append, "last")
    run_once(each_loop)
    assert seen == ["last"]


def test_handle_may_be_cancelled_by_its_own_callback(each_loop: Loop) -> None:
    seen: list[str] = []
    handle = each_loop.call_soon(lambda word: [handle.cancel(), seen.append(word)], "ran")
    timer = each_loop.call_later(0, lambda word: [timer.cancel(), seen.append(word)], "rang")
    each_loop.call_later(0.002, each_loop.stop)
    each_loop.run_forever()
    assert seen == ["ran", "rang"]


def test_handle_can_be_run_directly(each_loop: Loop) -> None:
    seen: list[str] = []
    handle: Any = each_loop.call_soon(seen.append, "ran")
    handle._run()
    run_once(each_loop)
    assert seen == ["ran", "ran"]


def test_plain_handle_of_asyncio_can_be_queued(each_loop: Any) -> None:
    seen: list[str] = []
    each_loop._add_callback(asyncio.Handle(seen.append, ("plain",), each_loop))
    cancelled = asyncio.Handle(seen.append, ("cancelled",), each_loop)
    cancelled.cancel()
    each_loop._add_callback(cancelled)
    run_once(each_loop)
    assert seen == ["plain"]


# Contexts


@each_way
def test_callback_runs_in_a_copy_of_the_callers_context(each_loop: Loop, schedule: Any) -> None:
    seen: list[int] = []

    def look_and_change() -> None:
        seen.append(number.get())
        number.set(99)
        each_loop.stop()

    token = number.set(7)
    schedule(each_loop, look_and_change)
    number.reset(token)
    each_loop.run_forever()
    assert seen == [7]
    assert number.get() == 0


@each_way
def test_callback_runs_in_the_context_that_was_given(each_loop: Loop, schedule: Any) -> None:
    context = contextvars.copy_context()
    handle = schedule(each_loop, number.set, 8, context=context)
    if sys.version_info >= (3, 12):
        assert handle.get_context() is context
    schedule(each_loop, each_loop.stop)
    each_loop.run_forever()
    assert context[number] == 8
    assert number.get() == 0


def test_reader_runs_in_a_copy_of_the_context_of_add_reader(each_loop: Loop) -> None:
    seen: list[int] = []
    reading, writing = os.pipe()
    os.write(writing, b"x")
    token = number.set(3)
    each_loop.add_reader(reading, lambda: [seen.append(number.get()), each_loop.stop()])
    number.reset(token)
    each_loop.run_forever()
    each_loop.remove_reader(reading)
    os.close(reading)
    os.close(writing)
    assert seen == [3]


def test_future_callbacks_and_tasks_run_in_their_contexts(each_loop: Loop) -> None:
    seen: list[int] = []
    context = contextvars.copy_context()
    context.run(number.set, 4)

    async def main() -> None:
        future = each_loop.create_future()
        future.add_done_callback(lambda _: seen.append(number.get()), context=context)
        number.set(1)
        future.add_done_callback(lambda _: seen.append(number.get()))
        future.set_result(None)
        await asyncio.sleep(0)
        seen.append(number.get())

    each_loop.run_until_complete(main())
    assert seen == [4, 1, 1]


def test_one_context_may_serve_callbacks_that_follow_each_other(each_loop: Loop) -> None:
    context = contextvars.copy_context()
    seen: list[int] = []

    def count() -> None:
        number.set(number.get() + 1)
        seen.append(number.get())
        each_loop.call_soon(count if len(seen) < 5 else each_loop.stop, context=context)

    each_loop.call_soon(count, context=context)
    each_loop.run_forever()
    assert seen == [1, 2, 3, 4, 5]


# Programs that replace asyncio's Task


def test_task_class_that_replaces_asyncio_tasks_task_is_used(
    each_loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = type("Own", (asyncio.Task,), {})
    monkeypatch.setattr(asyncio.tasks, "Task", kind)

    async def main() -> type:
        return type(asyncio.current_task())

    assert each_loop.run_until_complete(each_loop.create_task(main())) is kind
