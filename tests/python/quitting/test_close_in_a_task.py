"""A task that closes the last window: when the program ends, and when it may continue."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

import qtloop
from qtloop import QEventLoop, asyncSlot
from qtloop._binding import binding

if binding is None:
    pytest.skip("windows need a Qt binding", allow_module_level=True)

QtCore: Any = binding.QtCore
QtWidgets: Any = binding.module("QtWidgets")

pytest_plugins = ["support.quitting"]

Main = Callable[[], Coroutine[Any, Any, None]]


@pytest.fixture(autouse=True)
def quits(app: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The application quits with its last window; a wait for `quit_grace` would exceed the limit."""
    monkeypatch.setattr(QEventLoop, "quit_grace", 600.0)
    app.setQuitOnLastWindowClosed(True)
    yield
    app.setQuitOnLastWindowClosed(False)


@pytest.fixture(params=["run", "run_until_complete"])
def run(request: pytest.FixtureRequest) -> Callable[[Main], None]:
    """Runs main until the application has quit."""

    def run(main: Main) -> None:
        if request.param == "run":
            assert qtloop.run(main()) is None
            return
        with QEventLoop() as loop, pytest.raises(RuntimeError, match="stopped before"):
            loop.run_until_complete(main())

    return run


class Window(QtWidgets.QPushButton):  # type: ignore[misc]
    """Clicking it saves, and closes it."""

    def __init__(self, log: list[str], step: Callable[[], Coroutine[Any, Any, None]]) -> None:
        super().__init__()
        self.log, self.step = log, step
        self.clicked.connect(self.save)
        self.show()
        QtCore.QTimer.singleShot(1, self.click)

    @asyncSlot()
    async def save(self) -> None:
        await asyncio.sleep(0.001)
        self.log.append("saved")
        self.close()
        await self.step()
        self.log.append("slot is done")


async def nothing() -> None:
    """Follows the close at once."""


async def show_until_cancelled(
    log: list[str], step: Callable[[], Coroutine[Any, Any, None]]
) -> None:
    """Shows a window, and waits for what the window cannot complete."""
    window = Window(log, step)
    try:
        await asyncio.Event().wait()
    finally:
        log.append("main ends")
    assert window


def test_slot_that_closes_its_window_ends_the_program(run: Callable[[Main], None]) -> None:
    log: list[str] = []

    run(lambda: show_until_cancelled(log, nothing))
    assert log == ["saved", "slot is done", "main ends"]


def test_slot_that_works_after_the_close_completes_before_the_program_ends(
    run: Callable[[Main], None],
) -> None:
    log: list[str] = []

    async def work() -> None:
        await asyncio.sleep(0.02)
        await asyncio.to_thread(time.sleep, 0.02)

    run(lambda: show_until_cancelled(log, work))
    assert log == ["saved", "slot is done", "main ends"]


def test_task_started_by_the_closing_slot_may_show_the_next_window(
    run: Callable[[Main], None],
) -> None:
    log: list[str] = []
    kept: list[Any] = []

    async def show_next() -> None:
        await asyncio.sleep(0.03)
        kept.append(Window(log, nothing))
        log.append("next window")

    async def start() -> None:
        kept.append(asyncio.create_task(show_next()))

    async def main() -> None:
        kept.append(Window(log, start))
        await asyncio.Event().wait()

    run(main)
    assert log == ["saved", "slot is done", "next window", "saved", "slot is done"]


def test_task_that_closes_the_window_and_is_awaited_by_main_lets_main_continue(
    run: Callable[[Main], None],
) -> None:
    log: list[str] = []

    async def login() -> str:
        window = QtWidgets.QWidget()
        window.show()
        await asyncio.sleep(0.001)
        window.close()
        await asyncio.sleep(0.02)
        return "Alice"

    async def main() -> None:
        (name,) = await asyncio.gather(login())
        log.append(name)
        await asyncio.sleep(0.02)
        window = Window(log, nothing)
        await asyncio.Event().wait()
        assert window

    run(main)
    assert log == ["Alice", "saved", "slot is done"]


def test_event_that_the_closing_slot_sets_lets_main_continue(run: Callable[[Main], None]) -> None:
    log: list[str] = []

    async def main() -> None:
        is_done = asyncio.Event()

        async def accept() -> None:
            await asyncio.sleep(0.01)
            is_done.set()

        login = Window(log, accept)
        await is_done.wait()
        log.append("logged in")
        await asyncio.sleep(0.02)
        window = Window(log, nothing)
        await asyncio.Event().wait()
        assert login and window

    run(main)
    assert log == ["saved", "slot is done", "logged in", "saved", "slot is done"]
