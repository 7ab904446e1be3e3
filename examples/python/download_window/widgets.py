"""The small widgets of the window: label, button, card, progress bar, file tile, icon and veil."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from math import cos, sin

from . import theme
from .qt import QtCore, QtGui, QtWidgets

SHAPES: dict[str, list[list[tuple[float, float]]]] = {  # strokes on a grid of 20 x 20
    "cancel": [[(5, 5), (15, 15)], [(15, 5), (5, 15)]],
    "start": [[(10, 3), (10, 13)], [(5.5, 8.5), (10, 13), (14.5, 8.5)], [(4, 17), (16, 17)]],
    "again": [
        [(10 + 6.5 * cos(turn / 10), 10 - 6.5 * sin(turn / 10)) for turn in range(7, 61)],
        [(15.4, 1.8), (15, 5.9), (10.9, 5.9)],
    ],
    "done": [[(4, 10.5), (8.2, 14.8), (16, 5.5)]],
}
TILE = 40  # the width and height of a tile, in pixels


def label(name: str, text: str = "", *, fills: bool = False) -> QtWidgets.QLabel:
    """Makes a label that the style sheet selects by `name`.

    A label that `fills` takes the available width and ignores that of its text, so that a text that
    changes often does not lay out the window again.
    """
    result = QtWidgets.QLabel(text)
    result.setObjectName(name)
    if fills:
        policy = QtWidgets.QSizePolicy.Policy
        result.setSizePolicy(policy.Ignored, policy.Fixed)
    return result


def button(text: str, slot: Callable[[], None], kind: str = "") -> QtWidgets.QPushButton:
    """Makes a button that calls `slot`; the `kind` is "primary" or nothing."""
    result = QtWidgets.QPushButton(text)
    result.setProperty("kind", kind)
    result.clicked.connect(lambda: slot())  # without the signal's own argument
    return result


def card() -> tuple[QtWidgets.QFrame, QtWidgets.QVBoxLayout]:
    """Makes a surface with a thin edge, and its layout, a column without margins."""
    result = QtWidgets.QFrame()
    result.setObjectName("card")
    column = QtWidgets.QVBoxLayout(result)
    column.setContentsMargins(0, 0, 0, 0)
    return result, column


def painter_of(widget: QtWidgets.QWidget | QtGui.QPixmap | QtGui.QImage) -> QtGui.QPainter:
    """Starts to paint with smooth edges and without outlines."""
    painter = QtGui.QPainter(widget)
    painter.setRenderHint(QtGui.QPainter.RenderHint.Antialiasing)
    painter.setPen(QtCore.Qt.PenStyle.NoPen)
    return painter


class Bar(QtWidgets.QWidget):
    """A thin progress bar. `QProgressBar` would repaint at once, 0.4 ms for each new value."""

    def __init__(self, height: int) -> None:
        super().__init__()
        self.setFixedHeight(height)
        self._share = 0.0
        self._mood = ""

    def show_share(self, received: int, size: int | None, mood: str = "") -> None:
        """Sets the filled share, and the colour for the mood."""
        share = received / size if size else 0.0
        if (share, mood) != (self._share, self._mood):
            self._share, self._mood = share, mood
            self.update()

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:
        """Paints the track and the filled part, which is at least a dot once bytes have arrived."""
        painter = painter_of(self)
        round_end = self.height() / 2
        area = QtCore.QRectF(self.rect())
        painter.setBrush(QtGui.QColor(theme.current().track))
        painter.drawRoundedRect(area, round_end, round_end)
        if self._share:
            area.setWidth(max(self.height(), self.width() * min(1.0, self._share)))
            painter.setBrush(theme.mood(self._mood, theme.current().accent))
            painter.drawRoundedRect(area, round_end, round_end)


class Tile(QtWidgets.QWidget):
    """The tile of a file: its suffix on a background colour that depends only on the suffix."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setFixedSize(TILE, TILE)
        self._name = name

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:
        """Paints the tile."""
        _paint_tile(painter_of(self), self._name)


def tile_pixmap(name: str) -> QtGui.QPixmap:
    """Returns the tile as a picture of double size, for a message box."""
    pixmap = QtGui.QPixmap(TILE * 2, TILE * 2)
    pixmap.setDevicePixelRatio(2)
    pixmap.fill(QtCore.Qt.GlobalColor.transparent)
    painter = painter_of(pixmap)
    _paint_tile(painter, name)
    painter.end()
    return pixmap


def _paint_tile(painter: QtGui.QPainter, name: str) -> None:
    suffix = name.rpartition(".")[2][:4].upper() if "." in name else "WWW"
    hue = reduce(lambda total, letter: (total * 42 + ord(letter)) % 360, suffix, 14) / 360
    is_dark = theme.current() is theme.DARK
    ground, ink = ((0.35, 0.24), (0.6, 0.75)) if is_dark else ((0.67, 0.93), (0.6, 0.35))
    painter.setBrush(QtGui.QColor.fromHslF(hue, *ground))
    painter.drawRoundedRect(0, 0, TILE, TILE, 10, 10)
    font = QtWidgets.QApplication.font()
    font.setPixelSize(11)
    font.setWeight(QtGui.QFont.Weight.Bold)
    painter.setFont(font)
    painter.setPen(QtGui.QColor.fromHslF(hue, *ink))
    painter.drawText(0, 0, TILE, TILE, QtCore.Qt.AlignmentFlag.AlignCenter, suffix)


class Icon(QtWidgets.QAbstractButton):
    """A small button with a picture of rounded strokes: cancel, start, again or done."""

    def __init__(self) -> None:
        super().__init__()
        self.setFixedSize(34, 34)
        self.setAttribute(QtCore.Qt.WidgetAttribute.WA_Hover)
        self._shape = ""

    def show_shape(self, shape: str, hint: str) -> None:
        """Sets the picture and the tool tip."""
        if shape != self._shape:
            self._shape = shape
            self.setToolTip(hint)
            self.setAccessibleName(hint)
            self.setEnabled(shape != "done")
            self.update()

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:
        """Paints the strokes, and a ground under the pointer and with the focus."""
        colours = theme.current()
        painter = painter_of(self)
        if self.isEnabled() and (self.underMouse() or self.hasFocus()):
            painter.setBrush(QtGui.QColor(colours.track))
            painter.drawRoundedRect(self.rect(), 8, 8)
        ink = {"done": colours.good, "cancel": colours.muted}.get(self._shape, colours.accent)
        pen = QtGui.QPen(QtGui.QColor(ink), 1.8)
        pen.setCapStyle(QtCore.Qt.PenCapStyle.RoundCap)
        pen.setJoinStyle(QtCore.Qt.PenJoinStyle.RoundJoin)
        painter.setPen(pen)
        painter.translate(7, 7)
        for stroke in SHAPES.get(self._shape, []):
            painter.drawPolyline(QtGui.QPolygonF([QtCore.QPointF(x, y) for x, y in stroke]))


class Veil(QtWidgets.QWidget):
    """Dims the window below an open question."""

    def __init__(self, window: QtWidgets.QWidget) -> None:
        super().__init__(window)
        self.hide()

    def showEvent(self, event: QtGui.QShowEvent) -> None:
        """Covers the window."""
        window = self.parentWidget()
        if window is not None:
            self.setGeometry(window.rect())
        self.raise_()

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:
        """Paints the veil."""
        painter_of(self).fillRect(self.rect(), QtGui.QColor(theme.current().veil))
