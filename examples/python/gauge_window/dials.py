"""The dial of a pressure, and the plot of the latencies."""

from __future__ import annotations

import math
import time
from itertools import pairwise

from download_window import theme
from download_window.qt import QtCore, QtGui, QtWidgets
from download_window.widgets import painter_of

from .control import SETPOINT
from .trace import SLOT, SLOTS, Trace

TOP = 10.0  # bar
START, SWEEP = 225.0, 270.0  # degrees of the dial: where 0 bar is, and from there to the top
STEP = 4  # pixels of the plot for each slot
DECADES = (0.1, 1.0, 10.0, 100.0, 1000.0)  # milliseconds
HEIGHT = 168  # pixels of the plot, from the lowest to the highest decade


def small_font(widget: QtWidgets.QWidget, pixels: int, *, bold: bool = False) -> QtGui.QFont:
    """Returns the font of a widget in another size."""
    font = widget.font()
    font.setPixelSize(pixels)
    font.setWeight(QtGui.QFont.Weight.DemiBold if bold else QtGui.QFont.Weight.Normal)
    return font


def colours() -> tuple[str, str]:
    """Returns the colours of qtloop's and of asyncio's curve."""
    return theme.current().accent, theme.current().warn


class Dial(QtWidgets.QWidget):
    """A pressure, with a mark at the setpoint and a band for the pressures of the last second."""

    def __init__(self, trace: Trace, number: int) -> None:
        super().__init__()
        self._trace = trace
        self._number = number
        self.setFixedSize(196, 162)

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:
        """Paints the scale, the band, the setpoint, the needle and the number."""
        current = theme.current()
        ink = QtGui.QColor(colours()[self._number])
        pressures = list(self._trace.pressures) or [SETPOINT]
        painter = painter_of(self)
        ring = QtCore.QRectF(14, 10, 168, 168)
        self._arc(painter, ring, 0, TOP, QtGui.QColor(current.track))
        band = QtGui.QColor(ink)
        band.setAlphaF(0.55)
        least, most = min(pressures), max(pressures)
        self._arc(painter, ring, max(0.0, least - 0.05), min(TOP, most + 0.05), band)

        centre = ring.center()
        painter.setFont(small_font(self, 11))
        painter.setPen(QtGui.QColor(current.muted))
        for value in range(0, 11, 2):
            x, y = self._place(value, 59)
            area = QtCore.QRectF(centre.x() + x - 12, centre.y() + y - 8, 24, 16)
            painter.drawText(area, QtCore.Qt.AlignmentFlag.AlignCenter, str(value))
        self._ray(painter, centre, SETPOINT, (73, 91), QtGui.QPen(QtGui.QColor(current.text), 2))
        pen = QtGui.QPen(ink, 3)
        pen.setCapStyle(QtCore.Qt.PenCapStyle.RoundCap)
        self._ray(painter, centre, pressures[-1], (28, 76), pen)

        painter.setPen(QtGui.QColor(current.text))
        painter.setFont(small_font(self, 20, bold=True))
        middle = QtCore.Qt.AlignmentFlag.AlignCenter
        number = QtCore.QRectF(centre.x() - 40, centre.y() - 16, 80, 26)
        painter.drawText(number, middle, f"{pressures[-1]:.2f}")
        painter.setPen(QtGui.QColor(current.muted))
        painter.setFont(small_font(self, 11))
        painter.drawText(number.translated(0, 18), middle, "bar")

    def _arc(
        self,
        painter: QtGui.QPainter,
        ring: QtCore.QRectF,
        low: float,
        high: float,
        colour: QtGui.QColor,
    ) -> None:
        pen = QtGui.QPen(colour, 12)
        pen.setCapStyle(QtCore.Qt.PenCapStyle.FlatCap)
        painter.setPen(pen)
        start = START - SWEEP * low / TOP
        painter.drawArc(ring, round(start * 16), round(-SWEEP * (high - low) / TOP * 16))

    def _ray(
        self,
        painter: QtGui.QPainter,
        centre: QtCore.QPointF,
        value: float,
        radii: tuple[float, float],
        pen: QtGui.QPen,
    ) -> None:
        painter.setPen(pen)
        ends = [centre + QtCore.QPointF(*self._place(value, radius)) for radius in radii]
        painter.drawLine(*ends)

    def _place(self, value: float, radius: float) -> tuple[float, float]:
        angle = math.radians(START - SWEEP * value / TOP)
        return radius * math.cos(angle), -radius * math.sin(angle)


class LatencyPlot(QtWidgets.QWidget):
    """The highest latency of each 0.1 s, on a logarithmic axis, for the last 20 seconds."""

    def __init__(self, traces: tuple[Trace, Trace]) -> None:
        super().__init__()
        self._traces = traces
        self.setFixedHeight(9 + HEIGHT + 9)  # above and below are the halves of the labels

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:
        """Paints the guides and the two curves."""
        current = theme.current()
        painter = painter_of(self)
        width = self.width() - 54
        painter.setFont(small_font(self, 11))
        beside = QtCore.Qt.AlignmentFlag.AlignLeft | QtCore.Qt.AlignmentFlag.AlignVCenter
        for value in DECADES:
            y = round(self._at(value))
            painter.fillRect(0, y, width + 4, 1, QtGui.QColor(current.line))
            painter.setPen(QtGui.QColor(current.muted))
            text = "1 s" if value == 1000 else f"{value:g} ms"
            painter.drawText(QtCore.QRect(width + 8, y - 8, 54, 17), beside, text)
        painter.setClipRect(0, 0, width, self.height())
        newest = int(time.monotonic() / SLOT)
        for trace, colour in zip(self._traces, colours(), strict=True):
            points = [
                QtCore.QPointF(width - STEP * (newest - slot), self._at(latency * 1000))
                for slot, latency in list(trace.slots)[-min(SLOTS, width // STEP + 1) :]
            ]
            painter.setPen(QtGui.QPen(QtGui.QColor(colour), 1.5))
            # Single lines: one line of all points is slow to paint, and the control loop waits.
            painter.drawLines([QtCore.QLineF(*pair) for pair in pairwise(points)])

    def _at(self, milliseconds: float) -> float:
        """Returns the place of a latency."""
        low, high = math.log10(DECADES[0]), math.log10(DECADES[-1])
        part = (math.log10(max(milliseconds, DECADES[0])) - low) / (high - low)
        return 9 + HEIGHT * (1 - min(1.0, part))
