"""`set_priority()` and `get_priority()`: running, queued, waiting and completed tasks."""

from __future__ import annotations

import asyncio
import enum
import threading
from collections.abc import Callable
from typing import Any

import pytest
from support.priorities import own, run_with, running, settle
from support.running import nothing

import qtloop
from qtloop import Priority, get_priority, set_priority

HIGH, NORMAL, LOW = Priority.HIGH, Priority.NORMAL, Priority.LOW
current_task: Any = asyncio.current_task


async def waits_for(future: asyncio.Future[None], log: list[str], name: str) -> None:
    await future
    log.append(name)


def note_in(seen: list[int]) -> None:
    seen.append(running())


# The argument


class Level(enum.IntEnum):
    URGENT = -50


class Indexed:
    def __index__(self) -> int:
        return 12


@pytest.mark.parametrize(
    ("given", "number"),
    [(-100, -100), (100, 100), (True, 1), (Level.URGENT, -50), (Indexed(), 12), (LOW, 100)],
)
def test_whole_numbers_are_accepted(loop: qtloop.QEventLoop, given: Any, number: int) -> None:
    async def main() -> None:
        task = loop.create_task(asyncio.sleep(0), priority=given)
        assert get_priority(task) == number
        set_priority(task, 5)
        set_priority(task, given)
        assert get_priority(task) == number
        assert type(get_priority(task)) is int
        ran: list[int] = []
        loop.call_soon_priority(given, lambda: ran.append(running()))
        await asyncio.sleep(0.002)
        assert ran == [number]

    loop.run_until_complete(main())


def test_numpy_integers_are_accepted(loop: qtloop.QEventLoop) -> None:
    numpy = pytest.importorskip("numpy")

    async def main() -> None:
        assert get_priority(loop.create_task(asyncio.sleep(0), priority=numpy.int64(-7))) == -7
        refused = asyncio.sleep(0)
        with pytest.raises(TypeError):
            loop.create_task(refused, priority=numpy.float64(1))
        refused.close()

    loop.run_until_complete(main())


def raises_in_all(loop: qtloop.QEventLoop, priority: Any, error: type[Exception]) -> list[str]:
    """Passes a wrong priority to each function; returns the messages."""
    messages = []

    async def main() -> None:
        task = asyncio.create_task(asyncio.sleep(0))
        coro = asyncio.sleep(0)
        calls: list[Callable[[], object]] = [
            lambda: set_priority(task, priority),
            lambda: loop.call_soon_priority(priority, nothing),
        ]
        if priority is not None:
            calls += [
                lambda: loop.create_task(coro, priority=priority),
                lambda: qtloop.asyncSlot(priority=priority),
            ]
        for call in calls:
            with pytest.raises(error) as caught:
                call()
            messages.append(str(caught.value))
        coro.close()
        assert get_priority(task) == NORMAL
        await task

    loop.run_until_complete(main())
    assert not loop._uses_priorities()
    return messages


@pytest.mark.parametrize("priority", [-101, 101, 1000, 2**70, -(2**70)])
def test_numbers_out_of_range_raise_value_error(loop: qtloop.QEventLoop, priority: int) -> None:
    for message in raises_in_all(loop, priority, ValueError):
        assert "from -100 (qtloop.Priority.HIGH) to 100 (qtloop.Priority.LOW)" in message
        assert str(priority) in message


@pytest.mark.parametrize("priority", [1.5, 1.0, "HIGH", None, b"1", [1], object])
def test_other_types_raise_type_error(loop: qtloop.QEventLoop, priority: Any) -> None:
    for message in raises_in_all(loop, priority, TypeError):
        assert "whole number" in message
        assert repr(priority) in message


def test_error_of_the_index_method_is_passed_on(loop: qtloop.QEventLoop) -> None:
    class Broken:
        def __index__(self) -> int:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        loop.call_soon_priority(Broken(), nothing)  # type: ignore[arg-type]
    assert not loop._uses_priorities()


@pytest.mark.parametrize("other", [None, 3, "task", asyncio.Task, object()])
def test_object_that_is_no_task_raises_type_error(other: Any) -> None:
    with pytest.raises(TypeError, match=r"asyncio\.Task is required"):
        get_priority(other)
    with pytest.raises(TypeError, match=r"asyncio\.Task is required"):
        set_priority(other, 0)


def test_future_and_coroutine_raise_type_error(loop: qtloop.QEventLoop) -> None:
    with pytest.raises(TypeError, match=r"asyncio\.Task is required"):
        get_priority(loop.create_future())  # type: ignore[arg-type]
    coro = asyncio.sleep(0)
    with pytest.raises(TypeError, match=r"asyncio\.Task is required"):
        set_priority(coro, 0)  # type: ignore[arg-type]
    coro.close()


