"""An object with signals, for the tests of awaited signals; they are skipped without a binding."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from typing import Any

import pytest

import qtloop
from qtloop._binding import binding

if binding is None:
    pytest.skip("signals of Qt need a Qt binding", allow_module_level=True)

QtCore: Any = binding.QtCore
Signal: Any = getattr(QtCore, "Signal", None) or QtCore.pyqtSignal


class Sender(QtCore.QObject):  # type: ignore[misc]
    moved = Signal(int, str)
    valued = Signal(int)
    pinged = Signal()

    def is_connected(self, signature: str) -> bool:
        gc.collect()
        known = self.metaObject()
        return bool(self.isSignalConnected(known.method(known.indexOfSignal(signature))))


def run(main: Any) -> Any:
    return qtloop.run(main)


def in_thread(function: Callable[..., object], *args: Any) -> None:
    thread = threading.Thread(target=function, args=args)
    thread.start()
    thread.join()
