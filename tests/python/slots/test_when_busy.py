"""Calls of a slot while a task of it runs: `when_busy`."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import Any

import pytest
from support.slots import QObject, Sender, run

import qtloop
from qtloop import asyncSlot


class Log:
    """The work of a slot: it records its start, waits for `go`, and records its end."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.go = asyncio.Event()

    async def work(self, text: str) -> str:
        self.log.append(f"{text} begins")
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.log.append(f"{text} is cancelled")
            await asyncio.sleep(0)
            self.log.append(f"{text} has cleaned up")
            raise
        self.log.append(f"{text} ends")
        return text


class Window(QObject, Log):  # type: ignore[misc]
    """A window with a slot for each policy."""

    def __init__(self) -> None:
        QObject.__init__(self)
        Log.__init__(self)

    @asyncSlot(str)
    async def parallel(self, text: str) -> str:
        return await self.work(text)

    @asyncSlot(str, when_busy="queue")
    async def queue(self, text: str) -> str:
        return await self.work(text)

    @asyncSlot(str, when_busy="drop")
    async def drop(self, text: str) -> str:
        return await self.work(text)

    @asyncSlot(str, when_busy="restart")
    async def restart(self, text: str) -> str:
        return await self.work(text)


def test_parallel_tasks_run_at_the_same_time(loop: qtloop.QEventLoop) -> None:
    async def main() -> None:
        window = Window()
        tasks = [window.parallel(text) for text in "ab"]
        assert window.log == ["a begins", "b begins"]
        window.go.set()
        assert [await task for task in tasks] == ["a", "b"]

    run(loop, main())


def test_queued_tasks_run_one_after_the_other_with_the_arguments_of_their_calls(
    loop: qtloop.QEventLoop,
) -> None:
    async def main() -> None:
        window, sender = Window(), Sender()
        sender.edited.connect(window.queue)
        sender.edited.emit("a")
        tasks = [window.queue(text) for text in "bc"]
        assert window.log == ["a begins"]
        window.go.set()
        assert [await task for task in tasks] == ["b", "c"]
        expected = ["a begins", "a ends", "b begins", "b ends", "c begins", "c ends"]
        assert window.log == expected

    run(loop, main())


def test_cancelled_queued_task_does_not_start_and_the_next_keeps_waiting(
    loop: qtloop.QEventLoop,
) -> None:
    async def main() -> None:
        window = Window()
        first, second, third = (window.queue(text) for text in "abc")
        second.cancel()
        await asyncio.sleep(0.001)
        assert second.cancelled() and window.log == ["a begins"]
        window.go.set()
        assert [await first, await third] == ["a", "c"]
        assert window.log == ["a begins", "a ends", "c begins", "c ends"]

    run(loop, main())


def test_queue_starts_the_next_task_after_one_fails_or_is_cancelled(
    loop: qtloop.QEventLoop,
) -> None:
    async def main() -> None:
        window = Window()
        first, second = (window.queue(text) for text in "ab")
        first.cancel()
        window.go.set()
        assert await second == "b"
        assert first.cancelled()
        assert window.log[-2:] == ["b begins", "b ends"]

    run(loop, main())


def test_dropped_call_starts_no_task_and_returns_the_running_one(
    loop: qtloop.QEventLoop,
) -> None:
    async def main() -> None:
        window = Window()
        first = window.drop("a")
        assert window.drop("b") is first
        window.go.set()
        assert await first == "a"
        again = window.drop("c")
        assert again is not first and await again == "c"
        assert window.log == ["a begins", "a ends", "c begins", "c ends"]

    run(loop, main())


def test_call_of_a_slot_inside_its_own_first_step_is_a_call_while_busy(
    loop: qtloop.QEventLoop,
) -> None:
    calls: list[Any] = []

    @asyncSlot(when_busy="drop")
    async def slot() -> None:
        calls.append(asyncio.current_task())
        calls.append(slot())
        await asyncio.sleep(0)

    async def main() -> None:
        task = slot()
        assert calls == [task, task]
        await task

    run(loop, main())


def test_restart_cancels_the_task_that_runs_and_starts_after_it_has_cleaned_up(
    loop: qtloop.QEventLoop,
) -> None:
    async def main() -> None:
        window = Window()
        first, second, third = (window.restart(text) for text in "abc")
        await asyncio.sleep(0.001)
        assert first.cancelled() and second.cancelled()
        assert window.log == ["a begins", "a is cancelled", "a has cleaned up", "c begins"]
        window.go.set()
        assert await third == "c"

    run(loop, main())


def test_restart_starts_at_once_if_nothing_runs(loop: qtloop.QEventLoop) -> None:
    async def main() -> None:
        window = Window()
        task = window.restart("a")
        assert window.log == ["a begins"]
        window.go.set()
        await task

    run(loop, main())


