"""A measurement of how smooth the window is: a 60 Hz timer that measures its delay, and a plot."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from itertools import pairwise

from . import theme
from .qt import QtCore, QtGui, QtWidgets

PERIOD = 16  # milliseconds, for a screen of 60 Hz
BUDGET = 1000 / 60
CEILING = 40.0  # the top of the plot, in milliseconds
STEP = 2  # the width of a frame in the plot, in pixels


class FrameClock:
    """Calls `on_frame` 60 times a second, and records the time between two calls."""

    def __init__(self, on_frame: Callable[[], None]) -> None:
        self.times: deque[float] = deque(maxlen=60 * 60)  # about the last minute
        self._on_frame = on_frame
        self._last = 0.0
        self._timer = QtCore.QTimer()
        self._timer.setTimerType(QtCore.Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._frame)

    def start(self) -> None:
        """Starts measuring."""
        self._last = 0.0  # the first frame has no previous one
        self._timer.start(PERIOD)

    def stop(self) -> None:
        """Stops measuring."""
        self._timer.stop()

    def figures(self) -> tuple[float, float, float]:
        """Returns the median, the 99th percentile and the longest frame, in milliseconds."""
        ordered = sorted(self.times) or [0.0]
        last = len(ordered) - 1
        return ordered[last // 2], ordered[round(last * 0.99)], ordered[last]

    def _frame(self) -> None:
        now = time.perf_counter()
        if self._last:
            self.times.append((now - self._last) * 1000)
        self._last = now
        self._on_frame()


class FramePlot(QtWidgets.QWidget):
    """Plots the last seconds of a frame clock: a flat line is smooth, a spike is a late frame."""

    def __init__(self, clock: FrameClock) -> None:
        super().__init__()
        self._clock = clock
        self.setMinimumHeight(104)

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:
        """Paints the grid, the curve, and the late frames in a warning colour."""
        colours = theme.current()
        painter = QtGui.QPainter(self)
        painter.setRenderHint(QtGui.QPainter.RenderHint.Antialiasing)
        width, height = self.width() - 54.0, self.height() - 4.0

        def y(milliseconds: float) -> float:
            return 2 + height * (1 - min(milliseconds, CEILING) / CEILING)

        font = painter.font()
        font.setPixelSize(11)
        painter.setFont(font)
        for value, label in ((0.0, "0 ms"), (BUDGET, "16.7 ms"), (2 * BUDGET, "33.3 ms")):
            style = QtCore.Qt.PenStyle.DashLine if value else QtCore.Qt.PenStyle.SolidLine
            painter.setPen(QtGui.QPen(QtGui.QColor(colours.line), 1, style))
            painter.drawLine(QtCore.QLineF(0, y(value), width, y(value)))
            painter.setPen(QtGui.QColor(colours.muted))
            painter.drawText(QtCore.QPointF(width + 8, y(value) + (4 if value else 0)), label)

        # Single lines and plain rectangles: one polygon of all frames is ten times as slow to fill.
        times = list(self._clock.times)[-int(width / STEP) :]
        left = width - STEP * len(times)
        points = [QtCore.QPointF(left + STEP * i, y(each)) for i, each in enumerate(times, 1)]
        accent = QtGui.QColor(colours.accent)
        painter.setPen(QtGui.QPen(accent, 1.5))
        painter.drawLines([QtCore.QLineF(a, b) for a, b in pairwise(points)])
        painter.setRenderHint(QtGui.QPainter.RenderHint.Antialiasing, False)
        accent.setAlphaF(0.12)
        painter.setPen(QtCore.Qt.PenStyle.NoPen)
        painter.setBrush(accent)
        ground = y(0)
        frames = [QtCore.QRectF(p.x() - STEP, p.y(), STEP, ground - p.y()) for p in points]
        painter.drawRects(frames)
        painter.setBrush(QtGui.QColor(colours.bad))
        painter.drawRects([f for f, each in zip(frames, times, strict=True) if each > 2 * BUDGET])
