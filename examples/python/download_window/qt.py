"""The Qt modules of PySide6 or PyQt6: the one that `QT_API` names, or the first one installed."""

from __future__ import annotations

import importlib.util
import os
import sys
from typing import TYPE_CHECKING


def choose() -> str:
    """Returns the package name of the binding to use, by qtloop's own rule."""
    wanted = "" if hasattr(sys, "frozen") else os.environ.get("QT_API", "").lower()
    for name in ("PyQt6", "PySide6"):
        if importlib.util.find_spec(name) and wanted in ("", name.lower()):
            return name
    raise SystemExit("This window needs PySide6 or PyQt6: pip install PySide6-Essentials")


# Import statements, and no `import_module()`: programs that freeze this one read them.
if TYPE_CHECKING or choose() == "PySide6":
    from PySide6 import QtCore, QtGui, QtWidgets

    NAME = "PySide6"
else:
    from PyQt6 import QtCore, QtGui, QtWidgets

    NAME = "PyQt6"

__all__ = ["NAME", "QtCore", "QtGui", "QtWidgets"]
