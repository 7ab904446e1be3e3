"""A window that shows what a loop does: tasks, callbacks, timers and descriptors, while it runs.

qtloop.inspector.show(asyncio.get_running_loop())
"""

from __future__ import annotations

import threading
from contextlib import suppress
from types import ModuleType
from typing import TYPE_CHECKING, Any

from .. import _binding, _native
from .._loop import QEventLoop

if TYPE_CHECKING:
    from ._window import Window

__all__ = ["show"]

# The open windows.
_windows: dict[QEventLoop, Window] = {}


def show(loop: QEventLoop) -> Window:
    """Opens the inspector of a loop, or raises the one that is open. Returns its window.

    The window is closed by F12 or Esc, and when the loop closes. It does not keep the application
    alive: the application quits when its own last window closes. While the window is open, the loop
    keeps accounts of its tasks.

    Call it on the thread of the loop, which is that of the application. TypeError if `loop` is no
    `QEventLoop`. RuntimeError on another thread, for a closed loop, and without a QApplication.
    """
    _check(loop)
    window = _windows.get(loop)
    if window is None:
        from ._window import Window  # imports QtWidgets, which a program may not have

        window = _windows[loop] = Window(loop, lambda: _windows.pop(loop, None))
    window.bring_up()
    return window


def _check(loop: Any) -> None:
    if not isinstance(loop, QEventLoop):
        raise TypeError(f"the inspector shows a qtloop.QEventLoop, not {loop!r}")
    if loop.is_closed():
        raise RuntimeError("the loop is closed: open its inspector while it is open")
    if not isinstance(_binding.application(), _widgets().QApplication):
        raise RuntimeError("the inspector needs a QApplication: make one before the loop runs")
    if not _native.is_main_thread() or loop._thread_id not in (None, threading.get_ident()):
        raise RuntimeError(
            "the inspector can only be opened on the application's thread, for a loop of that "
            "thread: loop.call_soon_threadsafe(qtloop.inspector.show, loop)"
        )


def _widgets() -> ModuleType:
    if _binding.binding is not None:
        with suppress(ImportError):  # it is not part of the package, or a system library is missing
            return _binding.binding.module("QtWidgets")
    raise RuntimeError(
        "the inspector is a window and needs QtWidgets: pip install PySide6-Essentials, or PyQt6"
    )
