"""The Qt modules of the binding that the program uses. The inspector imports it when it opens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import _binding

if TYPE_CHECKING:
    from PySide6 import QtCore, QtGui, QtWidgets
else:
    QtCore = _binding.binding.module("QtCore")
    QtGui = _binding.binding.module("QtGui")
    QtWidgets = _binding.binding.module("QtWidgets")

__all__ = ["QtCore", "QtGui", "QtWidgets"]