def test_task_of_a_plain_asyncio_loop_raises_type_error() -> None:
    async def main() -> None:
        calls: list[Callable[[], object]] = [
            lambda: get_priority(current_task()),
            lambda: set_priority(current_task(), 1),
        ]
        for call in calls:
            with pytest.raises(TypeError, match="only the tasks of a QEventLoop have a priority"):
                call()

    asyncio.run(main())


def test_task_that_was_never_initialised_raises(loop: qtloop.QEventLoop) -> None:
    task: Any = asyncio.Task.__new__(asyncio.Task)
    with pytest.raises((TypeError, RuntimeError)):
        get_priority(task)
    with pytest.raises((TypeError, RuntimeError)):
        set_priority(task, LOW)


def test_two_loops_have_priorities_of_their_own(loop: qtloop.QEventLoop, app: Any) -> None:
    with qtloop.QEventLoop(app) as other:
        mine = loop.create_task(asyncio.sleep(0), priority=HIGH)
        theirs = other.create_task(asyncio.sleep(0))
        set_priority(theirs, LOW)
        assert (get_priority(mine), get_priority(theirs)) == (HIGH, LOW)
        set_priority(mine, NORMAL)
        assert not loop._uses_priorities()
        assert other._uses_priorities()
        loop.run_until_complete(mine)
        other.run_until_complete(theirs)
        assert not other._uses_priorities()


# The state of the task


def test_running_task_schedules_with_its_new_priority(loop: qtloop.QEventLoop) -> None:
    async def main() -> None:
        seen = []
        for priority in (HIGH, LOW, 7, NORMAL, -3):
            set_priority(current_task(), priority)
            before = own(), running()
            called: list[int] = []
            loop.call_soon(note_in, called)
            child = asyncio.create_task(asyncio.sleep(0))
            await asyncio.sleep(0.002)
            seen.append({*before, own(), running(), *called})
            await child
            assert seen[-1] == {priority}

    loop.run_until_complete(main())
    run_with(loop, main())
    loop.run_until_complete(settle())
    assert not loop._uses_priorities()


def test_queued_step_moves_behind_the_jobs_of_its_new_priority(loop: qtloop.QEventLoop) -> None:
    log: list[str] = []

    async def note(name: str) -> None:
        log.append(name)

    async def main() -> None:
        tasks = [loop.create_task(note(name)) for name in "abcd"]
        loop.call_soon_priority(HIGH, log.append, "high callback")
        loop.call_soon_priority(LOW, log.append, "low callback")
        set_priority(tasks[3], HIGH)
        set_priority(tasks[1], HIGH)
        set_priority(tasks[0], LOW)
        loop.call_soon_priority(HIGH, log.append, "second high callback")
        await asyncio.gather(*tasks)

    loop.run_until_complete(main())
    assert log == ["high callback", "d", "b", "second high callback", "c", "low callback", "a"]


def test_queued_wake_up_moves_behind_the_jobs_of_its_new_priority(loop: qtloop.QEventLoop) -> None:
    log: list[str] = []

    futures = [loop.create_future() for _ in "abc"]

    async def queued() -> None:
        tasks = [
            asyncio.create_task(waits_for(future, log, name))
            for future, name in zip(futures, "abc", strict=True)
        ]
        await asyncio.sleep(0)
        for future in futures:
            future.set_result(None)
        loop.call_soon(log.append, "callback")
        set_priority(tasks[2], HIGH)
        set_priority(tasks[0], LOW)
        await asyncio.gather(*tasks)

    loop.run_until_complete(queued())
    assert log == ["c", "b", "callback", "a"]


def test_waiting_task_resumes_with_its_new_priority(loop: qtloop.QEventLoop) -> None:
    async def main() -> None:
        future = loop.create_future()
        seen: list[int] = []

        async def waits() -> None:
            await future
            seen.extend([own(), running()])

        task = asyncio.create_task(waits())
        await asyncio.sleep(0)
        set_priority(task, HIGH)
        set_priority(task, 4)
        assert get_priority(task) == 4
        future.set_result(None)
        await task
        assert seen == [4, 4]

    loop.run_until_complete(main())
    loop.run_until_complete(settle())
    assert not loop._uses_priorities()


@pytest.mark.parametrize("how", ["returned", "cancelled", "raised"])
def test_completed_task_has_no_priority(loop: qtloop.QEventLoop, how: str) -> None:
    async def work() -> None:
        if how == "cancelled":
            current_task().cancel()
            await asyncio.sleep(0)
        if how == "raised":
            raise ZeroDivisionError

    async def main() -> None:
        task = loop.create_task(work(), priority=HIGH)
        await asyncio.wait([task])
        if how == "raised":
            assert isinstance(task.exception(), ZeroDivisionError)
        assert get_priority(task) == NORMAL
        set_priority(task, LOW)
        assert get_priority(task) == NORMAL

    loop.run_until_complete(main())
    assert not loop._uses_priorities()


