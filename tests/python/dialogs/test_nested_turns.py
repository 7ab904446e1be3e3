"""Nested turns: their number at one Qt loop level is bounded, and no callback is lost."""

from __future__ import annotations

import asyncio
import resource
import sys
from typing import Any

import pytest
from conftest import Child

from qtloop import QEventLoop
from qtloop._binding import binding

if binding is None:
    pytest.skip("processEvents() and dialogs need a Qt binding", allow_module_level=True)

QtCore: Any = binding.QtCore
QtWidgets: Any = binding.module("QtWidgets")

# MAX_NESTED_AT_LEVEL of src/driver/mod.rs.
DEEPEST = 16


class Depth:
    """Counts nested calls."""

    def __init__(self) -> None:
        self.now = self.deepest = self.calls = 0

    def __enter__(self) -> None:
        self.now += 1
        self.calls += 1
        self.deepest = max(self.deepest, self.now)

    def __exit__(self, *_: object) -> None:
        self.now -= 1


def test_callbacks_that_process_events_nest_up_to_a_bound_and_all_run(loop: QEventLoop) -> None:
    depth = Depth()

    async def job() -> None:
        await asyncio.sleep(0)
        with depth:
            QtCore.QCoreApplication.processEvents()

    async def main() -> None:
        await asyncio.gather(*(job() for _ in range(600)))

    loop.run_until_complete(main())
    assert depth.calls == 600 and depth.deepest == DEEPEST


def test_bound_holds_in_a_loop_without_a_run(loop: QEventLoop, app: Any) -> None:
    depth = Depth()

    def job() -> None:
        with depth:
            QtCore.QCoreApplication.processEvents()
        if depth.calls == 100:
            app.exit(7)

    for _ in range(100):
        loop.call_soon(job)
    assert app.exec() == 7
    assert depth.calls == 100 and depth.deepest == DEEPEST


def test_dialog_at_the_bound_still_serves_the_loop(loop: QEventLoop) -> None:
    depth = Depth()
    closed: list[int] = []

    def job() -> None:
        with depth:
            if depth.now < DEEPEST:
                loop.call_soon(job)
                QtCore.QCoreApplication.processEvents()
            else:
                dialog = QtWidgets.QDialog()
                loop.call_later(0.001, dialog.accept)
                closed.append(dialog.exec())

    loop.call_soon(job)
    loop.run_until_complete(asyncio.sleep(0.02))
    assert closed == [1] and depth.deepest == DEEPEST


def test_callback_without_room_on_the_stack_is_not_lost(loop: QEventLoop) -> None:
    """A logging handler that processes events is called in deeply nested coroutines."""
    done: list[int] = []

    async def deep(frames: int, number: int) -> None:
        if frames:
            await deep(frames - 1, number)
        else:
            await asyncio.sleep(0.001)
            QtCore.QCoreApplication.processEvents()
            done.append(number)

    async def main() -> list[Any]:
        return await asyncio.gather(*(deep(60, number) for number in range(200)))

    before = sys.getrecursionlimit()
    sys.setrecursionlimit(600)
    try:
        loop.run_until_complete(main())
    finally:
        sys.setrecursionlimit(before)
    assert sorted(done) == list(range(200))


def test_recursion_error_of_a_callback_is_reported_and_the_run_continues(
    loop: QEventLoop, reports: list[dict[str, Any]]
) -> None:
    def endless() -> None:
        endless()

    loop.call_soon(endless)
    assert loop.run_until_complete(asyncio.sleep(0.001, "goes on")) == "goes on"
    assert isinstance(reports.pop()["exception"], RecursionError)


def test_task_that_waits_for_an_open_dialog_spins_without_load(loop: QEventLoop) -> None:
    """anyio repeats a cancellation until the task, which has a dialog open, has reacted."""
    dialog = QtWidgets.QDialog()
    spins = 0

    def spin() -> None:
        nonlocal spins
        spins += 1
        if dialog.isVisible():
            loop.call_soon(spin)

    async def main() -> float:
        loop.call_later(0.5, dialog.accept)
        loop.call_soon(spin)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
        dialog.exec()
        return resource.getrusage(resource.RUSAGE_SELF).ru_utime - before

    assert loop.run_until_complete(main()) < 0.35
    assert spins > 100


