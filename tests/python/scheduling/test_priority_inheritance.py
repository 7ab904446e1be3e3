"""One rule: a job's priority is that of the task it steps, else that of the job that scheduled it."""

from __future__ import annotations

import asyncio
import contextvars
import sys
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from datetime import datetime, timedelta
from typing import Any

import pytest
from support.priorities import each_priority, own, own_and_running, run_with, running, settle

import qtloop
from qtloop import Priority, get_priority

HIGH, NORMAL, LOW = Priority.HIGH, Priority.NORMAL, Priority.LOW

from_3_11 = pytest.mark.skipif(sys.version_info < (3, 11), reason="TaskGroup came with 3.11")
from_3_12 = pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with 3.12")


# Ways to start a task


async def by_create_task() -> Any:
    return await asyncio.create_task(own_and_running())


async def by_method() -> Any:
    return await asyncio.get_running_loop().create_task(own_and_running(), name="a name")


async def by_gather() -> Any:
    (seen,) = await asyncio.gather(own_and_running())
    return seen


async def by_ensure_future() -> Any:
    return await asyncio.ensure_future(own_and_running())


async def by_wait_for() -> Any:
    return await asyncio.wait_for(own_and_running(), 10)


async def by_shield() -> Any:
    return await asyncio.shield(own_and_running())


async def by_as_completed() -> Any:
    (seen,) = [await each for each in asyncio.as_completed([own_and_running()])]
    return seen


async def by_task_group() -> Any:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(own_and_running())
    return task.result()


async def by_spawn() -> Any:
    return await qtloop.spawn(own_and_running())


async def by_slot() -> Any:
    return await qtloop.asyncSlot()(own_and_running)()


async def by_class() -> Any:
    return await asyncio.Task(own_and_running(), loop=asyncio.get_running_loop())


async def by_subclass() -> Any:
    class Subclass(asyncio.Task):  # type: ignore[type-arg]
        __slots__ = ()

    return await Subclass(own_and_running(), loop=asyncio.get_running_loop())


async def by_python_class() -> Any:
    """nest_asyncio, for example, replaces `asyncio.Task` by this class."""
    python_task: Any = asyncio.tasks._PyTask  # type: ignore[attr-defined]
    loop = asyncio.get_running_loop()
    seen: list[int] = []

    async def child() -> None:
        # The C function `current_task()` does not know it in all versions.
        seen.extend([get_priority(task), running()])
        await asyncio.sleep(0)
        seen.extend([get_priority(task), running()])
        await asyncio.sleep(0.001)
        seen.extend([get_priority(task), running()])

    task = python_task(child(), loop=loop)
    await task
    return seen


async def by_run_coroutine_threadsafe_of_a_callback() -> Any:
    """The task is made by a callback that comes from outside, so it does not inherit."""
    loop = asyncio.get_running_loop()
    future = await asyncio.to_thread(
        lambda: asyncio.run_coroutine_threadsafe(own_and_running(), loop)
    )
    return await asyncio.wrap_future(future)


WAYS: list[Any] = [
    by_create_task,
    by_method,
    by_gather,
    by_ensure_future,
    by_wait_for,
    by_shield,
    by_as_completed,
    pytest.param(by_task_group, marks=from_3_11),
    by_spawn,
    by_slot,
    by_class,
    by_subclass,
    by_python_class,
]


@each_priority
@pytest.mark.parametrize("way", WAYS)
def test_task_inherits_from_the_task_that_starts_it(
    loop: qtloop.QEventLoop, way: Callable[[], Coroutine[Any, Any, Any]], priority: int
) -> None:
    assert set(run_with(loop, way(), priority)) == {priority}
    loop.run_until_complete(settle())
    assert not loop._uses_priorities()


@pytest.mark.parametrize("way", WAYS)
def test_task_of_a_program_without_priorities_is_normal(
    loop: qtloop.QEventLoop, way: Callable[[], Coroutine[Any, Any, Any]]
) -> None:
    assert set(loop.run_until_complete(way())) == {NORMAL}
    assert not loop._uses_priorities()


def test_task_from_another_thread_is_normal(loop: qtloop.QEventLoop) -> None:
    seen = run_with(loop, by_run_coroutine_threadsafe_of_a_callback())
    assert set(seen) == {NORMAL}


@each_priority
def test_task_of_a_callback_inherits_from_the_callback(
    loop: qtloop.QEventLoop, priority: int
) -> None:
    tasks: list[asyncio.Task[Any]] = []

    async def main() -> Any:
        loop.call_soon_priority(priority, lambda: tasks.append(loop.create_task(own_and_running())))
        while not tasks:
            await asyncio.sleep(0)
        return await tasks[0]

    assert set(loop.run_until_complete(main())) == {priority}


