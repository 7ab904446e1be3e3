"""The base class of the tables' models: rows with keys, and few signals when they change."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from ._qt import QtCore
from ._text import Place

ModelIndex = QtCore.QModelIndex | QtCore.QPersistentModelIndex

Role = QtCore.Qt.ItemDataRole
RIGHT = QtCore.Qt.AlignmentFlag.AlignRight | QtCore.Qt.AlignmentFlag.AlignVCenter
LEFT = QtCore.Qt.AlignmentFlag.AlignLeft | QtCore.Qt.AlignmentFlag.AlignVCenter


@dataclass(frozen=True)
class Column:
    """A column: its heading, its width in pixels, and how its cells are painted."""

    name: str
    title: str
    width: int
    # "text", "number" (right-aligned), "place", "name" (with the branches of a tree), "state" or
    # "warning"
    kind: str = "text"
    hint: str = ""
    stretch: int = 0  # the share of the width that is left
    sorts: bool = True


@dataclass(frozen=True)
class Cell:
    """The text of a cell, and the name of its colour."""

    text: str
    tone: str = "text"
    note: str = ""  # a muted text that follows


class RowsModel(QtCore.QAbstractTableModel):
    """A table whose rows have keys. A subclass says what their cells are.

    The cells of a row are made when it is painted, and again by `refresh()` while it is visible.
    """

    columns: ClassVar[Sequence[Column]] = ()

    def __init__(self, parent: QtCore.QObject | None = None) -> None:
        super().__init__(parent)
        self._keys: list[Any] = []
        self._cells: dict[Any, tuple[Cell, ...]] = {}
        # The column that sorts the rows, and whether they are reversed.
        self.order: tuple[int, bool] | None = None

    # Methods of a subclass

    def make_cells(self, key: Any) -> tuple[Cell, ...]:
        """Returns the cells of a row."""
        raise NotImplementedError

    def sort_by(self, name: str, is_reversed: bool) -> None:
        """Sorts the rows by a column; an empty name is the table's own order."""
        raise NotImplementedError

    def find(self, words: str) -> None:
        """Shows only the rows whose text contains each word."""
        raise NotImplementedError

    def hint(self, key: Any, column: int) -> str:
        """Returns the tool tip of a cell."""
        return ""

    def place(self, key: Any) -> Place | None:
        """Returns the source line of a row."""
        return None

    # Methods that views call

    def rowCount(self, parent: ModelIndex | None = None) -> int:
        """Returns the number of rows."""
        return 0 if parent is not None and parent.isValid() else len(self._keys)

    def columnCount(self, parent: ModelIndex | None = None) -> int:
        """Returns the number of columns."""
        return 0 if parent is not None and parent.isValid() else len(self.columns)

    def data(self, index: ModelIndex, role: int = Role.DisplayRole) -> Any:
        """Returns the text or the tool tip of a cell. The delegate paints without this method."""
        if not index.isValid():
            return None
        key, column = self._keys[index.row()], index.column()
        if role == Role.DisplayRole:
            return self.cells(key)[column].text
        if role == Role.ToolTipRole:
            return self.hint(key, column) or self.cells(key)[column].text
        return None

    def headerData(
        self, section: int, orientation: QtCore.Qt.Orientation, role: int = Role.DisplayRole
    ) -> Any:
        """Returns the heading of a column."""
        if orientation == QtCore.Qt.Orientation.Vertical:
            return None
        column = self.columns[section]
        if role == Role.DisplayRole:
            if self.order is None or self.order[0] != section:
                return column.title
            return f"{column.title} {'↓' if self.order[1] else '↑'}".strip()
        if role == Role.ToolTipRole:
            return column.hint
        if role == Role.TextAlignmentRole:
            return RIGHT if column.kind == "number" else LEFT
        return None

    def key(self, row: int) -> Any:
        """Returns the key of a row."""
        return self._keys[row]

    def row_of(self, key: Hashable) -> int | None:
        """Returns the row of a key, if it has one."""
        try:
            return self._keys.index(key)
        except ValueError:
            return None

    def cells(self, key: Any) -> tuple[Cell, ...]:
        """Returns the cells of a row, which are made now if they were not visible before."""
        cells = self._cells.get(key)
        if cells is None:
            cells = self._cells[key] = self.make_cells(key)
        return cells

    # Changes

    def show_order(self, order: tuple[int, bool] | None) -> None:
        """Shows an arrow in the heading of the column that sorts the rows."""
        self.order = order
        horizontal = QtCore.Qt.Orientation.Horizontal
        self.headerDataChanged.emit(horizontal, 0, len(self.columns) - 1)

    def arrange(self, keys: list[Any]) -> None:
        """Sets the rows. Rows move first, then the tail is removed, then new ones are added."""
        old = self._keys
        if keys == old:
            return
        wanted = set(keys)
        kept = [key for key in old if key in wanted]
        if len(kept) < len(old):
            self._permute(kept + [key for key in old if key not in wanted])
            self.beginRemoveRows(QtCore.QModelIndex(), len(kept), len(old) - 1)
            self._keys = kept
            self.endRemoveRows()
        if len(kept) < len(keys):
            known = set(kept)
            added = [key for key in keys if key not in known]
            self.beginInsertRows(QtCore.QModelIndex(), len(kept), len(keys) - 1)
            self._keys = kept + added
            self.endInsertRows()
        self._permute(keys)

    def _permute(self, keys: list[Any]) -> None:
        if keys == self._keys:
            return
        self.layoutAboutToBeChanged.emit()
        before = self.persistentIndexList()
        rows = {self._keys[index.row()]: -1 for index in before}
        if rows:
            for row, key in enumerate(keys):
                if key in rows:
                    rows[key] = row
        after = [self.index(rows[self._keys[index.row()]], index.column()) for index in before]
        self._keys = keys
        self.changePersistentIndexList(before, after)
        self.layoutChanged.emit()

    def refresh(self, visible: Iterable[int]) -> None:
        """Makes the cells of the visible rows again, and emits signals for changed ones."""
        old, self._cells = self._cells, {}
        last = len(self.columns) - 1
        for row in visible:
            if not 0 <= row < len(self._keys):
                continue
            key = self._keys[row]
            before, cells = old.get(key), self.make_cells(key)
            self._cells[key] = cells
            if before is not None and before != cells:
                changed = [at for at, cell in enumerate(cells) if cell != before[at]]
                first = changed[0] if changed else last
                self.dataChanged.emit(self.index(row, first), self.index(row, changed[-1]))
