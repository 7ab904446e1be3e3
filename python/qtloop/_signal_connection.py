"""A connection to a Qt signal: delivers on the loop's thread, and reports a destroyed sender."""

from __future__ import annotations

import functools
import sys
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from . import _binding
from ._signal_arguments import copy_borrowed
from ._thread_loop import thread_loop

# A QObject to call `sender()` of: in PyQt any QObject returns the sender of the running slot.
_sender_probe: Any = None


class SenderDestroyed(RuntimeError):
    """The QObject whose signal is awaited was destroyed.

    `once()`, `stream()` and `exec_dialog()` raise it.

    Source: https://doc.qt.io/qt-6/qobject.html#dtor.QObject
    """


class SignalConnection:
    """A connection that calls `on_emission(args)`, and `on_destroyed()` if the sender is destroyed.

    Both run on the thread that makes the connection, which must have a loop, whichever thread
    emits the signal or destroys the sender. Neither is called after `close()`. With `once`, the
    first emission closes the connection.
    """

    def __init__(
        self,
        signal: Any,
        on_emission: Callable[[tuple[Any, ...]], object],
        on_destroyed: Callable[[], object],
        *,
        once: bool = False,
    ) -> None:
        _require_signal(signal)
        loop, thread = thread_loop(), threading.get_ident()

        def deliver(function: Callable[..., object], *args: Any) -> None:
            if loop.is_closed():
                return
            if threading.get_ident() == thread:
                function(*args)
            else:
                with suppress(RuntimeError):  # the loop has just been closed
                    loop.call_soon_threadsafe(function, *args)

        this = weakref.ref(self)

        def slot(*args: Any) -> None:
            if once and (connection := this()) is not None:
                connection._disconnect_in_slot(signal)
            deliver(on_emission, copy_borrowed(args))

        # Neither binding says which object a bound signal belongs to. But when that object is
        # destroyed, Qt drops its connections, and with them the only reference to `slot`.
        self._slot: weakref.ref[Callable[..., None]] | None
        self._slot = weakref.ref(slot, lambda _: deliver(on_destroyed))
        try:
            self._handle = signal.connect(slot)
        except RuntimeError as error:  # PySide raises this; PyQt crashes
            raise SenderDestroyed("the sender of the signal has been destroyed") from error

    def close(self) -> None:
        """Disconnects. Idempotent, callable on any thread."""
        self._slot = None  # drops the weak reference's callback, which would call `on_destroyed`
        handle, self._handle = self._handle, None
        if handle is not None and not sys.is_finalizing():
            _disconnect(handle)

    def _disconnect_in_slot(self, signal: Any) -> None:
        """Disconnects in the slot, where PyQt can free all of the connection."""
        slot = self._slot and self._slot()
        if slot is not None and not isinstance(self._handle, list) and _sender_is_alive():
            self._slot = self._handle = None
            signal.disconnect(slot)
        else:
            self.close()

    def __del__(self) -> None:
        if hasattr(self, "_handle"):
            self.close()


@functools.cache
def _core() -> Any:
    """Returns the QtCore module. Cached: an import per call costs a tenth of a wait."""
    if _binding.binding is None:
        raise RuntimeError("signals need a Qt binding: pip install PySide6 or PyQt6")
    return _binding.binding.QtCore


def _require_signal(signal: Any) -> None:
    no_signals = (type, _core().QObject)  # these have a `connect`, but are no signals
    if isinstance(signal, no_signals) or not callable(getattr(signal, "connect", None)):
        raise TypeError(
            f"a signal of an object was expected, such as `button.clicked`, got {signal!r}"
        )


def _disconnect(handle: Any) -> None:
    """Ends a connection by its handle. No effect if the sender has been destroyed.

    In that case a signal's own `disconnect` would crash PyQt. The price: until the sender is
    destroyed, PyQt keeps 1 KiB per connection that is ended by its handle.
    """
    for each in handle if isinstance(handle, list) else [handle]:
        _core().QObject.disconnect(each)


def _sender_is_alive() -> bool:
    """Returns whether PyQt's sender of the running slot is alive and stays so during the call.

    False with PySide, whose `_disconnect` frees everything.
    """
    global _sender_probe
    core = _core()
    if not hasattr(core, "pyqtSignal"):
        return False
    if _sender_probe is None:
        _sender_probe = core.QObject()
    sender = _sender_probe.sender()
    # A sender of another thread may be destroyed there at any moment.
    return sender is not None and sender.thread() == core.QThread.currentThread()