@pytest.mark.parametrize("first", [HIGH, NORMAL])
def test_task_that_sets_its_priority_in_its_last_step_leaves_no_trace(
    loop: qtloop.QEventLoop, first: int
) -> None:
    async def work(priority: int) -> None:
        set_priority(current_task(), priority)

    async def main() -> None:
        tasks = [loop.create_task(work(each), priority=first) for each in (HIGH, LOW, NORMAL)]
        await asyncio.gather(*tasks)
        await asyncio.sleep(0)
        assert not loop._uses_priorities()
        assert [get_priority(each) for each in tasks] == [NORMAL] * 3

    loop.run_until_complete(main())


def test_callbacks_of_any_kind_may_set_the_priority(loop: qtloop.QEventLoop) -> None:
    async def main() -> None:
        future = loop.create_future()
        task = asyncio.create_task(waits_for(future, [], ""))
        await asyncio.sleep(0)
        loop.call_soon(set_priority, task, 1)
        await asyncio.sleep(0)
        assert get_priority(task) == 1
        loop.call_later(0, set_priority, task, 2)
        await asyncio.sleep(0.002)
        assert get_priority(task) == 2
        loop.call_soon_priority(HIGH, set_priority, task, 3)
        await asyncio.sleep(0)
        assert get_priority(task) == 3
        thread = threading.Thread(target=lambda: loop.call_soon_threadsafe(set_priority, task, 4))
        thread.start()
        thread.join()
        await asyncio.sleep(0.002)
        assert get_priority(task) == 4
        task.add_done_callback(lambda done: set_priority(done, HIGH))
        future.set_result(None)
        await task
        await settle()
        assert get_priority(task) == NORMAL

    loop.run_until_complete(main())
    assert not loop._uses_priorities()


def test_callback_that_changes_a_task_keeps_its_own_priority(loop: qtloop.QEventLoop) -> None:
    async def main() -> None:
        task = asyncio.create_task(asyncio.sleep(0.001))
        set_priority(task, LOW)
        assert own() == running() == HIGH
        await task

    run_with(loop, main())


def test_timer_keeps_the_priority_with_which_it_was_made(
    loop: qtloop.QEventLoop,
) -> None:
    async def main() -> None:
        seen: list[int] = []
        loop.call_later(0.001, lambda: seen.append(running()))
        set_priority(current_task(), LOW)
        await asyncio.sleep(0.005)
        assert seen == [HIGH]

    run_with(loop, main())


def test_priority_of_a_child_is_a_copy(loop: qtloop.QEventLoop) -> None:
    async def main() -> None:
        child = asyncio.create_task(asyncio.sleep(0.001))
        set_priority(current_task(), LOW)
        assert get_priority(child) == HIGH
        await child

    run_with(loop, main())


# Eager tasks: their first step is not a job


def test_first_step_of_a_slot_may_set_the_priority(loop: qtloop.QEventLoop) -> None:
    seen: list[list[int]] = []

    @qtloop.asyncSlot()
    async def slot(priority: int) -> None:
        before = own()
        set_priority(current_task(), priority)
        step = [before, own(), running()]
        await asyncio.sleep(0)
        seen.append([*step, own(), running()])

    async def main() -> None:
        mine = own()
        for priority in (NORMAL, LOW, HIGH, 9):
            await slot(priority)
            assert own() == running() == mine
            assert seen.pop() == [mine, *[priority] * 4]

    for priority in (HIGH, NORMAL, LOW):
        run_with(loop, main(), priority)
        loop.run_until_complete(settle())
        assert not loop._uses_priorities()


def test_slot_without_a_wait_that_sets_its_priority_leaves_no_trace(
    loop: qtloop.QEventLoop,
) -> None:
    @qtloop.asyncSlot()
    async def slot() -> None:
        set_priority(current_task(), HIGH)

    task = slot()
    assert task.done()
    assert loop._running_priority() == NORMAL
    assert not loop._uses_priorities()
    loop.run_until_complete(settle())


def test_slot_outside_of_any_task_changes_only_its_own_priority(loop: qtloop.QEventLoop) -> None:
    @qtloop.asyncSlot()
    async def slot() -> None:
        set_priority(current_task(), HIGH)
        await asyncio.sleep(0)

    task = slot()
    assert loop._running_priority() == NORMAL
    assert get_priority(task) == HIGH
    loop.run_until_complete(task)
    loop.run_until_complete(settle())
    assert not loop._uses_priorities()
