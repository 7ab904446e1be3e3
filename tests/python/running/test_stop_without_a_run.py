"""A loop without a run: stop(), close(), Ctrl-C and sys.exit() in the program's exec()."""

from __future__ import annotations

import asyncio
import signal
import threading
from contextlib import closing
from typing import Any

import pytest
from conftest import Child
from support.running import count_descriptors

import qtloop
from qtloop import QEventLoop, asyncClose, asyncSlot
from qtloop._binding import binding

if binding is None:
    pytest.skip("a program without a binding cannot run Qt by itself", allow_module_level=True)

QtCore: Any = binding.QtCore
QtWidgets: Any = binding.module("QtWidgets")


def soon(function: Any, msec: int = 0) -> None:
    QtCore.QTimer.singleShot(msec, function)


# stop()


@pytest.mark.skipif(
    binding.qt == 5,
    reason="Qt 5 emits aboutToQuit when exec() has left its loop: the stop() is for the next run",
)
def test_stop_in_a_slot_of_about_to_quit_ends_no_later_exec(loop: QEventLoop, app: Any) -> None:
    app.aboutToQuit.connect(loop.stop)
    for _ in range(3):
        seen: list[str] = []
        soon(lambda seen=seen: seen.append("slot"), 5)
        soon(app.quit, 10)
        loop.call_soon(lambda: None)
        app.exec()
        assert seen == ["slot"]
    app.aboutToQuit.disconnect(loop.stop)
    assert loop.run_until_complete(asyncio.sleep(0.001, "runs")) == "runs"


def test_stop_without_a_qt_loop_does_not_close_a_later_dialog(loop: QEventLoop, app: Any) -> None:
    loop.call_soon(loop.stop)
    app.processEvents()
    dialog = QtWidgets.QDialog()
    loop.call_soon(lambda: None)
    soon(dialog.accept, 10)
    assert dialog.exec() == 1


# close()


@pytest.mark.parametrize("wait", ["block_on", "asyncClose"])
def test_close_during_a_wait_in_a_slot_is_refused(app: Any, wait: str) -> None:
    results: list[object] = []

    async def work() -> str:
        await asyncio.sleep(0.02)
        return "completed"

    def waits() -> None:
        results.append(qtloop.block_on(work()) if wait == "block_on" else asyncClose(work)())
        app.exit(0)

    def closes() -> None:
        with pytest.raises(RuntimeError, match="Cannot close a running event loop"):
            loop.close()

    with closing(QEventLoop(app)) as loop:
        soon(waits)
        soon(closes, 5)
        app.exec()
    assert results == ["completed"]


# Ctrl-C and sys.exit()

RAISES = {
    "callback": "loop.call_soon(end)",
    "task": "kept.append(loop.create_task(coroutine()))",
    "slot": "QtCore.QTimer.singleShot(0, end)",
    "asyncSlot": "QtCore.QTimer.singleShot(0, asyncSlot(coroutine))",
    "dialog of a task": "kept.append(loop.create_task(opens()))",
}


@pytest.mark.parametrize("how", RAISES)
def test_interrupt_is_raised_where_the_programs_exec_returns(how: str, child: Child) -> None:
    program = f"""
        from qtloop import asyncSlot
        app = QtWidgets.QApplication([])
        loop = QEventLoop(app)
        kept = []
        def end():
            os.kill(os.getpid(), signal.SIGINT)
            for _ in range(1000): pass
        async def coroutine():
            end()
        async def opens():
            QtCore.QTimer.singleShot(0, end)
            QtWidgets.QDialog().exec()
        QtCore.QTimer.singleShot(0, lambda: {RAISES[how]})
        try:
            app.exec()
            for _ in range(1000): pass
            print("not raised")
        except KeyboardInterrupt:
            print("raised")
        loop.close()
        os._exit(0)
    """
    assert child(program).stdout == "raised\n"


