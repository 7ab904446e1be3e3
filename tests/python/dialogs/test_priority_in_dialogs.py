"""Priorities and nested Qt loops: a call of Qt in a dialog does not inherit from the job below."""

from __future__ import annotations

import asyncio
import contextvars
import socket
import sys
from typing import Any

import pytest
from support.modal import Modal, QtCore, QtWidgets, from_qt
from support.priorities import own, own_and_running, run_with, running, settle

import qtloop
from qtloop import Priority, get_priority, set_priority

HIGH, NORMAL, LOW = Priority.HIGH, Priority.NORMAL, Priority.LOW
current_task: Any = asyncio.current_task

with_context = pytest.mark.skipif(
    sys.version_info < (3, 11), reason="tasks take a context from Python 3.11 on"
)


@pytest.mark.parametrize("priority", [HIGH, LOW])
@pytest.mark.parametrize("kind", ["QDialog", "QEventLoop"])
def test_slot_that_qt_calls_in_the_dialog_of_a_task_is_normal(
    loop: qtloop.QEventLoop, priority: int, kind: str
) -> None:
    seen: dict[str, Any] = {}
    tasks: list[asyncio.Task[Any]] = []

    async def main() -> None:
        modal = Modal(kind)

        def from_a_slot() -> None:
            seen["slot"] = loop._running_priority()
            tasks.append(loop.create_task(own_and_running()))
            tasks.append(qtloop.asyncSlot()(own_and_running)())
            tasks.append(loop.create_task(own_and_running(), priority=5))
            loop.call_soon(lambda: seen.update(callback=running()))
            loop.call_soon_threadsafe(lambda: seen.update(threadsafe=running()))
            loop.call_later(0, lambda: seen.update(timer=running()))
            loop.call_later(0.01, modal.close)

        from_qt(from_a_slot)
        modal.exec()
        assert own() == running() == priority
        await asyncio.sleep(0)
        assert own() == running() == priority

    run_with(loop, main(), priority)
    assert seen == {"slot": NORMAL, "callback": NORMAL, "threadsafe": NORMAL, "timer": NORMAL}
    assert [set(task.result()) for task in tasks] == [{NORMAL}, {NORMAL}, {5}]
    loop.run_until_complete(settle())
    assert not loop._uses_priorities()


def test_jobs_in_a_dialog_keep_their_own_priority(loop: qtloop.QEventLoop) -> None:
    async def main() -> None:
        modal = Modal()
        child = asyncio.create_task(own_and_running())
        low = loop.create_task(own_and_running(), priority=LOW)
        loop.call_later(0.01, modal.close)
        modal.exec()
        assert set(child.result()) == {HIGH}
        assert set(low.result()) == {LOW}
        assert own() == running() == HIGH

    run_with(loop, main())


def test_slot_in_a_dialog_may_set_its_own_priority(loop: qtloop.QEventLoop) -> None:
    seen: list[list[int]] = []

    async def main() -> None:
        modal = Modal()

        @qtloop.asyncSlot()
        async def slot() -> None:
            set_priority(current_task(), LOW)
            step = [own(), running()]
            loop.call_soon(lambda: seen.append([running()]))
            await asyncio.sleep(0)
            seen.append([*step, own(), running()])
            modal.close()

        def from_a_slot() -> None:
            slot()
            seen.append([loop._running_priority()])

        from_qt(from_a_slot)
        modal.exec()
        assert own() == running() == HIGH

    run_with(loop, main())
    assert seen == [[NORMAL], [LOW], [LOW, LOW, LOW, LOW]]
    loop.run_until_complete(settle())
    assert not loop._uses_priorities()


def test_slot_in_a_dialog_may_change_the_task_that_has_opened_it(
    loop: qtloop.QEventLoop,
) -> None:
    async def main() -> None:
        modal = Modal()
        task = current_task()

        def from_a_slot() -> None:
            set_priority(task, 5)
            assert get_priority(task) == 5
            assert loop._running_priority() == NORMAL
            modal.close()

        from_qt(from_a_slot)
        modal.exec()
        assert own() == running() == 5

    run_with(loop, main())
    run_with(loop, main(), NORMAL)