@pytest.mark.parametrize("priority", [HIGH, NORMAL, LOW, 7])
def test_own_priority_of_a_child_is_kept(loop: qtloop.QEventLoop, priority: int) -> None:
    async def main() -> Any:
        return await loop.create_task(own_and_running(), priority=priority)

    assert set(run_with(loop, main(), HIGH)) == {priority}
    assert set(run_with(loop, main(), LOW)) == {priority}


def test_task_with_the_priority_none_inherits(loop: qtloop.QEventLoop) -> None:
    async def main() -> Any:
        return await loop.create_task(own_and_running(), priority=None)

    assert set(run_with(loop, main())) == {HIGH}


@pytest.mark.skipif(sys.version_info < (3, 14), reason="asyncio passes keywords on from 3.14 on")
def test_asyncio_passes_the_priority_on(loop: qtloop.QEventLoop) -> None:
    async def main() -> None:
        create: Any = asyncio.create_task
        assert set(await create(own_and_running(), priority=LOW)) == {LOW}
        async with asyncio.TaskGroup() as group:
            create = group.create_task
            task = create(own_and_running(), priority=LOW)
        assert set(task.result()) == {LOW}

    loop.run_until_complete(main())


# Task factories


@from_3_12
@each_priority
def test_eager_tasks_inherit(loop: qtloop.QEventLoop, priority: int) -> None:
    loop.set_task_factory(asyncio.eager_task_factory)

    async def main() -> None:
        assert set(await asyncio.create_task(own_and_running())) == {priority}
        assert running() == own() == priority
        assert set(await loop.create_task(own_and_running(), priority=7)) == {7}
        assert running() == own() == priority

    run_with(loop, main(), priority)
    loop.run_until_complete(settle())
    assert not loop._uses_priorities()


def test_custom_task_factory_gets_no_priority(loop: qtloop.QEventLoop) -> None:
    given: list[dict[str, Any]] = []

    def factory(loop: Any, coro: Any, **kwargs: Any) -> Any:
        given.append(kwargs)
        return asyncio.Task(coro, loop=loop, **kwargs)

    loop.set_task_factory(factory)
    assert set(run_with(loop, own_and_running())) == {HIGH}
    assert given
    assert not any("priority" in each for each in given)


def test_factory_may_set_a_priority(loop: qtloop.QEventLoop) -> None:
    def factory(loop: Any, coro: Any, **kwargs: Any) -> Any:
        task = asyncio.Task(coro, loop=loop, **kwargs)
        qtloop.set_priority(task, 0)
        return task

    async def main() -> Any:
        loop.set_task_factory(factory)
        return await asyncio.create_task(own_and_running())

    assert set(run_with(loop, main())) == {NORMAL}


def test_factory_may_return_any_awaitable_object(loop: qtloop.QEventLoop) -> None:
    async def main() -> None:
        class Other(asyncio.Future):  # type: ignore[type-arg]
            def set_name(self, name: str) -> None:
                """asyncio calls it before Python 3.13."""

        made: Any = Other(loop=loop)

        def factory(loop: Any, coro: Any, **kwargs: Any) -> Any:
            coro.close()
            return made

        loop.set_task_factory(factory)
        assert loop.create_task(own_and_running(), priority=LOW) is made
        assert running() == HIGH

    run_with(loop, main())


def test_factory_that_raises_changes_no_priority(loop: qtloop.QEventLoop) -> None:
    async def main() -> None:
        def factory(loop: Any, coro: Any, **kwargs: Any) -> Any:
            coro.close()
            raise ZeroDivisionError

        loop.set_task_factory(factory)
        with pytest.raises(ZeroDivisionError):
            loop.create_task(own_and_running(), priority=LOW)
        assert running() == HIGH

    run_with(loop, main())


# Callbacks


@each_priority
@pytest.mark.parametrize("debug", [False, True])
def test_callbacks_and_timers_inherit(loop: qtloop.QEventLoop, priority: int, debug: bool) -> None:
    loop.set_debug(debug)
    seen: dict[str, int] = {}

    def note(name: str, *_: object) -> None:
        seen[name] = running()

    async def main() -> None:
        loop.call_soon(note, "call_soon")
        loop.call_soon(lambda: loop.call_soon(note, "call_soon twice"))
        loop.call_soon_threadsafe(note, "call_soon_threadsafe here")
        loop.call_later(0, note, "call_later")
        loop.call_at(loop.time() + 0.001, note, "call_at")
        loop.call_later(0.001, lambda: loop.call_later(0.001, note, "timer of a timer"))
        loop.call_at_datetime(datetime.now() + timedelta(seconds=0.002), note, "call_at_datetime")
        loop.call_soon_priority(5, note, "call_soon_priority")
        future = loop.create_future()
        future.add_done_callback(lambda _: note("future's callback"))
        future.set_result(None)
        task = asyncio.create_task(asyncio.sleep(0))
        task.add_done_callback(lambda _: note("task's callback"))
        while len(seen) < 10:
            await asyncio.sleep(0.001)

    run_with(loop, main(), priority)
    assert seen.pop("call_soon_priority") == 5
    assert set(seen.values()) == {priority}