@pytest.mark.parametrize("how", ["callback", "task", "dialog of a task"])
def test_exit_is_raised_where_the_programs_exec_returns(how: str, child: Child) -> None:
    program = f"""
        app = QtWidgets.QApplication([])
        loop = QEventLoop(app)
        kept = []
        def end():
            sys.exit(7)
        async def coroutine():
            end()
        async def opens():
            loop.call_soon(end)
            QtWidgets.QDialog().exec()
        QtCore.QTimer.singleShot(0, lambda: {RAISES[how]})
        try:
            app.exec()
            for _ in range(1000): pass
            print("not raised")
        except SystemExit as error:
            print(error.code)
        os._exit(0)
    """
    assert child(program).stdout == "7\n"


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_fatal_error_of_a_loop_without_a_run_ends_the_run_of_another(
    loop: QEventLoop, app: Any, kind: type[BaseException]
) -> None:
    def fails() -> None:
        raise kind

    with closing(QEventLoop(app)) as other:
        other.call_later(0.001, fails)
        with pytest.raises(kind):
            loop.run_until_complete(asyncio.sleep(20))
        assert other.run_until_complete(asyncio.sleep(0.001, "runs")) == "runs"
    assert loop.run_until_complete(asyncio.sleep(0.001, "runs")) == "runs"


# Threads


def test_loop_of_an_ended_thread_leaves_no_descriptor(app: Any) -> None:
    def leave() -> None:
        loops: list[QEventLoop] = []
        thread = threading.Thread(target=lambda: loops.append(QEventLoop(app)))
        thread.start()
        thread.join()
        loops[0].call_soon(print, "never")
        loops[0].close()

    leave()
    before = count_descriptors()
    for _ in range(20):
        leave()
    assert count_descriptors() <= before + 5


def test_slot_on_a_new_thread_does_not_find_the_loop_of_an_ended_one(app: Any) -> None:
    loops: list[QEventLoop] = []
    errors: list[RuntimeError] = []

    @asyncSlot()
    async def slot() -> None: ...

    def call() -> None:
        try:
            slot()
        except RuntimeError as error:
            errors.append(error)

    for target in [lambda: loops.append(QEventLoop(app)), *[call] * 20]:
        thread = threading.Thread(target=target)
        thread.start()
        thread.join()
    assert len(errors) == 20
    loops[0].close()


# Other state


def test_wakeup_descriptor_stays_with_the_loops_that_are_open(app: Any) -> None:
    first = QEventLoop(app, already_running=True)
    second = QEventLoop(app, already_running=True)
    first.close()
    present = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(present)
    assert present == second._csock.fileno()
    second.close()
    assert signal.set_wakeup_fd(-1) == -1


def test_asynchronous_generator_of_a_slots_first_step_is_known_to_the_loop(
    loop: QEventLoop,
) -> None:
    log: list[str] = []

    async def numbers() -> Any:
        try:
            yield 1
        finally:
            await asyncio.sleep(0)
            log.append("finalised")

    @asyncSlot()
    async def slot() -> None:
        kept.append(numbers())
        await anext(kept[0])

    kept: list[Any] = []
    asyncio.set_event_loop(loop)  # before Python 3.12 asyncio would make one
    slot()
    asyncio.set_event_loop(None)
    loop.run_until_complete(loop.shutdown_asyncgens())
    assert log == ["finalised"]


def test_task_started_after_an_exec_gets_no_grace_for_its_quit(app: Any) -> None:
    with QEventLoop(app) as loop:
        soon(app.quit, 1)
        app.exec()
        before = loop.time()
        task = loop.create_task(asyncio.sleep(60))
    assert task.cancelled()
    with closing(asyncio.new_event_loop()) as clock:
        assert clock.time() - before < QEventLoop.quit_grace - 0.5


def test_callback_in_a_context_held_by_a_slots_dialog_runs_after_the_dialog(
    loop: QEventLoop,
) -> None:
    """The slot runs during another dialog, which stays open."""
    log: list[str] = []
    outer, inner = QtWidgets.QDialog(), QtWidgets.QDialog()

    @asyncSlot()
    async def slot() -> None:
        import contextvars

        context = contextvars.copy_context()

        def enters() -> None:
            log.append("entered")
            outer.accept()

        def opens() -> None:
            loop.call_soon(enters, context=context)
            soon(inner.accept, 10)
            inner.exec()
            log.append("inner closed")

        context.run(opens)

    async def main() -> None:
        soon(slot, 1)
        soon(outer.reject, 10_000)
        assert outer.exec() == 1

    loop.run_until_complete(main())
    assert log == ["inner closed", "entered"]
