"""An uncaught exception in a plain Qt slot reaches the exception handler of the loop."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from conftest import Child

import qtloop
from qtloop._binding import binding, is_pyqt

if binding is None:
    pytest.skip("slots need a Qt binding", allow_module_level=True)

QtCore: Any = binding.QtCore
Signal: Any = getattr(QtCore, "Signal", None) or QtCore.pyqtSignal


class Sender(QtCore.QObject):  # type: ignore[misc]
    signal = Signal()


def fails() -> None:
    raise LookupError("in a slot")


@pytest.fixture(autouse=True)
def no_hook(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sets Python's own hook, as in a program without a hook; then the loop reports exceptions."""
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)


@pytest.fixture
def reports(loop: qtloop.QEventLoop) -> list[dict[str, Any]]:
    """The contexts passed to the loop's exception handler."""
    reports: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: reports.append(context))
    return reports


def from_qt(function: Callable[[], object]) -> None:
    """Makes Qt call the function."""
    QtCore.QTimer.singleShot(0, function)


def words(reports: list[dict[str, Any]]) -> list[str]:
    return [str(report["exception"]) for report in reports]


def test_exception_in_a_slot_reaches_the_loops_handler_and_the_loop_continues(
    loop: qtloop.QEventLoop, reports: list[dict[str, Any]]
) -> None:
    async def main() -> str:
        from_qt(fails)
        return await asyncio.sleep(0.01, "goes on")

    assert loop.run_until_complete(main()) == "goes on"
    assert words(reports) == ["in a slot"]
    assert "slot" in reports[0]["message"]


def test_exception_in_a_slot_is_logged_if_the_loop_has_no_handler(
    loop: qtloop.QEventLoop, caplog: pytest.LogCaptureFixture
) -> None:
    from_qt(fails)
    with caplog.at_level(logging.ERROR, "asyncio"):
        loop.run_until_complete(asyncio.sleep(0.01))
    (record,) = caplog.records
    assert record.exc_info and isinstance(record.exc_info[1], LookupError)


def test_emit_in_a_coroutine_does_not_raise_the_slots_exception(
    loop: qtloop.QEventLoop, reports: list[dict[str, Any]]
) -> None:
    async def main() -> str:
        sender = Sender()
        sender.signal.connect(fails)
        sender.signal.emit()
        return await asyncio.sleep(0, "goes on")

    assert loop.run_until_complete(main()) == "goes on"
    assert words(reports) == ["in a slot"]


def test_exception_in_a_virtual_method_is_reported(
    loop: qtloop.QEventLoop, reports: list[dict[str, Any]]
) -> None:
    class Ticker(QtCore.QObject):  # type: ignore[misc]
        def timerEvent(self, event: Any) -> None:
            self.killTimer(event.timerId())
            fails()

    ticker = Ticker()
    ticker.startTimer(0)
    loop.run_until_complete(asyncio.sleep(0.01))
    assert words(reports) == ["in a slot"]


def test_exception_in_a_slot_is_reported_during_a_dialog_and_in_attach(app: Any) -> None:
    reports: list[dict[str, Any]] = []

    async def main() -> None:
        nested = QtCore.QEventLoop()
        from_qt(fails)
        asyncio.get_running_loop().call_later(0.01, nested.quit)
        nested.exec()
        from_qt(fails)
        await asyncio.sleep(0.01)

    with qtloop.attach(app) as guest:
        guest.set_exception_handler(lambda _, context: reports.append(context))
        task = guest.create_task(main())
        task.add_done_callback(lambda _: app.exit(0))
        app.exec()
    assert task.exception() is None
    assert words(reports) == ["in a slot", "in a slot"]
    assert sys.excepthook is sys.__excepthook__


