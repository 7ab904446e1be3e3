"""`asyncSlot(priority=...)`, and the priority of slots that a task or Qt emits."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest
from support.modal import from_qt
from support.priorities import own_and_running, run_with, running, settle
from support.slots import QObject, Sender, run

import qtloop
from qtloop import Priority, get_priority

HIGH, NORMAL, LOW = Priority.HIGH, Priority.NORMAL, Priority.LOW

each_mode = pytest.mark.parametrize("when_busy", ["parallel", "queue", "drop", "restart"])


@each_mode
@pytest.mark.parametrize("scoped", [False, True])
@pytest.mark.parametrize("priority", [HIGH, NORMAL, LOW, None])
def test_tasks_of_a_slot_have_its_priority(
    loop: qtloop.QEventLoop, when_busy: Any, scoped: bool, priority: int | None
) -> None:
    """Called by a LOW task. Tasks of "queue" and "restart" start when others complete."""

    class Receiver(QObject):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.tasks: list[asyncio.Task[Any]] = []
            self.seen: list[int] = []

        @qtloop.asyncSlot(when_busy=when_busy, scoped=scoped, priority=priority)
        async def slot(self, *_: object) -> None:
            self.seen += await own_and_running()

    async def main() -> None:
        receiver, sender = Receiver(), Sender()
        sender.clicked.connect(receiver.slot)
        for _ in range(3):
            sender.clicked.emit(True)
        assert running() == LOW
        await asyncio.sleep(0.02)
        while loop._background_tasks:
            await asyncio.sleep(0.001)
        assert set(receiver.seen) == {LOW if priority is None else priority}

    run_with(loop, main(), LOW)
    loop.run_until_complete(settle())
    assert not loop._uses_priorities()


def test_slot_that_a_high_task_emits_inherits_and_one_that_qt_emits_does_not(
    loop: qtloop.QEventLoop,
) -> None:
    tasks: list[asyncio.Task[Any]] = []
    sender = Sender()
    slot = qtloop.asyncSlot()(own_and_running)

    @qtloop.asyncSlot()
    async def slot_of_a_signal(*_: object) -> None:
        tasks.append(slot())

    sender.clicked.connect(slot_of_a_signal)

    async def main() -> None:
        sender.clicked.emit(True)
        assert running() == HIGH
        from_qt(lambda: sender.clicked.emit(True))
        while len(tasks) < 2:
            await asyncio.sleep(0.001)
        assert set(await tasks[0]) == {HIGH}
        assert set(await tasks[1]) == {NORMAL}

    run_with(loop, main())


def test_slot_gives_its_priority_to_what_it_schedules(loop: qtloop.QEventLoop) -> None:
    seen: list[int] = []

    @qtloop.asyncSlot(priority=HIGH)
    async def slot() -> None:
        loop.call_soon(lambda: seen.append(running()))
        seen.extend(await asyncio.create_task(own_and_running()))

    def emit() -> None:
        task = slot()
        assert loop._running_priority() == NORMAL
        assert get_priority(task) == HIGH
        task.add_done_callback(lambda _: loop.stop())

    from_qt(emit)
    loop.run_forever()
    assert set(seen) == {HIGH}
    loop.run_until_complete(settle())
    assert not loop._uses_priorities()


def test_slot_that_raises_at_once_leaves_the_callers_priority(
    loop: qtloop.QEventLoop, reports: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)

    @qtloop.asyncSlot(priority=LOW)
    async def slot() -> None:
        raise ZeroDivisionError

    async def main() -> None:
        task = slot()
        assert task.done()
        assert running() == HIGH
        await settle()

    run_with(loop, main())
    assert [type(each["exception"]) for each in reports] == [ZeroDivisionError]
    reports.clear()
    assert not loop._uses_priorities()


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_fatal_error_of_the_first_step_leaves_no_priority(
    loop: qtloop.QEventLoop, error: type[BaseException]
) -> None:
    @qtloop.asyncSlot(priority=HIGH)
    async def slot() -> None:
        raise error

    with pytest.raises(error):
        slot()
    assert loop._running_priority() == NORMAL
    run(loop, settle())
    assert not loop._uses_priorities()


def test_two_slots_of_one_function_share_the_priority(loop: qtloop.QEventLoop) -> None:
    class Receiver(QObject):  # type: ignore[misc]
        @qtloop.asyncSlot(int, priority=HIGH)
        @qtloop.asyncSlot(str)
        async def slot(self, value: object) -> Any:
            return await own_and_running()

    assert set(run(loop, wait_for_both(Receiver()))) == {HIGH}


async def wait_for_both(receiver: Any) -> list[int]:
    one: list[int] = await receiver.slot(1)
    other: list[int] = await receiver.slot("1")
    return one + other
