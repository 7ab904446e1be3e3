"""Helpers for the tests of slots: the binding's modules, a sender of signals, and a short run."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import qtloop
from qtloop._binding import binding

if binding is None:
    pytest.skip("signals and slots need a Qt binding", allow_module_level=True)

QtCore: Any = binding.QtCore
QtGui: Any = binding.module("QtGui")
QtWidgets: Any = binding.module("QtWidgets")
QObject: Any = QtCore.QObject
Signal: Any = getattr(QtCore, "Signal", None) or QtCore.pyqtSignal
Slot: Any = getattr(QtCore, "Slot", None) or QtCore.pyqtSlot


class Sender(QObject):  # type: ignore[misc]
    """A QObject with the signals of a button and of a line edit."""

    clicked = Signal(bool)
    edited = Signal(str)
    moved = Signal(int, str)


def run(loop: qtloop.QEventLoop, main: Any) -> Any:
    """Runs a coroutine, which ends within 20 seconds."""
    return loop.run_until_complete(asyncio.wait_for(main, 20))


def destroy(qobject: Any) -> None:
    """Destroys the C++ object now, as `delete` does."""
    qobject.deleteLater()
    kind = QtCore.QEvent.Type.DeferredDelete
    QtCore.QCoreApplication.sendPostedEvents(qobject, getattr(kind, "value", kind))  # int in Qt 5
