"""One row of the window: the state of one download, and a button for it."""

from __future__ import annotations

import zlib
from math import cos, sin

from . import theme
from .download import Download, State
from .qt import QtCore, QtGui, QtWidgets
from .text import amount, duration, progress

SHAPES: dict[str, list[list[tuple[float, float]]]] = {  # strokes on a grid of 20 x 20
    "cancel": [[(5, 5), (15, 15)], [(15, 5), (5, 15)]],
    "start": [[(10, 3), (10, 13)], [(5.5, 8.5), (10, 13), (14.5, 8.5)], [(4, 17), (16, 17)]],
    "again": [
        [(10 + 6.5 * cos(turn / 10), 10 - 6.5 * sin(turn / 10)) for turn in range(7, 61)],
        [(15.4, 1.8), (15, 5.9), (10.9, 5.9)],
    ],
    "done": [[(4, 10.5), (8.2, 14.8), (16, 5.5)]],
}


def icon(shape: str, colour: str) -> QtGui.QIcon:
    """Draws a small icon of rounded strokes."""
    pixmap = QtGui.QPixmap(40, 40)
    pixmap.setDevicePixelRatio(2)
    pixmap.fill(QtCore.Qt.GlobalColor.transparent)
    painter = QtGui.QPainter(pixmap)
    painter.setRenderHint(QtGui.QPainter.RenderHint.Antialiasing)
    round_cap, round_join = QtCore.Qt.PenCapStyle.RoundCap, QtCore.Qt.PenJoinStyle.RoundJoin
    solid = QtCore.Qt.PenStyle.SolidLine
    painter.setPen(QtGui.QPen(QtGui.QColor(colour), 1.8, solid, round_cap, round_join))
    for stroke in SHAPES[shape]:
        painter.drawPolyline(QtGui.QPolygonF([QtCore.QPointF(x, y) for x, y in stroke]))
    painter.end()
    result = QtGui.QIcon(pixmap)
    result.addPixmap(pixmap, QtGui.QIcon.Mode.Disabled)
    return result


def tile(name: str) -> QtGui.QPixmap:
    """Draws the tile of a file: its suffix, on a tint that is always the same for that suffix."""
    suffix = name.rpartition(".")[2][:4].upper() if "." in name else "WWW"
    hue = zlib.crc32(suffix.encode()) % 360
    dark = theme.current() is theme.DARK
    size = 40
    pixmap = QtGui.QPixmap(size * 2, size * 2)
    pixmap.setDevicePixelRatio(2)
    pixmap.fill(QtCore.Qt.GlobalColor.transparent)
    painter = QtGui.QPainter(pixmap)
    painter.setRenderHint(QtGui.QPainter.RenderHint.Antialiasing)
    painter.setPen(QtCore.Qt.PenStyle.NoPen)
    painter.setBrush(QtGui.QColor.fromHsl(hue, 90 if dark else 170, 60 if dark else 236))
    painter.drawRoundedRect(0, 0, size, size, 10, 10)
    font = painter.font()
    font.setPixelSize(11)
    font.setWeight(QtGui.QFont.Weight.Bold)
    painter.setFont(font)
    painter.setPen(QtGui.QColor.fromHsl(hue, 150, 190 if dark else 90))
    painter.drawText(0, 0, size, size, QtCore.Qt.AlignmentFlag.AlignCenter, suffix)
    painter.end()
    return pixmap


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
        colours = theme.current()
        fill = {
            "good": colours.good,
            "warn": colours.warn,
            "bad": colours.bad,
            "off": colours.muted,
        }
        painter = QtGui.QPainter(self)
        painter.setRenderHint(QtGui.QPainter.RenderHint.Antialiasing)
        painter.setPen(QtCore.Qt.PenStyle.NoPen)
        round_end = self.height() / 2
        area = QtCore.QRectF(self.rect())
        painter.setBrush(QtGui.QColor(colours.track))
        painter.drawRoundedRect(area, round_end, round_end)
        if self._share:
            area.setWidth(max(self.height(), self.width() * self._share))
            painter.setBrush(QtGui.QColor(fill.get(self._mood, colours.accent)))
            painter.drawRoundedRect(area, round_end, round_end)


