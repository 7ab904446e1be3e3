"""Colours, fonts and style sheet of the inspector: light or dark like the application's palette."""

from __future__ import annotations

from dataclasses import dataclass
from string import Template

from .. import _binding
from ._qt import QtGui, QtWidgets


@dataclass(frozen=True)
class Theme:
    """A set of colours, named by their use."""

    ground: str
    card: str
    line: str
    track: str
    guide: str
    text: str
    muted: str
    accent: str
    ink: str
    good: str
    warn: str
    bad: str
    chosen: str


LIGHT = Theme(
    ground="#f4f5f8",
    card="#ffffff",
    line="#e4e7ed",
    track="#e8ebf1",
    guide="#adb4c1",
    text="#171b24",
    muted="#667085",
    accent="#3b6cf6",
    ink="#ffffff",
    good="#159a68",
    warn="#c77700",
    bad="#d33a4c",
    chosen="#e6edff",
)
DARK = Theme(
    ground="#14161b",
    card="#1d2027",
    line="#2b2f39",
    track="#2d323d",
    guide="#5c6575",
    text="#eceef3",
    muted="#98a1b2",
    accent="#6f94ff",
    ink="#0d1220",
    good="#3cc792",
    warn="#eba43a",
    bad="#ff6f7f",
    chosen="#28334f",
)

SHEET = Template("""
* { color: $text; font-size: 13px; }
#inspector { background: $ground; }
QToolTip { background: $card; color: $text; border: 1px solid $line; padding: 4px; }
QMenu { background: $card; border: 1px solid $line; padding: 4px; }
QMenu::item { padding: 5px 18px; border-radius: 5px; }
QMenu::item:selected { background: $track; }
QMenu::item:disabled { color: $muted; }
#title { font-size: 22px; font-weight: 700; }
#summary { color: $muted; }
#heading { font-weight: 600; }
#note, #figure, #chain { color: $muted; font-size: 12px; }
#empty { color: $muted; }
#warning { color: $warn; font-size: 12px; }
#card { background: $card; border: 1px solid $line; border-radius: 10px; }
#rule { background: $line; border: none; }
#tab {
    background: transparent; border: none; border-radius: 6px; padding: 0 9px;
    min-height: 28px; min-width: 0; color: $muted; font-weight: 600;
}
#tab:hover, #tab:focus { color: $text; background: $ground; }
#tab:checked { color: $accent; }
QLineEdit {
    background: $card; border: 1px solid $line; border-radius: 8px; padding: 0 10px;
    min-height: 30px; selection-background-color: $accent; selection-color: $ink;
    placeholder-text-color: $muted;
}
QLineEdit:focus { border-color: $accent; }
QPushButton {
    background: $card; border: 1px solid $line; border-radius: 8px; padding: 0 14px;
    font-weight: 600; min-height: 30px;
}
QPushButton:hover, QPushButton:focus { border-color: $accent; }
QPushButton:checked { background: $accent; border-color: $accent; color: $ink; }
QPushButton:disabled { color: $muted; background: transparent; }
QTableView {
    background: transparent; border: none; outline: none; font-size: 12px;
    selection-background-color: $chosen; selection-color: $text;
}
QHeaderView { background: transparent; border: none; }
QHeaderView::section {
    background: transparent; border: none; border-bottom: 1px solid $line;
    color: $muted; font-size: 12px; font-weight: 400; padding: 0 8px; height: 30px;
}
QHeaderView::section:hover { color: $text; }
QHeaderView::up-arrow, QHeaderView::down-arrow { width: 0; height: 0; image: none; }
QScrollBar:vertical { background: transparent; width: 10px; margin: 2px; }
QScrollBar::handle:vertical { background: $track; border-radius: 3px; min-height: 32px; }
QScrollBar:horizontal { background: transparent; height: 10px; margin: 2px; }
QScrollBar::handle:horizontal { background: $track; border-radius: 3px; min-width: 32px; }
QScrollBar::handle:hover { background: $guide; }
QScrollBar::add-line, QScrollBar::sub-line { height: 0; width: 0; }
QScrollBar::add-page, QScrollBar::sub-page { background: transparent; }
""")


def current() -> Theme:
    """Returns the set of colours that suits the application's palette."""
    window = QtGui.QGuiApplication.palette().color(QtGui.QPalette.ColorRole.Window)
    return DARK if window.lightness() < 128 else LIGHT


def sheet() -> str:
    """Returns the style sheet in the current colours."""
    text = SHEET.substitute(vars(current()))
    # Qt 5 does not know this property.
    lines = (line for line in text.splitlines() if "placeholder" not in line)
    return "\n".join(lines) if _binding.binding and _binding.binding.qt == 5 else text


def colour(name: str) -> QtGui.QColor:
    """Returns the colour of that name: a field of `Theme`."""
    value: str = getattr(current(), name)
    return QtGui.QColor(value)


def font(widget: QtWidgets.QWidget, pixels: int, *, bold: bool = False) -> QtGui.QFont:
    """Returns the font of a widget in another size, with digits of one width."""
    result = QtGui.QFont(widget.font())
    result.setPixelSize(pixels)
    result.setWeight(QtGui.QFont.Weight.DemiBold if bold else QtGui.QFont.Weight.Normal)
    if hasattr(result, "setFeature"):  # Qt 6.7
        result.setFeature(QtGui.QFont.Tag("tnum"), 1)
    return result
