"""Programs that misuse priorities, or run code at unusual moments, get errors and no crash."""

from __future__ import annotations

import asyncio
import gc
import threading
import types
import weakref
from typing import Any

import pytest
from conftest import Child
from support.priorities import own_and_running, run_with, running, settle
from support.running import nothing

import qtloop
from qtloop import Priority, get_priority, set_priority

HIGH, NORMAL, LOW = Priority.HIGH, Priority.NORMAL, Priority.LOW
python_task: Any = asyncio.tasks._PyTask  # type: ignore[attr-defined]


def test_priority_of_a_number_without_a_name_names_the_cure() -> None:
    with pytest.raises(ValueError, match=r"pass 50 itself, not Priority\(50\)"):
        Priority(50)
    assert Priority(100) is LOW


def test_name_of_a_callable_that_is_no_function_is_not_read(loop: qtloop.QEventLoop) -> None:
    class Callable:
        read = 0

        def __call__(self, *_: object) -> None:
            pass

        @property
        def __name__(self) -> str:
            self.read += 1
            loop.call_soon(nothing)
            return "__step"

    async def main() -> None:
        task = python_task(asyncio.sleep(0), loop=loop)
        function = Callable()
        loop.call_soon(types.MethodType(function, task))
        set_priority(task, HIGH)
        set_priority(task, LOW)
        await task
        assert function.read == 0

    run_with(loop, main())


def test_class_with_the_name_of_the_private_type_is_no_step(child: Child) -> None:
    """It is found at the first step in a process."""
    child(
        """
        class TaskStepMethWrapper:
            __self__ = None
            def __call__(self):
                pass
        async def seen():
            await asyncio.sleep(0)
            return qtloop.get_priority(asyncio.current_task()), loop._running_priority()
        async def main():
            return await asyncio.ensure_future(seen())
        loop = QEventLoop()
        loop.call_soon_priority(-100, loop.call_soon, TaskStepMethWrapper())
        loop.run_until_complete(asyncio.sleep(0.001))
        assert loop.run_until_complete(loop.create_task(main(), priority=5)) == (5, 5)
        """
    )


def test_overridden_methods_of_a_task_are_not_called(loop: qtloop.QEventLoop) -> None:
    class Task(asyncio.Task):  # type: ignore[type-arg]
        is_broken = True

        def done(self) -> bool:
            if self.is_broken:
                raise ZeroDivisionError
            return super().done()

        def get_loop(self) -> Any:
            raise ZeroDivisionError

    async def main() -> None:
        loop.set_task_factory(lambda loop, coro, **kwargs: Task(coro, loop=loop, **kwargs))
        task: Any = loop.create_task(asyncio.sleep(0), priority=HIGH)
        loop.set_task_factory(None)
        set_priority(task, LOW)
        assert get_priority(task) == LOW
        await asyncio.sleep(0.002)
        task.is_broken = False
        assert task.done()

    loop.run_until_complete(main())
    loop.run_until_complete(settle())
    assert not loop._uses_priorities()


@pytest.mark.parametrize("kind", [asyncio.Task, python_task])
def test_destructors_may_use_priorities(loop: qtloop.QEventLoop, kind: Any) -> None:
    ran: list[int] = []
    others: list[asyncio.Task[Any]] = []

    class Task(kind):  # type: ignore[misc]
        _log_destroy_pending = False

        def __del__(self) -> None:
            set_priority(self, LOW)
            for other in others:
                set_priority(other, get_priority(other) - 1)
            loop.call_soon_priority(HIGH, lambda: ran.append(running()))

    async def waits(future: asyncio.Future[None]) -> None:
        await future

    async def main() -> None:
        others.extend(loop.create_task(asyncio.sleep(0.002), priority=5) for _ in range(3))
        for _ in range(10):
            task = Task(waits(loop.create_future()), loop=loop)
            set_priority(task, HIGH)
            weakref.finalize(task, loop.call_soon_priority, LOW, nothing)
            await asyncio.sleep(0)
            del task
            gc.collect()
        await asyncio.gather(*others)
        while len(ran) < 10:
            await asyncio.sleep(0.001)
            gc.collect()
        assert set(ran) == {HIGH}
        await asyncio.sleep(0.002)

    loop.run_until_complete(main())
    others.clear()
    gc.collect()
    loop.run_until_complete(asyncio.sleep(0.002))
    assert not loop._uses_priorities()


def test_exceptions_leave_no_priority_behind(
    loop: qtloop.QEventLoop, reports: list[dict[str, Any]]
) -> None:
    def fails() -> None:
        raise ZeroDivisionError

    async def main() -> None:
        loop.call_soon_priority(HIGH, fails)
        loop.call_soon_priority(LOW, fails)
        await asyncio.sleep(0.002)
        assert running() == NORMAL

    loop.run_until_complete(main())
    assert [type(each["exception"]) for each in reports] == [ZeroDivisionError] * 2
    reports.clear()
    assert not loop._uses_priorities()


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_fatal_exception_of_a_high_task_leaves_no_priority(
    loop: qtloop.QEventLoop, error: type[BaseException]
) -> None:
    async def fails() -> None:
        raise error

    task = loop.create_task(fails(), priority=HIGH)
    with pytest.raises(error):
        loop.run_forever()
    assert isinstance(task.exception(), error)
    assert loop._running_priority() == NORMAL
    loop.run_until_complete(settle())
    assert not loop._uses_priorities()


def test_queued_tasks_run_with_the_last_of_many_priorities(loop: qtloop.QEventLoop) -> None:
    async def main() -> None:
        tasks = [asyncio.create_task(own_and_running()) for _ in range(50)]
        for number in range(2000):
            set_priority(tasks[number % 50], number % 201 - 100)
        expected = [get_priority(task) for task in tasks]
        for task, seen, priority in zip(tasks, await asyncio.gather(*tasks), expected, strict=True):
            assert set(seen) == {priority}, task

    loop.run_until_complete(main())
    loop.run_until_complete(settle())
    assert not loop._uses_priorities()


def test_debug_mode_refuses_call_soon_priority_from_another_thread(loop: qtloop.QEventLoop) -> None:
    loop.set_debug(True)
    errors: list[str] = []

    def on_a_thread() -> None:
        try:
            loop.call_soon_priority(HIGH, nothing)
        except RuntimeError as error:
            errors.append(str(error))

    async def main() -> None:
        thread = threading.Thread(target=on_a_thread)
        thread.start()
        await asyncio.to_thread(thread.join)

    loop.run_until_complete(main())
    assert len(errors) == 1
    assert "thread" in errors[0]
    with pytest.raises(TypeError):
        loop.call_soon_priority(HIGH, own_and_running)
