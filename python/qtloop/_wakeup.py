"""`signal.set_wakeup_fd()` of the main thread's loops: a signal wakes Qt, and its handler runs.

A process has one such descriptor. The loop that asked last has it. When that loop no longer needs
it, the loop that asked before has it again. The descriptor of before qtloop is restored at the end.
Source: https://docs.python.org/3/library/signal.html#signal.set_wakeup_fd
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

# The loops that have asked, in order; a run inside of an attach() asks twice.
_asked: list[Any] = []
_foreign = -1


@contextmanager
def prompted(loop: Any) -> Generator[None]:
    """Have signals wake the loop. No effect on threads other than the main thread."""
    global _foreign
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = claim(loop)
    if not _asked:
        _foreign = before
    _asked.append(loop)
    try:
        yield
    finally:
        del _asked[len(_asked) - 1 - _asked[::-1].index(loop)]
        # add_signal_handler() needs it until remove_signal_handler().
        if not loop._signal_handlers:
            _hand_on(loop)


def is_prompted(loop: Any) -> bool:
    """Whether the loop is inside of `prompted()`."""
    return loop in _asked


def claim(loop: Any) -> int:
    """Set the loop's descriptor, and return the one before."""
    return signal.set_wakeup_fd(loop._csock.fileno(), warn_on_full_buffer=False)


def _hand_on(loop: Any) -> None:
    if threading.current_thread() is not threading.main_thread():
        return
    present = signal.set_wakeup_fd(-1)
    if present == loop._csock.fileno():
        if _asked:
            claim(_asked[-1])
            return
        present = _foreign
    try:
        signal.set_wakeup_fd(present)
    except (ValueError, OSError):
        pass  # its owner has closed it
