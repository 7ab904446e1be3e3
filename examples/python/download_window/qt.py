"""The Qt modules of PySide6 or PyQt6: the one that `QT_API` names, or the first one installed."""

from __future__ import annotations

import importlib
import importlib.util
import os
from typing import TYPE_CHECKING


def choose() -> str:
    """Returns the package name of the binding to use, by qtloop's own rule."""
    wanted = os.environ.get("QT_API", "").lower()
    for name in ("PyQt6", "PySide6"):
        if importlib.util.find_spec(name) and wanted in ("", name.lower()):
            return name
    raise SystemExit("This window needs PySide6 or PyQt6: pip install PySide6-Essentials")


if TYPE_CHECKING:
    NAME = "PySide6"
    from PySide6 import QtCore, QtGui, QtWidgets
else:
    NAME = choose()
    QtCore = importlib.import_module(f"{NAME}.QtCore")
    QtGui = importlib.import_module(f"{NAME}.QtGui")
    QtWidgets = importlib.import_module(f"{NAME}.QtWidgets")

__all__ = ["NAME", "QtCore", "QtGui", "QtWidgets"]
