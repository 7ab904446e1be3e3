"""The watchdog and Qt: blocked slots and handlers are reported, dialogs and other Qt loops are not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.modal import QtCore, QtWidgets
from support.stalls import LONG, Stalls

from qtloop import QEventLoop, Stall
from qtloop._binding import binding

pytest_plugins = ["support.stalls"]
pytestmark = pytest.mark.timeout(60, method="thread")

assert binding
QtGui: Any = binding.module("QtGui")
QtTest: Any = binding.module("QtTest")


class Window(QtWidgets.QWidget):  # type: ignore[misc, name-defined]
    """A window whose paint events and key events call a function, once."""

    def __init__(self) -> None:
        super().__init__()
        self.on_paint: Callable[[], object] | None = None
        self.on_key: Callable[[], object] | None = None

    def paintEvent(self, event: Any) -> None:
        function, self.on_paint = self.on_paint, None
        if function:
            function()

    def keyPressEvent(self, event: Any) -> None:
        if self.on_key:
            self.on_key()


@pytest.fixture
def window(app: Any) -> Iterator[Window]:
    window = Window()
    window.show()
    yield window
    window.close()
    window.deleteLater()


def by_slot(window: Window, block: Callable[[], object]) -> None:
    QtCore.QTimer.singleShot(0, block)


def by_paint(window: Window, block: Callable[[], object]) -> None:
    window.on_paint = block
    window.update()


def by_handler(window: Window, block: Callable[[], object]) -> None:
    window.on_key = block
    key = QtCore.Qt.Key.Key_A
    modifiers = QtCore.Qt.KeyboardModifier.NoModifier
    event = QtGui.QKeyEvent(QtCore.QEvent.Type.KeyPress, key, modifiers)
    QtCore.QCoreApplication.postEvent(window, event)


@pytest.mark.parametrize("cause", [by_slot, by_paint, by_handler])
def test_slot_paint_or_handler_that_blocks_is_reported_as_a_frozen_window(
    loop: QEventLoop,
    stalls: Stalls,
    window: Window,
    cause: Callable[[Window, Callable[[], object]], None],
) -> None:
    seen: list[Stall] = []
    blocked = asyncio.Event()

    def block_here() -> None:
        seen.append(stalls.next())
        blocked.set()

    async def main() -> None:
        # The window's first paint, and whatever else follows a start.
        await asyncio.sleep(0.05)
        stalls.rest()
        cause(window, block_here)
        await blocked.wait()

    loop.run_until_complete(main())
    assert not seen[0].is_over
    assert "block_here" in [frame.name for frame in seen[0].stack]
    assert str(seen[0]).startswith("window frozen for ")
    assert seen[0].task is None
    assert str(stalls.next()).startswith("window was frozen for ")


def test_synchronous_events_of_a_slot_do_not_hide_that_it_blocks(
    loop: QEventLoop, stalls: Stalls, window: Window
) -> None:
    label = QtWidgets.QLabel(window)

    async def main() -> Stall:
        await asyncio.sleep(0)
        number = 0
        while stalls.queue.empty():
            number += 1
            label.setText(str(number))
            label.resize(number % 50, 20)  # sends an event at once
        return stalls.next()

    assert not loop.run_until_complete(main()).is_over


def test_task_in_a_nested_loop_that_blocks_is_reported(loop: QEventLoop, stalls: Stalls) -> None:
    async def inner(nested: Any) -> bool:
        await asyncio.sleep(0)
        over = stalls.next().is_over
        nested.quit()
        return over

    async def main() -> bool:
        nested = QtCore.QEventLoop()
        task = loop.create_task(inner(nested), name="inner")
        nested.exec()
        return await task

    assert loop.run_until_complete(main()) is False


def after(seconds: float, function: Callable[[], object]) -> None:
    QtCore.QTimer.singleShot(round(seconds * 1000), function)


SPAN = 2 * LONG


def waits_in_a_dialog(window: Window) -> None:
    dialog = QtWidgets.QDialog(window)
    after(SPAN, dialog.accept)
    dialog.exec()


def waits_in_a_menu(window: Window) -> None:
    menu = QtWidgets.QMenu(window)
    menu.addAction("an action")
    after(SPAN, menu.close)
    menu.exec()


def waits_in_a_nested_loop(window: Window) -> None:
    nested = QtCore.QEventLoop()
    after(SPAN, nested.quit)
    nested.exec()


def waits_by_qwait(window: Window) -> None:
    QtTest.QTest.qWait(round(SPAN * 1000))


def processes_events(window: Window) -> None:
    end = time.monotonic() + SPAN
    while time.monotonic() < end:
        QtCore.QCoreApplication.processEvents()


def processes_events_and_works(window: Window) -> None:
    end = time.monotonic() + SPAN
    while time.monotonic() < end:
        QtCore.QCoreApplication.processEvents()
        time.sleep(LONG / 8)  # a part of the work


WAITS = [
    waits_in_a_dialog,
    waits_in_a_menu,
    waits_in_a_nested_loop,
    waits_by_qwait,
    processes_events,
    processes_events_and_works,
]


@pytest.mark.parametrize("is_slot", [False, True])
@pytest.mark.parametrize("wait", WAITS)
def test_qt_loop_in_a_task_or_slot_is_not_reported(
    loop: QEventLoop, window: Window, wait: Callable[[Window], None], is_slot: bool
) -> None:
    stalls = Stalls(loop, LONG)

    async def main() -> None:
        await asyncio.sleep(0)
        if is_slot:
            done = asyncio.Event()
            QtCore.QTimer.singleShot(0, lambda: (wait(window), done.set()))
            await done.wait()
        else:
            wait(window)

    loop.run_until_complete(main())
    loop.watchdog = 0
    assert stalls.rest() == []


def test_idle_exec_and_work_after_it_are_not_reported(loop: QEventLoop, app: Any) -> None:
    stalls = Stalls(loop, LONG)
    after(SPAN, app.quit)
    app.exec()
    time.sleep(SPAN)  # no Qt loop runs
    loop.watchdog = 0
    assert stalls.rest() == []


def test_stream_of_short_callbacks_is_not_reported(loop: QEventLoop) -> None:
    stalls = Stalls(loop, LONG)

    async def main() -> None:
        end = time.monotonic() + SPAN
        while time.monotonic() < end:
            time.sleep(0.001)
            await asyncio.sleep(0)

    loop.run_until_complete(main())
    loop.watchdog = 0
    assert stalls.rest() == []