def test_done_callback_has_the_priority_of_the_job_that_completes_the_future(
    loop: qtloop.QEventLoop,
) -> None:
    async def main() -> None:
        seen: list[int] = []
        future = loop.create_future()
        future.add_done_callback(lambda _: seen.append(running()))
        loop.call_soon_priority(LOW, future.set_result, None)
        await asyncio.sleep(0.002)
        assert seen == [LOW]

    run_with(loop, main())


# Coroutines


def test_sleep_until_keeps_the_priority(loop: qtloop.QEventLoop) -> None:
    async def main() -> None:
        await qtloop.sleep_until(datetime.now() + timedelta(seconds=0.002))
        assert own() == running() == HIGH

    run_with(loop, main())


def test_async_generator_and_its_clean_up_have_the_priority_of_the_task(
    loop: qtloop.QEventLoop,
) -> None:
    seen: list[int] = []

    async def numbers() -> AsyncIterator[int]:
        try:
            for number in range(10):
                await asyncio.sleep(0)
                seen.append(own())
                yield number
        finally:
            await asyncio.sleep(0)
            seen.append(own())

    async def main() -> None:
        generator = numbers()
        async for number in generator:
            if number == 2:
                break
        await generator.aclose()  # type: ignore[attr-defined]

    run_with(loop, main())
    assert seen == [HIGH] * 4


def test_primitives_keep_each_waiter_in_its_own_priority(loop: qtloop.QEventLoop) -> None:
    async def main() -> None:
        lock, event, queue = asyncio.Lock(), asyncio.Event(), asyncio.Queue[int]()
        condition = asyncio.Condition()
        seen: list[tuple[int, int]] = []

        async def waiter(priority: int) -> None:
            async with lock:
                seen.append((priority, running()))
            await event.wait()
            seen.append((priority, running()))
            await queue.get()
            seen.append((priority, running()))
            async with condition:
                await condition.wait()
            seen.append((priority, running()))

        async with lock:
            tasks = [loop.create_task(waiter(each), priority=each) for each in (LOW, HIGH, 3)]
            await settle()
        await asyncio.sleep(0.001)
        event.set()
        await asyncio.sleep(0.001)
        for _ in tasks:
            queue.put_nowait(1)
        await asyncio.sleep(0.001)
        async with condition:
            condition.notify_all()
        await asyncio.gather(*tasks)
        assert len(seen) == 12
        assert all(priority == seen_priority for priority, seen_priority in seen)

    loop.run_until_complete(main())


def test_no_context_variable_is_set(loop: qtloop.QEventLoop) -> None:
    async def main() -> list[Any]:
        return list(contextvars.copy_context().items())

    before = loop.run_until_complete(main())
    assert run_with(loop, main()) == before


def test_cancellation_runs_in_the_priority_of_the_cancelled_task(
    loop: qtloop.QEventLoop,
) -> None:
    seen: list[int] = []

    async def waits(wait: Callable[[], Awaitable[object]]) -> None:
        try:
            await wait()
        except asyncio.CancelledError:
            seen.append(running())
            await asyncio.sleep(0)
            seen.append(running())

    async def main() -> None:
        for wait in (lambda: asyncio.sleep(60), loop.create_future):
            task = loop.create_task(waits(wait), priority=HIGH)
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])

    run_with(loop, main(), LOW)
    assert set(seen) == {HIGH}
    assert len(seen) == 4


# Throttled and debounced functions


def test_paced_calls_inherit_from_the_call(loop: qtloop.QEventLoop) -> None:
    seen: dict[str, int] = {}

    @qtloop.throttle(0.002)
    def throttled(name: str) -> None:
        seen[name] = running()

    @qtloop.debounce(0.002)
    def debounced() -> None:
        seen["debounced"] = running()

    @qtloop.debounce(0.002)
    async def coroutine() -> None:
        await asyncio.sleep(0)
        seen["coroutine"] = running()

    async def main() -> None:
        throttled("leading")
        throttled("trailing")
        debounced()
        coroutine()
        while len(seen) < 4:
            await asyncio.sleep(0.001)

    run_with(loop, main())
    assert seen == dict.fromkeys(["leading", "trailing", "debounced", "coroutine"], HIGH)


def test_finished_tasks_are_not_kept(loop: qtloop.QEventLoop) -> None:
    async def main() -> weakref.ref[Any]:
        task = asyncio.create_task(own_and_running())
        await task
        return weakref.ref(task)

    assert run_with(loop, main())() is None
