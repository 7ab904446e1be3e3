"""A measurement of how smooth the window is: a 60 Hz timer that measures its delay, and a plot."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from itertools import pairwise

from . import theme
from .qt import QtCore, QtGui, QtWidgets
from .widgets import painter_of

PERIOD = 16  # milliseconds, for a screen of 60 Hz
BUDGET = 1000 / 60
CEILING = 40.0  # the top of the plot, in milliseconds
STEP = 2  # the width of a frame in the plot, in pixels
HEIGHT = 106  # from 0 ms to the ceiling, in pixels


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
        self.setFixedHeight(2 + HEIGHT + 12)  # below are the halves of a line and of its label

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:
        """Paints the curve, the late frames in a warning colour, and the guides over it."""
        colours = theme.current()
        painter = painter_of(self)
        width = self.width() - 54
        times = list(self._clock.times)[-int(width / STEP) :]
        left = width - STEP * len(times)
        points = [
            QtCore.QPointF(left + STEP * i, self._at(each)) for i, each in enumerate(times, 1)
        ]
        late = [max(pair) > 2 * BUDGET for pair in pairwise(times)]
        lines = [QtCore.QLineF(*pair) for pair in pairwise(points)]
        # Single lines and rectangles: one polygon of all frames is ten times as slow to fill.
        ground = self._at(0)
        areas = [QtCore.QRectF(a.x(), b.y(), STEP, ground - b.y()) for a, b in pairwise(points)]
        for colour, wanted in ((colours.accent, False), (colours.bad, True)):
            ink = QtGui.QColor(colour)
            painter.setRenderHint(QtGui.QPainter.RenderHint.Antialiasing)
            painter.setPen(QtGui.QPen(ink, 1.5))
            painter.drawLines(
                [line for line, it_is in zip(lines, late, strict=True) if it_is is wanted]
            )
            ink.setAlphaF(0.12)
            painter.setRenderHint(QtGui.QPainter.RenderHint.Antialiasing, False)
            painter.setPen(QtCore.Qt.PenStyle.NoPen)
            painter.setBrush(ink)
            painter.drawRects(
                [area for area, it_is in zip(areas, late, strict=True) if it_is is wanted]
            )

        font = painter.font()
        font.setPixelSize(11)
        painter.setFont(font)
        beside = QtCore.Qt.AlignmentFlag.AlignLeft | QtCore.Qt.AlignmentFlag.AlignVCenter
        for value, text in ((0.0, "0 ms"), (BUDGET, "16.7 ms"), (2 * BUDGET, "33.3 ms")):
            y = round(self._at(value))
            guide = QtGui.QColor(colours.guide if value == BUDGET else colours.line)
            painter.fillRect(0, y, width + 4, 1, guide)
            painter.setPen(QtGui.QColor(colours.muted))
            painter.drawText(QtCore.QRect(width + 8, y - 8, 54, 17), beside, text)

    def _at(self, milliseconds: float) -> float:
        """Returns the place of a time."""
        return 2 + HEIGHT * (1 - min(milliseconds, CEILING) / CEILING)
