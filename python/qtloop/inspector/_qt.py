"""The Qt modules of the binding that the program uses. The inspector imports it when it opens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import _binding

if TYPE_CHECKING:
    from PySide6 import QtCore, QtGui, QtWidgets
else:
    QtCore = _binding.binding.module("QtCore")
    QtGui = _binding.binding.module("QtGui")
    QtWidgets = _binding.binding.module("QtWidgets")

_of_shortcuts: Any = QtGui if hasattr(QtGui, "QShortcut") else QtWidgets  # in Qt 5
QShortcut = _of_shortcuts.QShortcut


def position(event: QtGui.QMouseEvent) -> QtCore.QPoint:
    """Returns where in the widget a mouse event is."""
    if hasattr(event, "position"):
        return event.position().toPoint()
    point: QtCore.QPoint = event.pos()  # Qt 5
    return point


__all__ = ["QShortcut", "QtCore", "QtGui", "QtWidgets", "position"]