def test_exception_handler_that_raises_is_logged(
    loop: qtloop.QEventLoop, caplog: pytest.LogCaptureFixture
) -> None:
    def handler(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        raise ValueError("in the handler")

    loop.set_exception_handler(handler)
    from_qt(fails)
    with caplog.at_level(logging.ERROR, "asyncio"):
        loop.run_until_complete(asyncio.sleep(0.01))
    (record,) = caplog.records
    assert record.getMessage().startswith("Unhandled error in exception handler")


def test_an_exception_in_a_slot_of_a_worker_thread_reaches_that_threads_loop(
    loop: qtloop.QEventLoop, reports: list[dict[str, Any]]
) -> None:
    theirs: list[dict[str, Any]] = []

    async def main() -> None:
        running = asyncio.get_running_loop()
        running.set_exception_handler(lambda _, context: theirs.append(context))
        from_qt(fails)
        await asyncio.sleep(0.01)

    async def wait() -> None:
        await asyncio.to_thread(qtloop.run, main())

    loop.run_until_complete(wait())
    assert (words(theirs), reports) == (["in a slot"], [])


# Hooks


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The errors passed to the program's own hook."""
    seen: list[str] = []
    monkeypatch.setattr(sys, "excepthook", lambda kind, error, traceback: seen.append(str(error)))
    return seen


def test_excepthook_of_the_program_takes_precedence(
    hook: list[str], loop: qtloop.QEventLoop, reports: list[dict[str, Any]]
) -> None:
    before = sys.excepthook
    from_qt(fails)
    loop.run_until_complete(asyncio.sleep(0.01))
    assert (hook, reports) == (["in a slot"], [])
    assert sys.excepthook is before


def test_excepthook_set_during_a_run_takes_precedence_and_stays_set(
    loop: qtloop.QEventLoop, reports: list[dict[str, Any]]
) -> None:
    seen: list[str] = []

    def hook(kind: object, error: BaseException, traceback: object) -> None:
        seen.append(str(error))

    async def main() -> None:
        sys.excepthook = hook
        from_qt(fails)
        await asyncio.sleep(0.01)

    loop.run_until_complete(main())
    assert (seen, reports) == (["in a slot"], [])
    assert sys.excepthook is hook


@pytest.fixture
def runs(loop: qtloop.QEventLoop, app: Any) -> Iterator[dict[str, Callable[[], object]]]:
    async def fail() -> None:
        fails()

    async def stop() -> None:
        loop.stop()

    def attached() -> None:
        with qtloop.attach(app):
            assert sys.excepthook is not sys.__excepthook__

    def in_two_threads() -> None:
        async def both() -> None:
            await asyncio.gather(*(asyncio.to_thread(qtloop.run, stop_soon()) for _ in range(2)))

        async def stop_soon() -> None:
            await asyncio.sleep(0.001)

        loop.run_until_complete(both())

    yield {
        "run_until_complete": lambda: loop.run_until_complete(asyncio.sleep(0)),
        "run_until_complete that fails": lambda: loop.run_until_complete(fail()),
        "run_forever": lambda: (loop.create_task(stop()), loop.run_forever()),
        "attach": attached,
        "threads": in_two_threads,
    }


@pytest.mark.parametrize(
    "way",
    [
        "run_until_complete",
        "run_until_complete that fails",
        "run_forever",
        "attach",
        "threads",
    ],
)
def test_excepthook_is_set_while_a_loop_is_served_and_restored_by_close(
    way: str, runs: dict[str, Callable[[], object]], loop: qtloop.QEventLoop
) -> None:
    try:
        runs[way]()
    except LookupError:
        assert way.endswith("that fails")
    assert sys.excepthook is not sys.__excepthook__
    loop.close()
    assert sys.excepthook is sys.__excepthook__


def test_an_exception_outside_of_any_loop_is_printed_as_python_does(
    app: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    """A loop runs in a worker thread; the slot runs in the main thread, which has no loop."""
    ready, done = threading.Event(), threading.Event()

    async def main() -> None:
        ready.set()
        await asyncio.to_thread(done.wait)

    thread = threading.Thread(target=lambda: qtloop.run(main()))
    thread.start()
    ready.wait()
    from_qt(fails)
    QtCore.QTimer.singleShot(10, lambda: app.exit(0))
    app.exec()
    done.set()
    thread.join()
    assert capfd.readouterr().err.rstrip().endswith("LookupError: in a slot")


# KeyboardInterrupt. From Python 3.14 on, a process in which a binding has passed one to
# `sys.excepthook` is killed by SIGINT at its exit. So these tests use child processes.


def test_keyboard_interrupt_in_a_slot_is_raised_by_the_run(child: Child) -> None:
    program = """
        app = QtCore.QCoreApplication([])
        loop = QEventLoop(app)
        loop.set_exception_handler(lambda _, context: print("reported", context))
        def interrupts():
            raise KeyboardInterrupt("in a slot")
        def run(function):
            QtCore.QTimer.singleShot(0, interrupts)
            try:
                function()
            except KeyboardInterrupt as error:
                print(error)
        for _ in range(2):
            run(loop.run_forever)
            run(lambda: loop.run_until_complete(asyncio.sleep(60)))
        print(loop.run_until_complete(asyncio.sleep(0.001, "runs again")))
        loop.close()
    """
    done = child(program, code=None)
    assert done.stdout.splitlines() == ["in a slot"] * 4 + ["runs again"]
    assert done.returncode == (-signal.SIGINT if sys.version_info >= (3, 14) else 0)


def test_keyboard_interrupt_in_a_slot_is_raised_by_attach(child: Child) -> None:
    program = """
        app = QtCore.QCoreApplication([])
        def interrupts():
            raise KeyboardInterrupt("in a slot")
        QtCore.QTimer.singleShot(0, interrupts)
        try:
            with qtloop.attach(app):
                app.exec()
        except KeyboardInterrupt as error:
            print(error)
    """
    assert child(program, code=None).stdout == "in a slot\n"


# PyQt6 aborts the process if Python's own hook is set, as it is again after the loop was closed.


def test_exceptions_before_and_after_the_loop_do_what_the_binding_does(child: Child) -> None:
    program = """
app = QtCore.QCoreApplication([])
loop = QEventLoop(app)
loop.set_exception_handler(lambda _, context: print("handled", repr(context["exception"])))
QtCore.QTimer.singleShot(0, lambda: int("during"))
loop.run_until_complete(asyncio.sleep(0.01))
loop.close()
print("after", flush=True)
QtCore.QTimer.singleShot(0, lambda: int("after"))
QtCore.QTimer.singleShot(10, lambda: app.exit(3))
sys.exit(app.exec())
"""
    aborts = is_pyqt()
    done = child(program, code=-6 if aborts else 3)
    handled, after = done.stdout.splitlines()
    assert handled.startswith("handled ValueError(") and "during" in handled
    assert after == "after"
    assert "ValueError: invalid literal for int() with base 10: 'after'" in done.stderr
