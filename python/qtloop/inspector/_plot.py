"""The plots of the last samples, and the clock that measures the time between two frames."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from . import _theme
from ._qt import QtCore, QtGui, QtWidgets
from ._text import duration, number

SAMPLES = 600  # the most that are kept; as many are shown as there is room for
FRAME = 16  # milliseconds, for a screen of 60 Hz
PERIOD = 33  # milliseconds between two measurements; each wakes the thread
STEP = 3  # pixels for a sample
HEIGHT = 64  # pixels, from zero to the top
LATE = 50e6  # nanoseconds; a person sees a longer gap between two frames
LABEL = 52  # pixels for the labels at the right

_Align = QtCore.Qt.AlignmentFlag


class FrameClock:
    """Measures the longest time between two frames of a screen of 60 Hz.

    It is the delay of a timer event, 30 times a second, and the time of one frame.
    """

    def __init__(self, parent: QtCore.QObject) -> None:
        self._timer = QtCore.QTimer(parent)
        self._timer.setTimerType(QtCore.Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._on_frame)
        self._last = 0
        self._longest = 0

    def start(self) -> None:
        """Starts measuring."""
        self._last = self._longest = 0
        self._timer.start(PERIOD)

    def stop(self) -> None:
        """Stops measuring."""
        self._timer.stop()
        self._last = self._longest = 0

    def take_longest(self) -> int:
        """Returns the longest time since the last call, in nanoseconds."""
        longest, self._longest = self._longest, 0
        return max(longest, self._gap(time.monotonic_ns()))

    def forget_last(self) -> None:
        """Measures from now on: the work of the inspector itself is no gap."""
        self._last = time.monotonic_ns() if self._last else 0

    def _on_frame(self) -> None:
        now = time.monotonic_ns()
        self._longest = max(self._longest, self._gap(now))
        self._last = now

    def _gap(self, now: int) -> int:
        return max(0, now - self._last - (PERIOD - FRAME) * 1_000_000) if self._last else 0


def top_of(value: float, least: float) -> float:
    """Returns the top of a scale: 1, 2 or 5 times a power of ten, at least the value."""
    top = least
    while top < value:
        first = str(top).lstrip("0.")[0]
        top *= 2.5 if first == "2" else 2
    return top


class Plot(QtWidgets.QWidget):
    """A curve of the last samples, its current and its highest value."""

    def __init__(
        self,
        title: str,
        hint: str,
        label: Callable[[float], str],
        least_top: float,
        limit: float | None = None,
    ) -> None:
        super().__init__()
        self._title = title
        self._label = label
        self._least_top = least_top
        self._limit = limit  # values above it are painted as bad
        self.samples: deque[float] = deque(maxlen=SAMPLES)
        self.setToolTip(hint)
        self.setAccessibleName(title)
        self.setFixedHeight(26 + HEIGHT + 12)
        self.setMinimumWidth(220)
        self.update_theme()

    def update_theme(self) -> None:
        """Takes the fonts and the colours of the palette."""
        self._theme = _theme.current()
        self._fonts = [_theme.font(self, 13, bold=True), *(_theme.font(self, n) for n in (12, 11))]
        self.update()

    def add(self, value: float) -> None:
        """Adds a sample."""
        self.samples.append(value)
        self.setAccessibleDescription(self._label(value))
        self.update()

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:
        """Paints the heading, the guides and the curve."""
        painter = QtGui.QPainter(self)
        theme, fonts = self._theme, self._fonts
        samples = list(self.samples)[-((self.width() - LABEL) // STEP) :]
        highest = max(samples, default=0.0)
        top = top_of(highest, self._least_top)
        right = _Align.AlignRight | _Align.AlignVCenter
        heading = QtCore.QRect(0, 0, self.width(), 18)
        painter.setFont(fonts[0])
        painter.setPen(QtGui.QColor(theme.text))
        painter.drawText(heading, _Align.AlignLeft | _Align.AlignVCenter, self._title)
        painter.setFont(fonts[1])
        painter.setPen(QtGui.QColor(theme.muted))
        if samples:
            text = f"now {self._label(samples[-1])}   highest {self._label(highest)}"
            painter.drawText(heading, right, text)
        self._guides(painter, theme, top)
        self._curve(painter, theme, samples, top)

    def _guides(self, painter: QtGui.QPainter, theme: _theme.Theme, top: float) -> None:
        painter.setFont(self._fonts[2])
        width = self.width() - LABEL
        for value in (0.0, top):
            y = self._y(value, top)
            painter.fillRect(0, round(y), width, 1, QtGui.QColor(theme.line))
            area = QtCore.QRect(width + 8, round(y) - 8, LABEL - 8, 17)
            painter.setPen(QtGui.QColor(theme.muted))
            left = _Align.AlignLeft | _Align.AlignVCenter
            painter.drawText(area, left, self._label(value))

    def _curve(
        self, painter: QtGui.QPainter, theme: _theme.Theme, samples: list[float], top: float
    ) -> None:
        """Paints a step for each sample, so that a single high one is as wide as the others."""
        left = self.width() - LABEL - STEP * len(samples)
        ground, limit = self._y(0.0, top), self._limit
        painter.setRenderHint(QtGui.QPainter.RenderHint.Antialiasing, False)
        painter.setPen(QtCore.Qt.PenStyle.NoPen)
        for is_bad, name in ((False, theme.accent), (True, theme.bad)):
            areas, edges = [], []
            for at, value in enumerate(samples):
                if value > 0 and (limit is not None and value > limit) is is_bad:
                    x, y = left + STEP * at, min(self._y(value, top), ground - 1)
                    areas.append(QtCore.QRectF(x, y, STEP, ground - y))
                    edges.append(QtCore.QRectF(x, y, STEP, 1.5))
            colour = QtGui.QColor(name)
            painter.setBrush(colour)
            painter.drawRects(edges)
            colour.setAlphaF(0.22)
            painter.setBrush(colour)
            painter.drawRects(areas)

    def _y(self, value: float, top: float) -> float:
        return 27 + HEIGHT * (1 - value / top)


class Plots(QtWidgets.QFrame):
    """The plots of the window, side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("card")
        self.ready = Plot(
            "Ready jobs",
            "The jobs that wait for their turn, at each update",
            lambda value: number(round(value)),
            10,
        )
        self.turns = Plot(
            "Turn time",
            "The longest turn of the loop between two updates",
            lambda value: duration(round(value)),
            2e6,
        )
        self.frames = Plot(
            "Frame gap",
            "The longest time between two frames of 60 Hz; above 50 ms it is red",
            lambda value: duration(round(value)),
            50e6,
            LATE,
        )
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(16, 12, 12, 4)
        row.setSpacing(24)
        for plot in self._all():
            row.addWidget(plot, 1)

    def add(self, ready: int, turn: int, gap: int) -> None:
        """Adds the figures of an update: a number of jobs, and two times in nanoseconds."""
        for plot, value in zip(self._all(), (ready, turn, gap), strict=True):
            plot.add(value)

    def update_theme(self) -> None:
        """Takes the fonts and the colours of the palette."""
        for plot in self._all():
            plot.update_theme()

    def _all(self) -> tuple[Plot, ...]:
        return self.ready, self.turns, self.frames
