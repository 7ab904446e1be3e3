"""A nested Qt loop like that of a modal dialog; needs a binding."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from qtloop._binding import binding

if binding is None:
    pytest.skip("dialogs need a Qt binding", allow_module_level=True)

QtCore: Any = binding.QtCore
QtWidgets: Any = binding.module("QtWidgets")

each_kind = pytest.mark.parametrize("kind", ["QMessageBox", "QDialog", "QEventLoop"])


class Modal:
    """A message box, a dialog, or a bare QEventLoop."""

    def __init__(self, kind: str = "QEventLoop") -> None:
        if kind == "QEventLoop":
            self._qt = QtCore.QEventLoop()
            self.close: Callable[[], None] = self._qt.quit
        else:
            self._qt = getattr(QtWidgets, kind)()
            self.close = self._qt.accept
        self.is_open = False
        self.opened = asyncio.Event()

    def exec(self) -> None:
        """Returns when it is closed; fails after 10 s, for then the loop has stopped working."""
        limit = QtCore.QTimer()
        limit.setSingleShot(True)
        limit.timeout.connect(self.close)
        limit.start(10_000)
        self.is_open = True
        self.opened.set()
        self._qt.exec()
        self.is_open = False
        assert limit.isActive(), "nobody closed the dialog"
        limit.stop()


def from_qt(function: Callable[[], object], msec: int = 0) -> None:
    """Makes Qt call the function, outside of any callback of the loop."""
    QtCore.QTimer.singleShot(msec, function)
