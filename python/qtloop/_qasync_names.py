"""Names for ported programs, which use `import qtloop as qasync` or `as quamash`.

`qtloop.__getattr__` looks them up here. They are not in `dir(qtloop)`: `help()` and `inspect` read
every name of that list, which would import QtWidgets.
"""

from __future__ import annotations

import asyncio
import functools
import importlib
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import ceil
from typing import Any

from . import _binding
from ._asyncio_private import run_handle

# `qasync.logger` and `loop._logger`; only the program logs to it.
logger = logging.getLogger("qtloop")


@functools.cache
def _simple_timer() -> type:
    """Returns qasync's class that runs callbacks. Programs patch its methods; no loop uses it."""
    QObject: Any = _of_the_binding("_SimpleTimer").QtCore.QObject

    class _SimpleTimer(QObject):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.__callbacks: dict[int, asyncio.Handle] = {}
            self._stopped = False

        def add_callback(self, handle: asyncio.Handle, delay: float = 0) -> asyncio.Handle:
            self.__callbacks[self.startTimer(ceil(max(0, delay) * 1000))] = handle
            return handle

        def timerEvent(self, event: Any) -> None:
            self.killTimer(event.timerId())
            handle = self.__callbacks.pop(event.timerId(), None)
            if handle is not None and not (self._stopped or handle.cancelled()):
                run_handle(handle)

        def stop(self) -> None:
            self._stopped = True

    return _SimpleTimer


def _qt_module(binding: _binding.Binding) -> Any:
    """Imports the modules that qasync imports, and returns the binding's package."""
    for name in ("QtCore", "QtGui", "QtWidgets"):
        binding.module(name)
    return importlib.import_module(binding.name)


_NEED_A_BINDING: dict[str, Callable[[_binding.Binding], Any]] = {
    "AllEvents": lambda binding: binding.QtCore.QEventLoop.ProcessEventsFlag.AllEvents,
    "QApplication": lambda binding: binding.module("QtWidgets").QApplication,
    "QtCore": lambda binding: binding.QtCore,
    "QtGui": lambda binding: binding.module("QtGui"),
    "QtModule": _qt_module,
    "QtModuleName": lambda binding: binding.name,
    "QtWidgets": lambda binding: binding.module("QtWidgets"),
    "Signal": lambda binding: _either(binding.QtCore, "Signal", "pyqtSignal"),
    "Slot": lambda binding: _either(binding.QtCore, "Slot", "pyqtSlot"),
    "_SimpleTimer": lambda binding: _simple_timer(),
}

_NEED_NONE: dict[str, Any] = {"asyncio": asyncio, "logger": logger}

if sys.version_info < (3, 16):

    @contextmanager
    def _set_event_loop_policy(policy: Any) -> Iterator[None]:
        """Sets a policy for the block."""
        before = asyncio.get_event_loop_policy()
        asyncio.set_event_loop_policy(policy)
        try:
            yield
        finally:
            asyncio.set_event_loop_policy(before)

    _NEED_NONE["_set_event_loop_policy"] = _set_event_loop_policy


def find(name: str) -> Any:
    """Returns the value of a name that `qtloop` itself does not define."""
    if name in _NEED_NONE:
        return _NEED_NONE[name]
    if name in _NEED_A_BINDING:
        return _NEED_A_BINDING[name](_of_the_binding(name))
    raise AttributeError(f"module 'qtloop' has no attribute {name!r}")


def _of_the_binding(name: str) -> _binding.Binding:
    if _binding.binding is None:
        raise AttributeError(
            f"module 'qtloop' has no attribute {name!r}, because that is a Qt binding's and none "
            "is installed: `pip install PySide6` or `pip install PyQt6`"
        )
    return _binding.binding


def _either(core: Any, of_pyside: str, of_pyqt: str) -> Any:
    return getattr(core, of_pyside if hasattr(core, of_pyside) else of_pyqt)
