"""A table of the window: its columns, its order, and the keys and clicks of its rows."""

from __future__ import annotations

from typing import Any

from ._delegate import CellDelegate
from ._qt import QtCore, QtGui, QtWidgets, position
from ._rows import RowsModel

ROW = 28  # pixels


class TableView(QtWidgets.QTableView):
    """Shows a `RowsModel`, with a sentence while it is empty."""

    def __init__(self, model: RowsModel) -> None:
        super().__init__()
        self.rows = model
        self._empty = QtWidgets.QLabel(self.viewport())
        self._empty.setObjectName("empty")
        self._empty.setAlignment(QtCore.Qt.AlignmentFlag.AlignCenter)
        self.setModel(model)
        self._delegate = CellDelegate(self, model)
        self.setItemDelegate(self._delegate)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)
        self.setSelectionBehavior(self.SelectionBehavior.SelectRows)
        self.setSelectionMode(self.SelectionMode.SingleSelection)
        self.setHorizontalScrollMode(self.ScrollMode.ScrollPerPixel)
        self.setContextMenuPolicy(QtCore.Qt.ContextMenuPolicy.CustomContextMenu)
        vertical = self.verticalHeader()
        vertical.hide()
        vertical.setSectionResizeMode(vertical.ResizeMode.Fixed)
        vertical.setDefaultSectionSize(ROW)
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setSectionsClickable(True)
        header.setMinimumSectionSize(28)
        header.sectionClicked.connect(self._on_header)

    # -- columns ---------------------------------------------------------------------------------

    def resizeEvent(self, event: QtGui.QResizeEvent) -> None:
        """Gives the width that is left to the columns that stretch, until the user sets one."""
        super().resizeEvent(event)
        self._empty.setGeometry(self.viewport().rect())
        header = self.horizontalHeader()
        columns = self.rows.columns
        rest = max(0, self.viewport().width() - sum(column.width for column in columns))
        shares = sum(column.stretch for column in columns)
        for at, column in enumerate(columns):
            extra = rest * column.stretch // shares if shares else 0
            header.resizeSection(at, column.width + extra)

    def _on_header(self, at: int) -> None:
        """Sorts by a column, then the other way round, then in the table's own order again."""
        column, order = self.rows.columns[at], self.rows.order
        if not column.sorts:
            return
        # The largest numbers and the warnings are first.
        is_reversed = column.kind in ("number", "warning")
        if order is None or order[0] != at:
            order = (at, is_reversed)
        elif order[1] is is_reversed:
            order = (at, not is_reversed)
        else:
            order = None
        self.rows.show_order(order)
        self.rows.sort_by(column.name if order else "", order is not None and order[1])
        self.refresh()

    # -- rows ------------------------------------------------------------------------------------

    def visible_rows(self) -> range:
        """Returns the rows that are on the screen."""
        first = self.rowAt(0)
        if first < 0:
            return range(0)
        last = self.rowAt(self.viewport().height() - 1)
        return range(first, (last if last >= 0 else self.rows.rowCount() - 1) + 1)

    def refresh(self) -> None:
        """Makes the cells of the visible rows again."""
        self.rows.refresh(self.visible_rows())

    def show_empty(self, sentence: str) -> None:
        """Shows a sentence if there is no row."""
        self._empty.setVisible(self.rows.rowCount() == 0)
        if self._empty.text() != sentence:
            self._empty.setText(sentence)

    def chosen(self) -> Any | None:
        """Returns the key of the selected row."""
        indexes = self.selectionModel().selectedRows()
        return self.rows.key(indexes[0].row()) if indexes else None

    def update_theme(self) -> None:
        """Takes the colours of the palette."""
        self._delegate.update_theme()
        self.viewport().update()

    # -- branches --------------------------------------------------------------------------------

    def mousePressEvent(self, event: QtGui.QMouseEvent) -> None:
        """Opens or closes a branch by a click on its arrow; selects the row by others."""
        index = self.indexAt(position(event))
        if index.isValid() and self.rows.columns[index.column()].kind == "name":
            key = self.rows.key(index.row())
            arrow = self._delegate.arrow_area(self.visualRect(index), key)
            if arrow is not None and arrow.contains(position(event)):
                self._toggle(key)
                return
        super().mousePressEvent(event)

    def keyPressEvent(self, event: QtGui.QKeyEvent) -> None:
        """Closes a branch by Left and opens it by Right, as trees do."""
        key, code = self.chosen(), event.key()
        codes = QtCore.Qt.Key
        if key is not None and code in (codes.Key_Left, codes.Key_Right):
            self._toggle(key, code == codes.Key_Right)
            return
        super().keyPressEvent(event)

    def _toggle(self, key: Any, is_open: bool | None = None) -> None:
        branch = getattr(self.rows, "branch", lambda key: None)(key)
        set_open = getattr(self.rows, "set_open", None)
        if branch is None or set_open is None or branch is is_open:
            return
        set_open(key, not branch)
        self.refresh()
        self.viewport().update()
