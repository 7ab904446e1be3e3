"""The inspector of a loop, driven by clicks and keys."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

import qtloop
from qtloop import inspector
from qtloop._asyncio_private import cancel_all_tasks
from qtloop._binding import binding
from support.running import run_until

if TYPE_CHECKING:
    from qtloop.inspector._window import Window


class User:
    """Uses the window as a person does."""

    def __init__(self, loop: qtloop.QEventLoop) -> None:
        assert binding is not None
        self.loop = loop
        self.QtCore: Any = binding.QtCore
        self.QTest: Any = binding.module("QtTest").QTest
        self.QtWidgets: Any = binding.module("QtWidgets")
        self._window: Window | None = inspector.show(loop)
        self.until(lambda: self.window.isActiveWindow())

    @property
    def window(self) -> Window:
        """The window, until `forget_window()`."""
        assert self._window is not None
        return self._window

    def forget_window(self) -> None:
        """Drops the reference to the window."""
        self._window = None

    def until(self, is_done: Callable[[], object]) -> None:
        """Runs the loop until it is so."""
        run_until(self.loop, is_done)

    def update(self) -> None:
        """Runs the loop a little and updates the window."""
        self.loop.run_until_complete(asyncio.sleep(0.002))
        self.window.refresh()

    def click(self, widget: Any, at: Any = None) -> None:
        """Clicks into the middle of a widget, or at a point."""
        button = self.QtCore.Qt.MouseButton.LeftButton
        none = self.QtCore.Qt.KeyboardModifier.NoModifier
        self.QTest.mouseClick(widget, button, none, at or widget.rect().center())

    def click_row(self, row: int, column: int = 2) -> None:
        """Clicks a row of the visible table."""
        view = self.view
        area = view.visualRect(view.model().index(row, column))
        self.click(view.viewport(), area.center())

    def key(self, key: str, widget: Any = None, *, control: bool = False) -> None:
        """Presses a key: `Space`, `F12`."""
        modifiers = self.QtCore.Qt.KeyboardModifier
        modifier = modifiers.ControlModifier if control else modifiers.NoModifier
        code = getattr(self.QtCore.Qt.Key, f"Key_{key}")
        self.QTest.keyClick(widget or self.window, code, modifier)

    def type(self, text: str) -> None:
        """Types into the filter."""
        self.QTest.keyClicks(self.window.filter, text)

    @property
    def view(self) -> Any:
        """The visible table."""
        page: Any = self.window._stack.currentWidget()
        return page.view

    def texts(self, column: str) -> list[str]:
        """Returns the texts of a column of the visible table."""
        model = self.view.model()
        at = [each.name for each in model.columns].index(column)
        return [model.index(row, at).data() for row in range(model.rowCount())]

    def tree(self) -> list[str]:
        """Returns the names of the tasks, indented by their depth."""
        model = self.window.tasks.tasks
        names = self.texts("name")
        return [f"{'.' * model.depth(model.key(row))}{name}" for row, name in enumerate(names)]

    def button(self, text: str) -> Any:
        """Returns the visible button with that text."""
        buttons = self.window.findChildren(self.QtWidgets.QPushButton)
        return next(each for each in buttons if each.text() == text and each.isVisible())


@pytest.fixture
def user(loop: qtloop.QEventLoop) -> Iterator[User]:
    """A user of the inspector of the loop."""
    user = User(loop)
    yield user
    cancel_all_tasks(loop)
