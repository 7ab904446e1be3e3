"""Colours, fonts and style sheet: light or dark like the desktop; the Rust window has the same."""

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
    veil: str
    shadow: str
    guide: str
    text: str
    muted: str
    accent: str
    accent_hover: str
    ink: str
    good: str
    warn: str
    bad: str


LIGHT = Theme(
    ground="#f4f5f8",
    card="#ffffff",
    line="#e4e7ed",
    track="#e8ebf1",
    veil="#21101828",
    shadow="#01000000",
    guide="#adb4c1",
    text="#171b24",
    muted="#667085",
    accent="#3b6cf6",
    accent_hover="#2c59d8",
    ink="#ffffff",
    good="#159a68",
    warn="#c77700",
    bad="#d33a4c",
)
DARK = Theme(
    ground="#14161b",
    card="#1d2027",
    line="#2b2f39",
    track="#2d323d",
    veil="#80000000",
    shadow="#03000000",
    guide="#5c6575",
    text="#eceef3",
    muted="#98a1b2",
    accent="#6f94ff",
    accent_hover="#89a7ff",
    ink="#0d1220",
    good="#3cc792",
    warn="#eba43a",
    bad="#ff6f7f",
)

SHEET = Template("""
* { color: $text; }
#window { background: $ground; }
QMessageBox { background: $card; }
QDialogButtonBox { button-layout: 3; } /* as in GNOME: the default button is the last one */
QToolTip { background: $card; border: 1px solid $line; padding: 4px; }
#title { font-size: 24px; font-weight: 700; }
#summary, #note, #status, #amount, #speed, #figures { color: $muted; }
#summary { font-size: 14px; }
#status, #note, #figures { font-size: 12px; }
#name { font-size: 14px; font-weight: 600; }
#amount, #speed { font-size: 13px; }
#heading { font-size: 14px; font-weight: 600; }
#status[mood="good"] { color: $good; }
#status[mood="warn"] { color: $warn; }
#status[mood="bad"] { color: $bad; }
#card { background: $card; border: 1px solid $line; border-radius: 12px; }
#rows, QScrollArea { background: transparent; border: none; }
QLineEdit {
    background: $card; border: 1px solid $line; border-radius: 8px; padding: 0 12px;
    font-size: 13px; selection-background-color: $accent; placeholder-text-color: $muted;
}
QLineEdit:focus { border-color: $accent; }
QPushButton {
    background: $card; border: 1px solid $line; border-radius: 8px; padding: 0 16px;
    font-size: 13px; font-weight: 600; min-width: 50px; min-height: 32px;
}
QPushButton:hover, QPushButton:focus { border-color: $accent; }
QPushButton:disabled { color: $muted; border-color: $line; }
QPushButton[kind="primary"], QMessageBox QPushButton:default {
    background: $accent; border-color: $accent; color: $ink;
}
QPushButton[kind="primary"]:hover, QPushButton[kind="primary"]:focus,
QMessageBox QPushButton:default:hover, QMessageBox QPushButton:default:focus {
    background: $accent_hover; border-color: $accent_hover;
}
QPushButton[kind="primary"]:disabled { background: $track; border-color: $track; color: $muted; }
QMessageBox #qt_msgbox_label { font-size: 15px; font-weight: 600; }
QMessageBox #qt_msgbox_informativelabel { font-size: 13px; color: $muted; }
QScrollBar:vertical { background: transparent; width: 10px; margin: 2px; }
QScrollBar::handle:vertical { background: $track; border-radius: 3px; min-height: 32px; }
QScrollBar::add-line, QScrollBar::sub-line { height: 0; }
""")

FAMILIES = ["Inter", "Adwaita Sans", "Cantarell", "Noto Sans", "Roboto"]


def current() -> Theme:
    """Returns the set of colours that suits the desktop's palette."""
    window = QtGui.QGuiApplication.palette().color(QtGui.QPalette.ColorRole.Window)
    return DARK if window.lightness() < 128 else LIGHT


def apply(app: QtWidgets.QApplication) -> None:
    """Gives the application its style and its font."""
    app.setStyle("Fusion")
    font = app.font()
    font.setFamilies([*FAMILIES, *font.families()])
    app.setFont(font)


def sheet() -> str:
    """Returns the style sheet in the current colours."""
    return SHEET.substitute(vars(current()))


def mood(name: str, otherwise: str) -> QtGui.QColor:
    """Returns the colour of a mood: good, warn, bad or off."""
    colours = current()
    moods = {
        "good": colours.good,
        "warn": colours.warn,
        "bad": colours.bad,
        "off": colours.muted,
    }
    return QtGui.QColor(moods.get(name, otherwise))
