"""Opens a source line in an editor that has a window."""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path

from ._qt import QtCore, QtGui
from ._text import Place

# The arguments of editors that have a window. Editors that need a terminal are left out.
EDITORS = {
    "code": "--goto {file}:{line}",
    "codium": "--goto {file}:{line}",
    "cursor": "--goto {file}:{line}",
    "zed": "{file}:{line}",
    "subl": "{file}:{line}",
    "pycharm": "--line {line} {file}",
    "charm": "--line {line} {file}",
    "kate": "--line {line} {file}",
    "gedit": "+{line} {file}",
    "gnome-text-editor": "+{line} {file}",
    "gvim": "+{line} {file}",
    "qtcreator": "-client {file}:{line}",
}


def command(place: Place) -> list[str] | None:
    """Returns the command that opens a place.

    It is that of `QTLOOP_EDITOR`, for example `code --goto {file}:{line}`, else that of `VISUAL` or
    `EDITOR` if it is a known editor with a window, else that of one which is installed.
    """
    own = os.environ.get("QTLOOP_EDITOR", "")
    if own:
        words = shlex.split(own)
        if not any("{file}" in word for word in words):
            words.append("{file}")
        return [_filled(word, place) for word in words]
    wanted = [Path(os.environ.get(name, "")).name for name in ("VISUAL", "EDITOR")]
    for name in (*wanted, *EDITORS):
        if name in EDITORS and (program := shutil.which(name)):
            return [program, *(_filled(word, place) for word in EDITORS[name].split())]
    return None


def _filled(word: str, place: Place) -> str:
    return word.replace("{file}", place.file).replace("{line}", str(place.line))


def open_place(place: Place) -> str:
    """Opens a source line. Returns a sentence about what was done.

    Without a known editor it opens the file with the desktop's program for it. In any case the path
    and the line are in the clipboard.
    """
    QtGui.QGuiApplication.clipboard().setText(place.full())
    if not Path(place.file).is_file():
        return f"There is no file {place.file}. The place is in the clipboard."
    words = command(place)
    if words is None:
        open_file(place.file)
        return f"Opened {place.short()}. The place is in the clipboard."
    started = QtCore.QProcess.startDetached(words[0], words[1:])
    if not (started[0] if isinstance(started, tuple) else started):
        return f"{words[0]} could not be started. The place is in the clipboard."
    return f"Opened {place.short()} in {Path(words[0]).name}."


def open_file(path: str) -> None:
    """Opens a file with the desktop's program for it."""
    QtGui.QDesktopServices.openUrl(QtCore.QUrl.fromLocalFile(path))
