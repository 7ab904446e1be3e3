"""A slot starts at once: its first step runs inside the call, as a plain slot does."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import logging
import sys
from collections.abc import Coroutine
from typing import Any

import anyio
import pytest
from conftest import Child
from support.slots import QObject, QtCore, QtGui, QtWidgets, Sender, run

import qtloop
from qtloop import asyncSlot


def soon(function: Any) -> None:
    """Makes Qt call the function, outside of the loop's callbacks."""
    QtCore.QTimer.singleShot(0, function)


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> list[BaseException]:
    """The exceptions passed to the program's own hook."""
    seen: list[BaseException] = []
    monkeypatch.setattr(sys, "excepthook", lambda kind, error, traceback: seen.append(error))
    return seen


# The emission


@pytest.mark.parametrize("debug", [False, True])
def test_slot_knows_its_sender_before_its_first_wait(
    loop: qtloop.QEventLoop, reports: list[Any], debug: bool
) -> None:
    log: list[Any] = []
    loop.set_debug(debug)

    class Receiver(QObject):  # type: ignore[misc]
        @asyncSlot(bool)
        async def clicked(self, checked: bool) -> None:
            log.append((self.sender(), checked))
            await asyncio.sleep(0)
            log.append("waited")

    async def main() -> None:
        sender, receiver = Sender(), Receiver()
        sender.clicked.connect(receiver.clicked)
        sender.clicked.emit(True)
        assert log == [(sender, True)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert log[1:] == ["waited"]

    run(loop, main())


def test_event_handler_answers_its_event_before_its_first_wait(
    loop: qtloop.QEventLoop, reports: list[Any], hook: list[BaseException]
) -> None:
    class Window(QtWidgets.QWidget):  # type: ignore[misc]
        keys = ""

        @asyncSlot()
        async def closeEvent(self, event: Any) -> None:
            event.ignore()
            await asyncio.sleep(0)

        @asyncSlot()
        async def keyPressEvent(self, event: Any) -> None:
            self.keys += event.text()
            await asyncio.sleep(0)

    async def main() -> None:
        window = Window()
        window.show()
        kind, no_key = QtCore.QEvent.Type.KeyPress, QtCore.Qt.KeyboardModifier.NoModifier
        for key in "abc":
            event = QtGui.QKeyEvent(kind, ord(key.upper()), no_key, key)
            QtCore.QCoreApplication.sendEvent(window, event)
        assert window.keys == "abc"
        window.close()
        assert window.isVisible()
        await asyncio.sleep(0.001)
        window.hide()

    run(loop, main())
    # PyQt6 reports a handler that returns something.
    assert hook == []


def test_slot_that_disables_its_button_first_is_started_by_one_of_two_queued_clicks(
    loop: qtloop.QEventLoop, app: Any
) -> None:
    started: list[int] = []

    class Window(QtWidgets.QWidget):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.button = QtWidgets.QPushButton("go", self)
            self.button.clicked.connect(self.go)

        @asyncSlot()
        async def go(self) -> None:
            self.button.setEnabled(False)
            started.append(1)
            await asyncio.sleep(0.01)

    async def main() -> None:
        window = Window()
        for _ in range(2):
            QtCore.QTimer.singleShot(0, window.button.click)
        await asyncio.sleep(0.02)

    run(loop, main())
    assert started == [1]


@pytest.mark.parametrize("caller", ["a task", "a callback", "Qt"])
def test_tasks_run_while_a_slot_has_a_dialog_open_before_its_first_wait(
    loop: qtloop.QEventLoop,
    app: Any,
    caller: str,
) -> None:
    log: list[str] = []
    nested = QtCore.QEventLoop()

    @asyncSlot()
    async def slot() -> None:
        me = asyncio.current_task()
        nested.exec()
        assert asyncio.current_task() is me
        log.append("answered")
        await asyncio.sleep(0)
        log.append("done")

    async def other() -> None:
        for _ in range(3):
            await asyncio.sleep(0.001)
            log.append("other")
        nested.quit()

    async def main() -> None:
        task = asyncio.ensure_future(other())
        if caller == "a task":
            slot()
        elif caller == "a callback":
            loop.call_soon(slot)
        else:
            soon(slot)
        await task
        await asyncio.sleep(0.01)

    limit = QtCore.QTimer()  # ends the test if the loop's own timers fail
    limit.timeout.connect(lambda: (nested.quit(), app.exit()))
    limit.start(3000)
    run(loop, main())
    assert log == ["other", "other", "other", "answered", "done"]


def test_slot_starts_at_once_in_an_exec_that_the_program_calls(
    loop: qtloop.QEventLoop, app: Any
) -> None:
    log: list[Any] = []

    class Receiver(QObject):  # type: ignore[misc]
        @asyncSlot()
        async def clicked(self) -> None:
            log.append((self.sender(), asyncio.get_running_loop()))
            dialog = QtCore.QEventLoop()
            loop.call_later(0.001, dialog.quit)
            dialog.exec()
            await asyncio.sleep(0.001)
            app.exit()

    sender, receiver = Sender(), Receiver()
    sender.clicked.connect(receiver.clicked)
    soon(lambda: sender.clicked.emit(True))
    limit = QtCore.QTimer()
    limit.timeout.connect(lambda: app.exit(1))
    limit.start(5000)
    assert app.exec() == 0
    assert log == [(sender, loop)]


# The task


def test_slot_is_the_current_task_in_its_first_step_and_its_caller_afterwards(
    loop: qtloop.QEventLoop,
) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
    seen: list[Any] = []

    @asyncSlot()
    async def inner() -> None:
        seen.append((asyncio.current_task(), variable.get()))
        variable.set("inner's")
        await asyncio.sleep(0)
        seen.append((asyncio.current_task(), variable.get()))

    @asyncSlot()
    async def outer() -> asyncio.Task[None]:
        variable.set("outer's")
        task = inner()
        assert variable.get() == "outer's"
        seen.append((asyncio.current_task(), "between"))
        await task
        return task

    async def main() -> None:
        me = asyncio.current_task()
        variable.set("main's")
        outer_task = outer()
        assert (asyncio.current_task(), variable.get()) == (me, "main's")
        assert outer_task in asyncio.all_tasks()
        task = await outer_task
        assert seen == [(task, "outer's"), (outer_task, "between"), (task, "inner's")]

    run(loop, main())


def test_slot_without_await_is_done_when_its_call_returns(loop: qtloop.QEventLoop) -> None:
    @asyncSlot()
    async def slot() -> int:
        return 7

    async def main() -> int:
        task = slot()
        assert task.done()
        return task.result()

    assert run(loop, main()) == 7


def test_cancellations_and_deadlines_of_the_first_step_work(loop: qtloop.QEventLoop) -> None:
    log: list[str] = []

    @asyncSlot()
    async def cancels_itself() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        log.append("goes on to its wait")
        await asyncio.sleep(10)

    @asyncSlot()
    async def has_a_deadline() -> str:
        with anyio.move_on_after(0.001):
            await asyncio.sleep(10)
        return "moved on"

    async def main() -> None:
        cancelled, late = cancels_itself(), has_a_deadline()
        assert log == ["goes on to its wait"]
        assert await late == "moved on"
        assert cancelled.cancelled()

    run(loop, main())


def test_task_factory_of_the_loop_makes_the_slots_task(loop: qtloop.QEventLoop) -> None:
    log: list[str] = []

    def factory(
        loop: asyncio.AbstractEventLoop, coro: Coroutine[Any, Any, Any], **kwargs: Any
    ) -> asyncio.Task[Any]:
        log.append("made")
        return asyncio.Task(coro, loop=loop, **kwargs)

    @asyncSlot()
    async def slot() -> None:
        log.append("started")

    async def main() -> None:
        loop.set_task_factory(factory)
        try:
            task = slot()
        finally:
            loop.set_task_factory(None)
        log.append("called")
        await task

    run(loop, main())
    assert log == ["made", "called", "started"]


def test_slot_starts_at_once_on_a_plain_asyncio_loop() -> None:
    @asyncSlot()
    async def slot() -> str:
        await asyncio.sleep(0)
        return "done"

    async def main() -> str:
        task = slot()
        return await task

    assert asyncio.run(main()) == "done"


def test_slot_that_is_called_before_its_loop_runs_sees_it_running(loop: qtloop.QEventLoop) -> None:
    log: list[Any] = []

    @asyncSlot()
    async def slot() -> str:
        log.append(asyncio.get_running_loop())
        log.append(loop.is_running())
        await asyncio.sleep(0)
        return "done"

    asyncio.set_event_loop(loop)
    try:
        task = slot()
    finally:
        asyncio.set_event_loop(None)
    assert log == [loop, True]
    assert not loop.is_running() and asyncio._get_running_loop() is None
    assert run(loop, task) == "done"


# Exceptions


class Failing:
    """A slot that raises before its first wait, or after it."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    @asyncSlot()
    async def at_once(self) -> None:
        raise self.error

    @asyncSlot()
    async def later(self) -> None:
        await asyncio.sleep(0)
        raise self.error


def test_exception_in_the_first_step_is_reported_once_while_the_slot_is_called(
    loop: qtloop.QEventLoop, hook: list[BaseException]
) -> None:
    error = ValueError("from a slot")

    async def main() -> None:
        task = Failing(error).at_once()
        assert hook == [error]
        await asyncio.sleep(0.001)
        with pytest.raises(ValueError, match="from a slot"):
            await task

    run(loop, main())
    assert hook == [error]


def test_exception_of_a_loop_that_never_runs_reaches_its_handler(
    loop: qtloop.QEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)
    seen: list[Any] = []
    loop.set_exception_handler(lambda _, context: seen.append(context["exception"]))
    error = ValueError("from a slot")
    asyncio.set_event_loop(loop)
    try:
        Failing(error).at_once()
    finally:
        asyncio.set_event_loop(None)
    loop.close()
    assert seen == [error]


def test_exception_in_the_last_turn_of_a_loop_that_is_closed_is_reported_once(
    app: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)
    loop = qtloop.QEventLoop(app)

    async def main() -> None:
        Failing(ValueError("from a slot")).later()
        # The loop ends in the turn in which the slot raises.
        await asyncio.sleep(0)
        asyncio.get_running_loop().stop()

    with caplog.at_level(logging.ERROR, "asyncio"):
        task = loop.create_task(main())
        loop.run_forever()
        loop.close()
        del task, loop
        gc.collect()
    errors = [record.exc_info[1] for record in caplog.records if record.exc_info]
    assert [str(error) for error in errors] == ["from a slot"]


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_exit_in_the_first_step_is_raised_to_the_caller_and_not_reported(
    loop: qtloop.QEventLoop, reports: list[Any], kind: type[BaseException]
) -> None:
    caught: list[type[BaseException]] = []

    async def main() -> None:
        try:
            Failing(kind()).at_once()
        except kind:
            caught.append(kind)

    run(loop, main())
    assert caught == [kind]


def test_exit_in_the_first_step_of_a_slot_that_qt_calls_stops_the_loop(child: Child) -> None:
    program = """
        @qtloop.asyncSlot()
        async def interrupts():
            raise KeyboardInterrupt("from a slot")
        loop = QEventLoop(QtCore.QCoreApplication([]))
        loop.set_exception_handler(lambda _, context: print("reported", context))
        QtCore.QTimer.singleShot(0, interrupts)
        try:
            loop.run_forever()
        except KeyboardInterrupt as error:
            print(error)
        loop.close()
    """
    # From Python 3.14 on, the process ends by SIGINT; see test_slots_errors.py.
    assert child(program, code=None).stdout == "from a slot\n"
