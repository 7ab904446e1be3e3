"""One row of the window: the state of one download, and a button for it."""

from __future__ import annotations

from . import theme
from .download import Download, State
from .qt import QtCore, QtGui, QtWidgets
from .text import amount, duration, progress
from .widgets import Bar, Icon, Tile, label

HEIGHT = 70  # of a row, in pixels


class Row(QtWidgets.QWidget):
    """A row that shows one download. The window connects `button`."""

    def __init__(self, download: Download) -> None:
        super().__init__()
        self.setFixedHeight(HEIGHT)
        self.download = download
        self.is_last = True
        self.button = Icon()
        self._name = label("name", fills=True)
        self._status = label("status", fills=True)
        self._speed = label("speed")
        self._amount = label("amount")
        self._bar = Bar(5)

        head = QtWidgets.QHBoxLayout()
        head.setSpacing(0)
        head.addWidget(self._name)
        head.addSpacing(12)
        for part, width in ((self._speed, 84), (self._amount, 124)):
            part.setFixedWidth(width)
            part.setAlignment(
                QtCore.Qt.AlignmentFlag.AlignRight | QtCore.Qt.AlignmentFlag.AlignBottom
            )
            head.addWidget(part)
        middle = QtWidgets.QVBoxLayout()
        middle.setSpacing(2)
        middle.addLayout(head)
        middle.addWidget(self._status)
        middle.addStretch()
        middle.addWidget(self._bar)
        line = QtWidgets.QHBoxLayout(self)
        line.setContentsMargins(16, 11, 14, 11)
        line.setSpacing(0)
        line.addWidget(Tile(download.name))
        line.addSpacing(12)
        line.addLayout(middle)
        line.addSpacing(14)
        line.addWidget(self.button)
        self.refresh()

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:
        """Paints the line to the next row."""
        if not self.is_last:
            line = QtGui.QColor(theme.current().line)
            QtGui.QPainter(self).fillRect(0, self.height() - 1, self.width(), 1, line)

    def refresh(self) -> None:
        """Updates every part; unchanged parts are not painted again."""
        download = self.download
        mood, status = self._describe()
        _elide(self._name, download.name, hint=download.url)
        _elide(self._status, status, hint=status)
        if self._status.property("mood") != mood:
            self._status.setProperty("mood", mood)
            self._status.style().polish(self._status)
        speed = download.speed
        if download.state is State.DONE:  # that of the whole download
            speed = download.received / max(download.seconds, 1e-3)
        self._speed.setText(f"{amount(speed)}/s" if speed else "")
        self._amount.setText(progress(download.received, download.size))
        self._bar.show_share(download.received, download.size, mood)
        self._show_button()

    def _describe(self) -> tuple[str, str]:
        """Returns the mood and the status."""
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
        name = self.download.name
        if self.download.active:
            self.button.show_shape("cancel", f"Cancel {name}")
        elif self.download.state in (State.FAILED, State.CANCELLED):
            self.button.show_shape("again", f"Try {name} again")
        elif self.download.state is State.DONE:
            self.button.show_shape("done", f"{name} is complete")
        else:
            self.button.show_shape("start", f"Fetch {name}")


def _elide(part: QtWidgets.QLabel, text: str, hint: str) -> None:
    middle = QtCore.Qt.TextElideMode.ElideMiddle
    part.setText(part.fontMetrics().elidedText(text, middle, part.width()))
    if part.toolTip() != hint:
        part.setToolTip(hint)
