"""Frames of a suspended task, its place in the program, and the tasks that it awaits."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any

import pytest

import qtloop
from qtloop._asyncio_private import cancel_all_tasks
from qtloop.inspector import _awaits
from qtloop.inspector._text import Place


async def sleeps() -> None:
    await asyncio.sleep(60)


def line_of(function: Any, ahead: int) -> int:
    """Returns a line of a function, counted from its first one."""
    line: int = function.__code__.co_firstlineno
    return line + ahead


def suspended(loop: qtloop.QEventLoop, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    """Returns a task of the coroutine that has run until it waits."""
    task = loop.create_task(coroutine, name="outer")
    loop.run_until_complete(asyncio.sleep(0.005))
    assert not task.done()
    return task


@pytest.fixture(autouse=True)
def cleanup(loop: qtloop.QEventLoop) -> Iterator[None]:
    yield
    cancel_all_tasks(loop)


Waiter = Callable[[list["asyncio.Task[None]"]], Awaitable[Any]]

WAITERS: dict[str, tuple[int, Waiter]] = {
    "await": (1, lambda tasks: tasks[0]),
    "gather": (3, lambda tasks: asyncio.gather(*tasks)),
    "wait": (3, lambda tasks: asyncio.wait(tasks)),
    "wait_for": (1, lambda tasks: asyncio.wait_for(tasks[0], 60)),
    "shield": (1, lambda tasks: asyncio.shield(tasks[0])),
}


@pytest.mark.parametrize("way", WAITERS)
def test_awaited_tasks_are_found(loop: qtloop.QEventLoop, way: str) -> None:
    count, wait = WAITERS[way]
    tasks: list[asyncio.Task[None]] = []

    async def outer() -> None:
        tasks.extend(asyncio.create_task(sleeps()) for _ in range(count))
        await wait(tasks)

    task = suspended(loop, outer())
    found, is_open = _awaits.awaited_tasks(task)
    assert set(found) == set(tasks) and not is_open
    assert _awaits.awaited_tasks(tasks[0]) == ([], False)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="TaskGroup is new in Python 3.11")
def test_tasks_of_a_group_are_found_and_others_may_join_them(loop: qtloop.QEventLoop) -> None:
    tasks: list[asyncio.Task[None]] = []

    async def outer() -> None:
        async with asyncio.TaskGroup() as group:
            tasks.extend(group.create_task(sleeps()) for _ in range(2))

    task = suspended(loop, outer())
    found, is_open = _awaits.awaited_tasks(task)
    assert set(found) == set(tasks) and is_open
    assert _awaits.waiting(task).awaits == "TaskGroup of 2"


def test_done_tasks_are_not_awaited_any_more(loop: qtloop.QEventLoop) -> None:
    async def outer() -> None:
        await asyncio.gather(asyncio.create_task(asyncio.sleep(0)), asyncio.create_task(sleeps()))

    found, _ = _awaits.awaited_tasks(suspended(loop, outer()))
    assert len(found) == 1


def test_place_is_the_innermost_line_outside_of_the_standard_library(
    loop: qtloop.QEventLoop,
) -> None:
    async def outer() -> None:
        await sleeps()

    task = suspended(loop, outer())
    place, awaits = _awaits.waiting(task)
    assert place == Place(__file__, line_of(sleeps, 1), "sleeps")
    assert awaits == "sleep()"
    functions = [each.function.rpartition(".")[2] for each in _awaits.chain(task)]
    assert functions == ["outer", "sleeps", "sleep"]


def test_awaited_future_is_described(loop: qtloop.QEventLoop) -> None:
    inner = loop.create_task(sleeps(), name="inner")
    future = loop.create_future()

    async def awaits(awaitable: Any) -> None:
        await awaitable

    async def gathers() -> None:
        await asyncio.gather(sleeps(), sleeps())

    texts = [
        _awaits.waiting(suspended(loop, coroutine)).awaits
        for coroutine in (awaits(inner), awaits(future), gathers())
    ]
    assert texts == ["task inner", "a future", "gather() of 2"]


def test_task_that_has_not_begun_has_its_first_line(loop: qtloop.QEventLoop) -> None:
    task = loop.create_task(sleeps())
    assert _awaits.chain(task) == [Place(__file__, line_of(sleeps, 0), "sleeps")]
    assert _awaits.awaited_tasks(task) == ([], False)


def test_running_task_has_all_frames_below_its_coroutine(loop: qtloop.QEventLoop) -> None:
    seen: list[str] = []

    def inner(task: Any) -> None:
        seen.extend(place.function.rpartition(".")[2] for place in _awaits.chain(task))

    async def outer() -> None:
        inner(asyncio.current_task())

    loop.run_until_complete(outer())
    assert seen == ["outer", "inner"]


def test_chain_of_very_many_frames_is_cut(loop: qtloop.QEventLoop) -> None:
    async def nested(depth: int) -> None:
        await (nested(depth - 1) if depth else sleeps())

    assert len(_awaits.chain(suspended(loop, nested(200)))) == _awaits.MAX_FRAMES


def test_failure_has_the_place_where_it_was_raised(loop: qtloop.QEventLoop) -> None:
    def fail() -> None:
        raise ValueError("no such record")

    try:
        fail()
    except ValueError as error:
        place, text = _awaits.failure(error)
    assert place == Place(__file__, line_of(fail, 1), place.function if place else "")
    assert text == "ValueError: no such record"
    assert _awaits.failure(KeyError()).awaits == "KeyError"
