"""The pages of the window: each is a table with a strip of details."""

from __future__ import annotations

from collections.abc import Callable

from . import _awaits, _editor
from ._details import Details
from ._nodes import Node
from ._qt import QtCore, QtGui, QtWidgets
from ._rows import RowsModel
from ._source import Source
from ._tables import CallbacksModel, TimersModel, WatchesModel
from ._task_model import TaskModel
from ._tasks import Read
from ._view import TableView


class Page(QtWidgets.QWidget):
    """A table of records that are read at each update while the page is visible."""

    name = ""
    hint = "Select a row to open its source line."
    can_cancel = False

    def __init__(self, model: RowsModel, say: Callable[[str], None]) -> None:
        super().__init__()
        self.model = model
        self.view = TableView(model)
        self._say = say
        cancel = self.cancel if self.can_cancel else None
        self.details = Details(self.open_source, cancel)
        rule = QtWidgets.QFrame()
        rule.setObjectName("rule")
        rule.setFixedHeight(1)
        column = QtWidgets.QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        inset = QtWidgets.QVBoxLayout()
        inset.setContentsMargins(8, 0, 4, 0)
        inset.addWidget(self.view)
        column.addLayout(inset)
        column.addWidget(rule)
        column.addWidget(self.details)
        self.view.selectionModel().selectionChanged.connect(lambda *_: self.show_details())
        self.view.doubleClicked.connect(lambda _: self.open_source())
        self.view.customContextMenuRequested.connect(self._show_menu)

    def read(self, source: Source) -> None:
        """Reads the records."""
        raise NotImplementedError

    def empty(self) -> str:
        """Returns the sentence that is shown without any record."""
        raise NotImplementedError

    def update_rows(self, words: str) -> None:
        """Shows what was read."""
        self.view.refresh()
        self.view.show_empty(f"Nothing matches “{words}”." if words else self.empty())
        self.show_details()

    def show_details(self) -> None:
        """Shows the selected row in the strip."""
        key = self.view.chosen()
        if key is None:
            self.details.clear(self.hint)
        else:
            self.details.show_place(self.model.place(key), "It is C code.")

    def open_source(self) -> None:
        """Opens the source line of the selected row."""
        key = self.view.chosen()
        place = self.model.place(key) if key is not None else None
        if place is not None:
            self._say(_editor.open_place(place))

    def copy_place(self) -> None:
        """Copies the path and the line of the selected row."""
        key = self.view.chosen()
        place = self.model.place(key) if key is not None else None
        if place is not None:
            QtGui.QGuiApplication.clipboard().setText(place.full())
            self._say(f"Copied {place.short()}.")

    def cancel(self) -> None:
        """Cancels what is selected."""

    def menu(self) -> QtWidgets.QMenu:
        """Returns the menu of the selected row."""
        menu = QtWidgets.QMenu(self)
        key = self.view.chosen()
        has_place = key is not None and self.model.place(key) is not None
        menu.addAction("Open source", self.open_source).setEnabled(has_place)
        menu.addAction("Copy place", self.copy_place).setEnabled(has_place)
        return menu

    def _show_menu(self, at: QtCore.QPoint) -> None:
        if self.view.chosen() is not None:
            menu = self.menu()
            menu.setAttribute(QtCore.Qt.WidgetAttribute.WA_DeleteOnClose)
            menu.popup(self.view.viewport().mapToGlobal(at))


class TasksPage(Page):
    """The live tasks, which are read also while another page is visible, for their warnings."""

    name = "Tasks"
    hint = "Select a task to see what it awaits, to cancel it, or to open its source line."
    can_cancel = True

    def __init__(self, read: Read, say: Callable[[str], None]) -> None:
        self.tasks = TaskModel(read)
        super().__init__(self.tasks, say)

    def read(self, source: Source) -> None:
        """Does nothing: the window updates the tasks, whichever page is visible."""

    def empty(self) -> str:
        """Returns the sentence that is shown without any task."""
        return "No task is alive. Tasks appear here when the program makes them."

    def warned(self) -> int:
        """Returns the number of tasks with a warning."""
        return sum(bool(node.warnings) for node in self.tasks.tasks.nodes.values())

    def chosen(self) -> Node | None:
        """Returns the selected task."""
        key = self.view.chosen()
        return self.tasks.node(key) if key is not None else None

    def show_details(self) -> None:
        """Shows the frames of the selected task."""
        node = self.chosen()
        if node is None:
            self.details.clear(self.hint)
            return
        task = node.task()
        where, awaits = self.tasks.waiting(node)
        if node.is_done:
            chain = [where] if where else []
        else:
            chain = _awaits.chain(task) if task is not None else []
            awaits = _awaits.describe_awaited(task)
        self.details.show_task(chain, awaits, node.warnings, node.is_done)

    def cancel(self) -> None:
        """Cancels the selected task."""
        node = self.chosen()
        task = node.task() if node is not None else None
        if node is not None and task is not None and not task.done():
            task.cancel()
            self._say(f"Cancelled {node.name}.")

    def menu(self) -> QtWidgets.QMenu:
        """Returns the menu of the selected task."""
        menu = super().menu()
        menu.addSeparator()
        node = self.chosen()
        action = menu.addAction("Cancel task", self.cancel)
        action.setEnabled(node is not None and not node.is_done)
        return menu


class CallbacksPage(Page):
    """The jobs by code location."""

    name = "Callbacks"

    def __init__(self, say: Callable[[str], None]) -> None:
        self._callbacks = CallbacksModel()
        super().__init__(self._callbacks, say)

    def read(self, source: Source) -> None:
        """Reads the callbacks."""
        self._callbacks.show(source.callbacks())

    def empty(self) -> str:
        """Returns the sentence that is shown without any callback."""
        return "No callback has run since the inspector was opened."


class TimersPage(Page):
    """The timers that wait."""

    name = "Timers"

    def __init__(self, say: Callable[[str], None]) -> None:
        self._timers = TimersModel()
        super().__init__(self._timers, say)

    def read(self, source: Source) -> None:
        """Reads the timers."""
        self._timers.show(source.timers())

    def empty(self) -> str:
        """Returns the sentence that is shown without any timer."""
        return "No timer waits. sleep(), timeout() and call_later() make them."


class WatchesPage(Page):
    """The watched directions of file descriptors."""

    name = "Descriptors"

    def __init__(self, say: Callable[[str], None]) -> None:
        self._watches = WatchesModel()
        super().__init__(self._watches, say)

    def read(self, source: Source) -> None:
        """Reads the watches."""
        self._watches.show(source.watches())

    def empty(self) -> str:
        """Returns the sentence that is shown without any watch."""
        return "No file descriptor is watched. Connections and add_reader() watch them."