class Row(QtWidgets.QFrame):
    """A row that shows one download. The window connects `button`."""

    def __init__(self, download: Download) -> None:
        super().__init__()
        self.setObjectName("row")
        self.download = download
        self.button = QtWidgets.QToolButton()
        self.button.setIconSize(QtCore.QSize(20, 20))
        self._shape = ""
        self._tile = QtWidgets.QLabel()
        self._name = theme.label("name", fills=True)
        self._status = theme.label("status", fills=True)
        self._size = theme.label("size")
        self._speed = theme.label("speed")
        self._bar = Bar(5)
        for label, width in ((self._size, 132), (self._speed, 84)):
            label.setMinimumWidth(width)
            label.setAlignment(
                QtCore.Qt.AlignmentFlag.AlignRight | QtCore.Qt.AlignmentFlag.AlignVCenter
            )

        grid = QtWidgets.QGridLayout(self)
        grid.setContentsMargins(16, 11, 10, 11)
        grid.setHorizontalSpacing(12)
        grid.setVerticalSpacing(2)
        grid.setRowMinimumHeight(2, 11)
        grid.addWidget(self._tile, 0, 0, 3, 1)
        grid.addWidget(self._name, 0, 1)
        grid.addWidget(self._size, 0, 2)
        grid.addWidget(self._speed, 0, 3)
        grid.addWidget(self._status, 1, 1, 1, 3)
        grid.addWidget(self._bar, 2, 1, 1, 3, QtCore.Qt.AlignmentFlag.AlignBottom)
        grid.addWidget(self.button, 0, 4, 3, 1)
        grid.setColumnStretch(1, 1)
        self.repaint_in_theme()

    def repaint_in_theme(self) -> None:
        """Paints tile and icon again after a change of colours."""
        self._tile.setPixmap(tile(self.download.name))
        self._shape = ""
        self.refresh()

    def refresh(self) -> None:
        """Updates every part; unchanged parts are not painted again."""
        download = self.download
        mood, status = self._describe()
        _elide(self._name, download.name, hint=download.url)
        _elide(self._status, status, hint=status)
        if self._status.property("mood") != mood:
            self._status.setProperty("mood", mood)
            self._status.style().polish(self._status)
        self._size.setText(progress(download.received, download.size))
        self._speed.setText(f"{amount(download.speed)}/s" if download.speed else "")
        self._bar.show_share(download.received, download.size, mood)
        self._show_button()

    def _describe(self) -> tuple[str, str]:
        download = self.download
        match download.state:
            case State.READY:
                return "", "Ready"
            case State.ASKING:
                return "warn", f"{download.cause} Waiting for your answer."
            case State.DONE:
                check = "Verified" if download.verified else "Complete"
                return "good", f"{check} · SHA-256 {download.sha256[:16]}…"
            case State.FAILED:
                return "bad", download.cause
            case State.CANCELLED:
                return "off", "Cancelled"
        if not download.speed or not download.size:
            return "", "Fetching" if download.received else "Waiting for the server"
        return "", f"{duration((download.size - download.received) / download.speed)} left"

    def _show_button(self) -> None:
        colours = theme.current()
        shape, colour, hint = "start", colours.accent, f"Fetch {self.download.name}"
        if self.download.active:
            shape, colour, hint = "cancel", colours.muted, f"Cancel {self.download.name}"
        elif self.download.state in (State.FAILED, State.CANCELLED):
            shape, hint = "again", f"Try {self.download.name} again"
        elif self.download.state is State.DONE:
            shape, colour, hint = "done", colours.good, f"{self.download.name} is complete"
        if shape != self._shape:
            self._shape = shape
            self.button.setIcon(icon(shape, colour))
            self.button.setToolTip(hint)
            self.button.setAccessibleName(hint)
            self.button.setEnabled(shape != "done")


def _elide(label: QtWidgets.QLabel, text: str, hint: str) -> None:
    middle = QtCore.Qt.TextElideMode.ElideMiddle
    label.setText(label.fontMetrics().elidedText(text, middle, label.width()))
    if label.toolTip() != hint:
        label.setToolTip(hint)
