"""Paints the cells of the tables: texts, numbers, branches of the tree, states and warnings."""

from __future__ import annotations

from . import _theme
from ._qt import QtCore, QtGui, QtWidgets
from ._rows import Cell, ModelIndex, RowsModel

INDENT = 16  # pixels for each level of the tree
MARGIN = 8  # pixels at the left and the right of a text
ARROW = 14  # pixels for the arrow of a branch

_Align = QtCore.Qt.AlignmentFlag
LEFT = _Align.AlignLeft | _Align.AlignVCenter
RIGHT = _Align.AlignRight | _Align.AlignVCenter
SELECTED = QtWidgets.QStyle.StateFlag.State_Selected


class CellDelegate(QtWidgets.QAbstractItemDelegate):
    """Paints cells without asking the model for roles, which would take ten times as long."""

    def __init__(self, view: QtWidgets.QTableView, model: RowsModel) -> None:
        super().__init__(view)
        self._view = view
        self._model = model
        self.update_theme()

    def update_theme(self) -> None:
        """Takes the colours of the palette."""
        self._theme = _theme.current()
        self._font = _theme.font(self._view, 12)
        self._metrics = QtGui.QFontMetrics(self._font)
        self._colours = {name: QtGui.QColor(value) for name, value in vars(self._theme).items()}

    def sizeHint(self, option: QtWidgets.QStyleOptionViewItem, index: ModelIndex) -> QtCore.QSize:
        """Returns the size of a cell, which depends on the column only."""
        return QtCore.QSize(self._model.columns[index.column()].width, 28)

    def paint(
        self,
        painter: QtGui.QPainter,
        option: QtWidgets.QStyleOptionViewItem,
        index: ModelIndex,
    ) -> None:
        """Paints a cell."""
        key = self._model.key(index.row())
        at = index.column()
        column, cell = self._model.columns[at], self._model.cells(key)[at]
        area: QtCore.QRect = option.rect
        if option.state & SELECTED:
            painter.fillRect(area, self._colours["chosen"])
        if not cell.text:
            return
        painter.setFont(self._font)
        left, top, height = area.left() + MARGIN, area.top(), area.height()
        right = area.right() + 1 - MARGIN
        if column.kind == "number":
            painter.setPen(self._colours[cell.tone])
            painter.drawText(left, top, right - left, height, RIGHT, cell.text)
        elif column.kind == "warning":
            self._triangle(painter, area, cell.tone)
        else:
            if column.kind == "name":
                left = self._branch(painter, left, area.center().y() + 1, key)
            elif column.kind == "state":
                self._dot(painter, left + 4, area.center().y() + 1, cell.tone)
                left += 14
            self._text(painter, (left, top, right - left, height), cell, column.kind == "place")

    def _text(
        self, painter: QtGui.QPainter, area: tuple[int, int, int, int], cell: Cell, middle: bool
    ) -> None:
        """Paints a text, and its note if there is room."""
        left, top, width, height = area
        needed = self._metrics.horizontalAdvance(cell.text)
        text = cell.text
        if needed > width:
            mode = QtCore.Qt.TextElideMode
            elide = mode.ElideMiddle if middle else mode.ElideRight
            text = self._metrics.elidedText(text, elide, width)
        painter.setPen(self._colours["text" if cell.tone == "accent" else cell.tone])
        painter.drawText(left, top, width, height, LEFT, text)
        rest = width - needed - MARGIN
        if cell.note and rest > 24:
            note = self._metrics.elidedText(cell.note, QtCore.Qt.TextElideMode.ElideRight, rest)
            painter.setPen(self._colours["muted"])
            painter.drawText(left + needed + MARGIN, top, rest, height, LEFT, note)

    def _branch(self, painter: QtGui.QPainter, left: int, y: int, key: int) -> int:
        """Paints the arrow of a task with others below it. Returns the left edge of its name."""
        left += INDENT * self._depth(key)
        is_open = self._is_open(key)
        if is_open is not None:
            x = left + 4
            points = [(-3, -2), (0, 1), (3, -2)] if is_open else [(-1, -3), (2, 0), (-1, 3)]
            pen = QtGui.QPen(self._colours["muted"], 1.5)
            pen.setCapStyle(QtCore.Qt.PenCapStyle.RoundCap)
            painter.setRenderHint(QtGui.QPainter.RenderHint.Antialiasing)
            painter.setPen(pen)
            painter.drawPolyline(QtGui.QPolygonF([QtCore.QPointF(x + a, y + b) for a, b in points]))
        return left + ARROW

    def _depth(self, key: int) -> int:
        depth: int = getattr(self._model, "depth", lambda key: 0)(key)
        return depth

    def _is_open(self, key: int) -> bool | None:
        is_open: bool | None = getattr(self._model, "branch", lambda key: None)(key)
        return is_open

    def arrow_area(self, area: QtCore.QRect, key: int) -> QtCore.QRect | None:
        """Returns where a click opens or closes a branch; None if there is none."""
        if self._is_open(key) is None:
            return None
        left = area.left() + MARGIN + INDENT * self._depth(key) - 6
        return QtCore.QRect(left, area.top(), ARROW + 8, area.height())

    def _dot(self, painter: QtGui.QPainter, x: int, y: int, tone: str) -> None:
        painter.setRenderHint(QtGui.QPainter.RenderHint.Antialiasing)
        painter.setPen(QtCore.Qt.PenStyle.NoPen)
        painter.setBrush(self._colours["guide" if tone == "muted" else tone])
        painter.drawEllipse(QtCore.QPointF(x, y), 3.5, 3.5)

    def _triangle(self, painter: QtGui.QPainter, area: QtCore.QRect, tone: str) -> None:
        """Paints a warning triangle with an exclamation mark."""
        x, y = area.center().x() + 1, area.center().y()
        painter.setRenderHint(QtGui.QPainter.RenderHint.Antialiasing)
        pen = QtGui.QPen(self._colours[tone], 2)
        pen.setJoinStyle(QtCore.Qt.PenJoinStyle.RoundJoin)
        painter.setPen(pen)
        painter.setBrush(self._colours[tone])
        corners = [(0, -5), (5.5, 5), (-5.5, 5)]
        painter.drawPolygon(QtGui.QPolygonF([QtCore.QPointF(x + a, y + b) for a, b in corners]))
        painter.setPen(QtGui.QPen(self._colours["card"], 1.4))
        painter.drawLine(QtCore.QPointF(x, y - 2.2), QtCore.QPointF(x, y + 1.6))
        painter.drawPoint(QtCore.QPointF(x, y + 4))
