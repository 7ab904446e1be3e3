"""Colours and style: light or dark like the desktop, with one style sheet for both."""

from __future__ import annotations

from dataclasses import dataclass
from string import Template

from .qt import QtGui, QtWidgets


@dataclass(frozen=True)
class Theme:
    """A set of colours, named by their use."""

    ground: str
    card: str
    line: str
    track: str
    text: str
    muted: str
    accent: str
    accent_hover: str
    on_accent: str
    good: str
    warn: str
    bad: str


LIGHT = Theme(
    ground="#f4f5f8",
    card="#ffffff",
    line="#e4e7ed",
    track="#e8ebf1",
    text="#171b24",
    muted="#667085",
    accent="#3b6cf6",
    accent_hover="#2c59d8",
    on_accent="#ffffff",
    good="#159a68",
    warn="#c77700",
    bad="#d33a4c",
)
DARK = Theme(
    ground="#14161b",
    card="#1d2027",
    line="#2b2f39",
    track="#2d323d",
    text="#eceef3",
    muted="#98a1b2",
    accent="#6f94ff",
    accent_hover="#89a7ff",
    on_accent="#0d1220",
    good="#3cc792",
    warn="#eba43a",
    bad="#ff6f7f",
)

SHEET = Template("""
* { color: $text; }
#window { background: $ground; }
QMessageBox { background: $card; }
QToolTip { background: $card; border: 1px solid $line; padding: 4px; }
#title { font-size: 24px; font-weight: 700; }
#summary, #note, #status, #size, #speed, #figures { color: $muted; }
#summary { font-size: 14px; }
#status, #note, #figures { font-size: 12px; }
#name { font-size: 14px; font-weight: 600; }
#size, #speed { font-size: 13px; }
#heading { font-size: 14px; font-weight: 600; }
#status[mood="good"] { color: $good; }
#status[mood="warn"] { color: $warn; }
#status[mood="bad"] { color: $bad; }
#card { background: $card; border: 1px solid $line; border-radius: 12px; }
#rows, QScrollArea { background: transparent; border: none; }
#row { border: none; border-bottom: 1px solid $line; }
#row[last="true"] { border-bottom: none; }
QLineEdit {
    background: $card; border: 1px solid $line; border-radius: 8px; padding: 8px 12px;
    font-size: 13px; selection-background-color: $accent; placeholder-text-color: $muted;
}
QLineEdit:focus { border-color: $accent; }
QPushButton {
    background: $card; border: 1px solid $line; border-radius: 8px; padding: 8px 16px;
    font-size: 13px; font-weight: 600;
}
QPushButton:hover { border-color: $accent; }
QPushButton:disabled { color: $muted; border-color: $line; }
QPushButton[kind="primary"], QMessageBox QPushButton:default {
    background: $accent; border-color: $accent; color: $on_accent;
}
QPushButton[kind="primary"]:hover, QMessageBox QPushButton:default:hover {
    background: $accent_hover; border-color: $accent_hover;
}
QPushButton[kind="primary"]:disabled { background: $track; border-color: $track; color: $muted; }
QToolButton { background: transparent; border: none; border-radius: 8px; padding: 7px; }
QToolButton:hover, QToolButton:focus { background: $track; }
QMessageBox #qt_msgbox_label { font-size: 15px; font-weight: 600; }
QMessageBox #qt_msgbox_informativelabel { font-size: 13px; color: $muted; min-width: 300px; }
QMessageBox QPushButton { min-width: 84px; }
QScrollBar:vertical { background: transparent; width: 10px; margin: 2px; }
QScrollBar::handle:vertical { background: $track; border-radius: 3px; min-height: 32px; }
QScrollBar::add-line, QScrollBar::sub-line { height: 0; }
""")

FAMILIES = ["Inter", "Adwaita Sans", "Cantarell", "Noto Sans", "Roboto"]


def current() -> Theme:
    """Returns the set of colours that suits the desktop's palette."""
    window = QtGui.QGuiApplication.palette().color(QtGui.QPalette.ColorRole.Window)
    return DARK if window.lightness() < 128 else LIGHT


def dress(app: QtWidgets.QApplication) -> None:
    """Gives the application its style and its font."""
    app.setStyle("Fusion")
    font = app.font()
    font.setFamilies([*FAMILIES, *font.families()])
    app.setFont(font)


def sheet() -> str:
    """Returns the style sheet in the current colours."""
    return SHEET.substitute(vars(current()))


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
