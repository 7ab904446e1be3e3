"""`qtloop.run()`: when the application quits, main is cancelled and may clean up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

import qtloop
from qtloop._binding import binding

if binding is None:
    pytest.skip("applications that quit need a Qt binding", allow_module_level=True)

QtCore: Any = binding.QtCore
QtWidgets: Any = binding.module("QtWidgets")


pytest_plugins = ["support.quitting"]
pytestmark = pytest.mark.usefixtures("app")


@pytest.fixture(params=["last window", "quit", "exit", "exit from a thread"])
def quit_soon(request: pytest.FixtureRequest, app: Any, window: Any) -> Callable[[], object]:
    """Each way of quitting the application, with some delay."""

    def quit_soon() -> None:
        loop = asyncio.get_running_loop()
        if request.param == "exit from a thread":
            loop.run_in_executor(None, app.exit, 0)
        elif request.param == "quit":
            loop.call_later(0.005, app.quit)
        elif request.param == "exit":
            loop.call_later(0.005, app.exit, 0)
        else:
            QtCore.QTimer.singleShot(5, window.close)

    return quit_soon


async def until_cancelled(log: list[str], name: str = "main") -> None:
    try:
        await asyncio.sleep(60)
    finally:
        await asyncio.sleep(0.005)
        await asyncio.to_thread(log.append, name)


def test_main_is_cancelled_and_cleans_up_with_awaits_and_threads(
    quit_soon: Callable[[], object], quits: list[str]
) -> None:
    log: list[str] = []

    async def main() -> str:
        quit_soon()
        task = asyncio.create_task(until_cancelled(log, "task"))
        await until_cancelled(log)
        await task
        return "not reached"

    assert qtloop.run(main()) is None
    assert log == ["main", "task"]
    assert quits == ["about to quit"]


def test_result_of_a_main_that_catches_the_cancellation_is_returned(
    quit_soon: Callable[[], object],
) -> None:
    async def main() -> str:
        quit_soon()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(0.01)
        return "caught"

    assert qtloop.run(main()) == "caught"


def test_exception_of_the_clean_up_is_raised(quit_soon: Callable[[], object]) -> None:
    async def main() -> None:
        quit_soon()
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.001)
            raise LookupError("while cleaning up")

    with pytest.raises(LookupError, match="while cleaning up"):
        qtloop.run(main())


def test_main_that_reacts_to_the_quit_is_not_cancelled(
    app: Any, quit_soon: Callable[[], object]
) -> None:
    async def main() -> str:
        closed = asyncio.Event()
        app.aboutToQuit.connect(closed.set)
        quit_soon()
        try:
            await closed.wait()
            await asyncio.sleep(0.01)
            await asyncio.to_thread(time.sleep, 0.01)
        finally:
            app.aboutToQuit.disconnect(closed.set)
        return "finished"

    assert qtloop.run(main()) == "finished"


def test_main_that_spins_is_cancelled(quit_soon: Callable[[], object]) -> None:
    async def main() -> None:
        quit_soon()
        while True:
            await asyncio.sleep(0)

    assert qtloop.run(main()) is None


def test_clean_up_may_show_a_window_and_close_it(window: Any, quits: list[str]) -> None:
    """Closing the window quits the application again, which must not end the clean-up."""
    log: list[str] = []

    async def main() -> None:
        QtCore.QTimer.singleShot(5, window.close)
        try:
            await asyncio.sleep(60)
        finally:
            saving = QtWidgets.QLabel("Saving ...")
            saving.show()
            await asyncio.sleep(0.01)
            saving.close()
            await asyncio.sleep(0.01)
            log.append("saved")

    assert qtloop.run(main()) is None
    assert log == ["saved"]


def test_clean_up_may_ask_in_a_dialog(window: Any) -> None:
    async def main() -> int:
        QtCore.QTimer.singleShot(5, window.close)
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            dialog = QtWidgets.QDialog()
            asyncio.get_running_loop().call_later(0.01, dialog.done, 42)
            answer: int = dialog.exec()
            await asyncio.sleep(0.01)
        return answer

    assert qtloop.run(main()) == 42


def test_quit_under_a_wrapped_dialog_closes_it_and_cancels_its_main(app: Any) -> None:
    log: list[object] = []

    async def main() -> None:
        asyncio.get_running_loop().call_later(0.01, app.quit)
        log.append(await qtloop.asyncWrap(QtWidgets.QDialog().exec))
        try:
            while True:
                await asyncio.sleep(0.01)
        finally:
            log.append("cancelled")

    began = time.monotonic()
    assert qtloop.run(main()) is None
    assert log == [0, "cancelled"]
    assert time.monotonic() - began < 3


def test_main_that_reacts_for_longer_than_the_grace_is_cancelled(
    app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(qtloop.QEventLoop, "quit_grace", 0.05)

    async def main() -> str:
        closed = asyncio.Event()
        app.aboutToQuit.connect(closed.set)
        asyncio.get_running_loop().call_later(0.01, app.quit)
        await closed.wait()
        app.aboutToQuit.disconnect(closed.set)
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            return "cancelled"
        return "slept"

    assert qtloop.run(main()) == "cancelled"


def test_quit_under_a_dialog_closes_it_and_cancels_its_main(app: Any) -> None:
    log: list[object] = []

    async def main() -> None:
        dialog = QtWidgets.QDialog()
        asyncio.get_running_loop().call_later(0.01, app.quit)
        log.append(dialog.exec())
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.001)
            log.append("cleaned up")

    assert qtloop.run(main()) is None
    assert log == [0, "cleaned up"]


def test_main_that_completes_does_not_quit_the_application(window: Any, quits: list[str]) -> None:
    for number in range(2):
        assert qtloop.run(asyncio.sleep(0.001, number)) == number
    assert quits == [] and window.isVisible()


def test_remaining_tasks_clean_up_before_run_returns() -> None:
    log: list[str] = []

    async def main() -> str:
        task = asyncio.create_task(until_cancelled(log, "task"))
        await asyncio.sleep(0.001)
        assert not task.done()
        return "done"

    assert qtloop.run(main()) == "done"
    assert log == ["task"]


def test_cancellation_without_a_quit_is_raised() -> None:
    async def main() -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        qtloop.run(main())


@pytest.mark.parametrize("kind", [LookupError, KeyboardInterrupt, SystemExit])
def test_exception_of_main_is_raised_and_tasks_clean_up(kind: type[BaseException]) -> None:
    log: list[str] = []

    async def main() -> None:
        task = asyncio.create_task(until_cancelled(log, "task"))
        await asyncio.sleep(0.001)
        assert not task.done()
        raise kind("from main")

    with pytest.raises(kind, match="from main"):
        qtloop.run(main())
    assert log == ["task"]


@pytest.mark.parametrize("quits_too", [False, True])
def test_run_in_a_slot_returns_and_only_a_quit_ends_the_program(
    quits_too: bool, app: Any, quits: list[str]
) -> None:
    log: list[object] = []

    async def main() -> str:
        task = asyncio.create_task(until_cancelled(log, "task"))  # type: ignore[arg-type]
        if quits_too:
            asyncio.get_running_loop().call_later(0.005, app.quit)
            await until_cancelled(log)  # type: ignore[arg-type]
        await asyncio.sleep(0.001)
        assert not task.done()
        return "done"

    def slot() -> None:
        log.append(qtloop.run(main()))
        if not quits_too:
            QtCore.QTimer.singleShot(5, next_slot)

    def next_slot() -> None:
        log.append("the program goes on")
        app.exit(3)

    QtCore.QTimer.singleShot(0, slot)
    code = app.exec()
    if quits_too:
        assert (code, log) == (0, ["main", "task", None])
    else:
        assert (code, log) == (3, ["task", "done", "the program goes on"])
    assert quits == ["about to quit"]
