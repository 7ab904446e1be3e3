"""The signal by which the watchdogs read the stack of a thread that holds the GIL.

`faulthandler.register()` installs a handler that writes the stack of its thread into a pipe. The
signal is a real-time signal that nothing in the process handles. The program's own signals and its
use of `faulthandler` stay as they are.
"""

from __future__ import annotations

import faulthandler
import os
import threading

from . import _native


class _Registration:
    """The registered signal, and the number of its users."""

    def __init__(self, signal: int) -> None:
        self._signal = signal
        self.users = 0
        # Without O_NONBLOCK a full pipe would block the thread in the handler.
        reading, writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._file = os.fdopen(writing, "wb", buffering=0)
        faulthandler.register(signal, file=self._file, all_threads=False, chain=False)
        self.dump = _native.StackDump(signal, reading)

    def end(self) -> None:
        faulthandler.unregister(self._signal)
        self._file.close()


# A signal handler or a destructor may call these functions inside of one of them.
_lock = threading.RLock()
_is_changing = False
_registration: _Registration | None = None


def acquire() -> _native.StackDump | None:
    """Registers the signal, if there is a free one. Each result needs one call of `release()`.

    Returns None also inside of a call that registers or unregisters it.
    """
    global _is_changing, _registration
    with _lock:
        if _is_changing:
            return None
        _is_changing = True
        try:
            if _registration is None:
                signal = _native.StackDump.free_signal()
                if signal is None:
                    return None
                _registration = _Registration(signal)
            _registration.users += 1
            return _registration.dump
        finally:
            _is_changing = False


def release() -> None:
    """Unregisters the signal if this was the last user."""
    global _is_changing, _registration
    with _lock:
        assert _registration is not None
        if _is_changing:
            _registration.users -= 1  # the outer call unregisters it, or is a user
            return
        _is_changing = True
        try:
            _registration.users -= 1
            # Without its handler, a signal that is still to be received would end the process.
            if _registration.users == 0 and not _registration.dump.is_pending():
                _registration.end()
                _registration = None
        finally:
            _is_changing = False