@with_context
def test_handle_that_is_deferred_returns_to_its_lane(loop: qtloop.QEventLoop) -> None:
    """The context of the handles is in use until the dialog has returned."""
    log: list[str] = []
    loop.turn_budget = 3600  # the turn does not end during the dialog

    async def main() -> None:
        modal = Modal()

        def queue() -> None:
            # They share the context of this task, which is entered below the dialog.
            context = task_context
            loop.call_soon_priority(LOW, log.append, "low", context=context)
            loop.call_soon_priority(NORMAL, log.append, "normal", context=context)
            loop.call_soon_priority(HIGH, log.append, "high", context=context)
            loop.call_later(0.01, modal.close)

        from_qt(queue)
        modal.exec()
        assert log == []
        for priority in (LOW, NORMAL, HIGH):
            loop.call_soon_priority(priority, log.append, f"later {int(priority)}")
        while len(log) < 6:
            await asyncio.sleep(0.001)

    task_context = contextvars.copy_context()
    loop.run_until_complete(loop.create_task(main(), context=task_context))
    assert log == ["high", "later -100", "normal", "later 0", "low", "later 100"]


@with_context
def test_change_of_priority_moves_a_deferred_handle(loop: qtloop.QEventLoop) -> None:
    async def main() -> None:
        modal = Modal()
        context = task_context
        child = loop.create_task(own_and_running(), context=context)

        def change() -> None:
            set_priority(child, HIGH)
            assert get_priority(child) == HIGH
            modal.close()

        loop.call_later(0.005, change)
        modal.exec()
        assert not child.done()
        assert set(await child) == {HIGH}

    task_context = contextvars.copy_context()
    loop.run_until_complete(loop.create_task(main(), context=task_context))
    loop.run_until_complete(settle())
    assert not loop._uses_priorities()


def test_watch_does_not_rise_to_tasks_that_run_in_its_dialog(
    loop: qtloop.QEventLoop,
) -> None:
    seen: list[int] = []
    one, other = socket.socketpair()

    async def high() -> None:
        for _ in range(20):
            await asyncio.sleep(0.001)

    async def main() -> None:
        done = loop.create_future()

        def readable() -> None:
            one.recv(1)
            seen.append(running())
            if len(seen) == 1:
                modal = Modal()
                loop.call_later(0.005, modal.close)
                modal.exec()
            else:
                done.set_result(None)

        task = loop.create_task(high(), priority=HIGH)
        loop.add_reader(one, readable)
        other.send(b"12")
        await done
        loop.remove_reader(one)
        await task

    with one, other:
        loop.run_until_complete(main())
    assert seen == [NORMAL, NORMAL]


@pytest.mark.parametrize("priority", [HIGH, LOW])
def test_callbacks_queued_around_process_events_have_the_same_priority(
    loop: qtloop.QEventLoop, priority: int
) -> None:
    seen: list[int] = []

    def callback() -> None:
        loop.call_soon(lambda: seen.append(running()))
        loop.call_soon_priority(7, lambda: seen.append(running()))
        QtWidgets.QApplication.processEvents()
        seen.append(running())
        loop.call_soon(lambda: seen.append(running()))

    async def main() -> None:
        await asyncio.sleep(0)
        loop.call_soon_priority(priority, callback)
        while len(seen) < 4:
            await asyncio.sleep(0.001)

    loop.run_until_complete(main())
    assert sorted(seen) == sorted([priority, 7, priority, priority])


def test_block_on_in_a_high_slot_keeps_the_priority(loop: qtloop.QEventLoop) -> None:
    seen: list[Any] = []

    @qtloop.asyncSlot(priority=HIGH)
    async def slot() -> None:
        seen.append(set(qtloop.block_on(own_and_running())))
        seen.append({own(), running()})
        await asyncio.sleep(0)
        seen.append({own(), running()})
        loop.stop()

    from_qt(slot)
    loop.run_forever()
    assert seen[1:] == [{HIGH}, {HIGH}]
    assert seen[0] == {HIGH}


def test_timer_of_qt_in_a_high_dialog_makes_normal_tasks(loop: qtloop.QEventLoop) -> None:
    timer = QtCore.QTimer()
    tasks: list[asyncio.Task[Any]] = []

    async def main() -> None:
        modal = Modal()

        def tick() -> None:
            tasks.append(asyncio.ensure_future(own_and_running(), loop=loop))
            if len(tasks) == 3:
                timer.stop()
                loop.call_later(0.01, modal.close)

        timer.timeout.connect(tick)
        timer.start(1)
        modal.exec()
        assert own() == running() == HIGH

    run_with(loop, main())
    assert [set(task.result()) for task in tasks] == [{NORMAL}] * 3
