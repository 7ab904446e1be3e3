"""The strip below a table: two lines about the selected row, and its buttons."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

from . import _theme
from ._qt import QtCore, QtWidgets
from ._text import Place

_Policy = QtWidgets.QSizePolicy.Policy
HEIGHT = 76  # pixels
LINE = 17  # pixels of a line of text


class Details(QtWidgets.QWidget):
    """Two lines about the selected row, and its buttons."""

    def __init__(self, open_source: Callable[[], None], cancel: Callable[[], None] | None) -> None:
        super().__init__()
        self.setFixedHeight(HEIGHT)
        self._first = _line("chain")
        self._first.setWordWrap(True)
        self._first.setSizePolicy(_Policy.Ignored, _Policy.Preferred)
        self._first.setMaximumHeight(2 * LINE)
        self._second = _line("warning")
        self._place: Place | None = None
        lines = QtWidgets.QVBoxLayout()
        lines.setSpacing(3)
        lines.addStretch()
        lines.addWidget(self._first)
        lines.addWidget(self._second)
        lines.addStretch()
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(16, 0, 12, 0)
        row.setSpacing(8)
        row.addLayout(lines, 1)
        self.cancel_button = QtWidgets.QPushButton("Cancel task")
        self.open_button = QtWidgets.QPushButton("Open source")
        if cancel is not None:
            self.cancel_button.clicked.connect(lambda: cancel())
            row.addWidget(self.cancel_button)
        self.open_button.clicked.connect(lambda: open_source())
        row.addWidget(self.open_button)
        self.clear("")

    def clear(self, sentence: str) -> None:
        """Shows a sentence about what a selection does."""
        self._show(sentence, ())
        self.cancel_button.setEnabled(False)
        self.open_button.setEnabled(False)

    def show_task(
        self, chain: list[Place], awaits: str, warnings: tuple[str, ...], is_done: bool
    ) -> None:
        """Shows what a task awaits, its places, the outermost one first in `chain`, and warnings.

        The innermost place is shown first, because the others may not fit.
        """
        parts = [escape(awaits)] if awaits else []
        parts += [_place(place) for place in reversed(chain)]
        self._show(" &nbsp;←&nbsp;&nbsp;".join(parts), warnings)
        self.cancel_button.setEnabled(not is_done)
        self.open_button.setEnabled(bool(chain))

    def show_place(self, place: Place | None, sentence: str) -> None:
        """Shows the path of a place."""
        self._show(escape(place.full()) if place else sentence, ())
        self.open_button.setEnabled(place is not None)

    def _show(self, first: str, warnings: tuple[str, ...]) -> None:
        for label, text in ((self._first, first), (self._second, "  ".join(warnings))):
            if label.text() != text:
                label.setText(text)
                label.setToolTip(text)
        self._second.setVisible(bool(warnings))


def _line(name: str) -> QtWidgets.QLabel:
    label = QtWidgets.QLabel()
    label.setObjectName(name)
    label.setSizePolicy(_Policy.Ignored, _Policy.Fixed)
    label.setTextInteractionFlags(QtCore.Qt.TextInteractionFlag.TextSelectableByMouse)
    return label


def _place(place: Place) -> str:
    text = _theme.current().text
    return (
        f"<span style='color:{text}'>{escape(place.short())}</span>&nbsp;"
        f"{escape(place.function).replace(' ', '&nbsp;')}"
    )