def test_work_in_pieces_is_not_slowed_down_during_a_dialog(loop: QEventLoop) -> None:
    dialog = QtWidgets.QDialog()
    pieces = 0

    async def work() -> None:
        nonlocal pieces
        while pieces < 300:
            end = loop.time() + 0.0003
            while loop.time() < end:
                pass
            pieces += 1
            await asyncio.sleep(0)
        dialog.accept()

    async def main() -> float:
        task = asyncio.create_task(work())
        before = loop.time()
        dialog.exec()
        took = loop.time() - before
        await task
        return took

    # A rest after each piece would take 0.3 s more.
    assert loop.run_until_complete(main()) < 5
    assert pieces == 300


def test_callback_whose_context_an_eager_task_holds_runs_after_the_step(
    loop: QEventLoop,
) -> None:
    """A slot outside any turn starts an eager task, and the task opens a dialog."""
    if sys.version_info < (3, 12):
        pytest.skip("tasks start eagerly from Python 3.12 on")
    import contextvars

    log: list[str] = []
    context = contextvars.copy_context()

    async def asks() -> None:
        log.append(f"current {asyncio.current_task() is not None}")
        dialog = QtWidgets.QDialog()
        loop.call_soon(log.append, "in the context", context=context)
        loop.call_soon(lambda: log.append(f"no task is current {asyncio.current_task() is None}"))
        loop.call_later(0.01, dialog.accept)
        dialog.exec()
        log.append(f"current {asyncio.current_task() is not None}")

    def slot() -> None:
        tasks.append(asyncio.Task(asks(), loop=loop, eager_start=True, context=context))

    async def main() -> None:
        QtCore.QTimer.singleShot(0, slot)
        while "in the context" not in log:
            await asyncio.sleep(0.001)

    tasks: list[asyncio.Task[None]] = []
    loop.run_until_complete(main())
    assert log == ["current True", "no task is current True", "current True", "in the context"]
    assert tasks[0].done()


@pytest.mark.skipif(binding.qt == 5, reason="Qt 5 crashes in a second application")
def test_second_application_ends_the_run_with_an_error_that_names_the_cure(child: Child) -> None:
    program = """
        async def main():
            app = QtWidgets.QApplication([])
            label = QtWidgets.QLabel("hello")
            label.show()
            await asyncio.sleep(5)
        try:
            qtloop.run(main())
        except RuntimeError as error:
            print(error)
    """
    printed = child(program).stdout
    # PySide6 refuses the second one itself.
    assert "make the QApplication before qtloop.run()" in printed or "singleton" in printed


def test_interrupt_of_an_exec_with_a_loop_without_a_run_reaches_the_program(
    child: Child,
) -> None:
    program = """
        app = QtWidgets.QApplication([])
        loop = QEventLoop(app, already_running=True)
        loop.call_later(0.01, os.kill, os.getpid(), signal.SIGINT)
        try:
            app.exec()
            for _ in range(1000): pass
        except KeyboardInterrupt:
            print("interrupted")
        loop.close()
    """
    assert child(program).stdout == "interrupted\n"


def test_time_in_a_nested_loop_is_not_that_of_the_turn_around_it(loop: QEventLoop) -> None:
    async def main() -> None:
        modal = QtCore.QEventLoop()
        loop.call_later(2, modal.quit)
        before = loop.stats()
        modal.exec()
        after = loop.stats()
        assert after.turns - before.turns >= 2

    loop.run_until_complete(main())
    assert loop.stats().longest_turn < 2
    assert loop.stats().time_in_turns < 2


def test_wait_that_the_end_of_a_nested_loop_ends_is_reported(loop: QEventLoop) -> None:
    calls: list[str] = []

    class Instrument:
        def before_io_wait(self, timeout: float | None) -> None:
            calls.append("wait")

        def after_io_wait(self, timeout: float | None) -> None:
            calls.append("end of wait")

        def after_task_step(self, task: object) -> None:
            calls.append("end of step")

    async def main() -> None:
        await asyncio.sleep(0)
        modal = QtCore.QEventLoop()
        QtCore.QTimer.singleShot(20, modal.quit)  # no turn of the loop comes after the wait
        calls.clear()
        modal.exec()

    loop.add_instrument(Instrument())
    loop.run_until_complete(main())
    assert calls == ["wait", "end of wait", "end of step"]