@pytest.mark.parametrize("policy", ["queue", "drop", "restart"])
def test_slots_of_two_objects_and_two_slots_of_one_object_do_not_block_each_other(
    loop: qtloop.QEventLoop, policy: str
) -> None:
    async def main() -> None:
        windows = [Window(), Window()]
        tasks = [getattr(window, policy)("a") for window in windows]
        tasks.append(windows[0].drop("b") if policy != "drop" else windows[0].queue("b"))
        assert windows[0].log == ["a begins", "b begins"]
        assert windows[1].log == ["a begins"]
        for window in windows:
            window.go.set()
        await asyncio.gather(*tasks)

    run(loop, main())


@pytest.mark.parametrize("policy", ["queue", "drop", "restart"])
def test_slot_that_has_been_busy_keeps_no_object_alive(
    loop: qtloop.QEventLoop, policy: str
) -> None:
    async def main() -> None:
        window = Window()
        tasks = [getattr(window, policy)(text) for text in "ab"]
        window.go.set()
        await asyncio.wait(tasks)
        await asyncio.sleep(0)
        gone = weakref.ref(window)
        del window, tasks
        gc.collect()
        assert gone() is None

    run(loop, main())


def test_objects_that_are_equal_or_have_no_hash_and_no_weak_references_are_kept_apart(
    loop: qtloop.QEventLoop,
) -> None:
    class Value:
        __slots__ = ("go", "log")

        def __init__(self) -> None:
            self.go, self.log = asyncio.Event(), list[int]()

        def __eq__(self, other: object) -> bool:
            return True

        @asyncSlot(int, when_busy="drop")
        async def slot(self, number: int) -> None:
            self.log.append(number)
            await self.go.wait()

    async def main() -> None:
        values = [Value(), Value()]
        tasks = [value.slot(number) for value in values for number in range(2)]
        assert [value.log for value in values] == [[0], [0]]
        for value in values:
            value.go.set()
        await asyncio.gather(*tasks)

    run(loop, main())


def test_functions_and_static_methods_have_one_task_at_a_time(loop: qtloop.QEventLoop) -> None:
    log: list[str] = []
    go = asyncio.Event()

    class Holder(QObject):  # type: ignore[misc]
        @staticmethod
        @asyncSlot(str, when_busy="drop")
        async def static(text: str) -> None:
            log.append(f"static {text}")
            await go.wait()

    @asyncSlot(str, when_busy="drop")
    async def function(text: str) -> None:
        log.append(f"function {text}")
        await go.wait()

    async def main() -> None:
        tasks = [slot(text) for slot in (Holder.static, function) for text in "ab"]
        assert log == ["static a", "function a"]
        go.set()
        await asyncio.gather(*tasks)

    run(loop, main())


def test_task_of_a_loop_that_was_closed_does_not_count(app: Any) -> None:
    window = Window()

    async def main() -> None:
        for policy in ("queue", "drop", "restart"):
            window.go = asyncio.Event()
            task = getattr(window, policy)("a")
            window.go.set()
            assert await task == "a"

    async def leave_tasks() -> None:
        for policy in ("queue", "drop", "restart"):
            tasks = [getattr(window, policy)("left") for _ in range(2)]
            for task in tasks:
                task._log_destroy_pending = False

    loops = [qtloop.QEventLoop(app), qtloop.QEventLoop(app)]
    for each, coroutine in zip(loops, (leave_tasks(), main()), strict=True):
        run(each, coroutine)
        each.close()


def test_policy_works_with_a_task_factory(loop: qtloop.QEventLoop) -> None:
    loop.set_task_factory(lambda loop, coro, **kwargs: asyncio.Task(coro, loop=loop, **kwargs))

    async def main() -> None:
        window = Window()
        first = window.drop("a")
        assert window.drop("b") is first
        queued = [window.queue(text) for text in "cd"]
        started = [window.restart(text) for text in "ef"]
        window.go.set()
        assert await first == "a"
        assert await asyncio.gather(*queued) == ["c", "d"]
        assert await started[1] == "f" and started[0].cancelled()

    run(loop, main())


def test_policy_of_the_outermost_decorator_applies(loop: qtloop.QEventLoop) -> None:
    class Stacked(QObject, Log):  # type: ignore[misc]
        def __init__(self) -> None:
            QObject.__init__(self)
            Log.__init__(self)

        @asyncSlot(int, when_busy="drop")
        @asyncSlot(str)
        async def slot(self, value: Any) -> str:
            return await self.work(str(value))

    async def main() -> None:
        stacked = Stacked()
        task = stacked.slot("a")
        assert stacked.slot(1) is task
        stacked.go.set()
        await task

    run(loop, main())


def test_unknown_policy_is_refused() -> None:
    wrong: Any = "wait"
    with pytest.raises(ValueError, match="'wait' is not one of 'parallel', 'queue', 'drop'"):
        asyncSlot(when_busy=wrong)
