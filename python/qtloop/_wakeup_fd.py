"""`signal.set_wakeup_fd()` for loops of the main thread: a signal wakes Qt, and its handler runs.

A process has one such file descriptor. It is set to that of the loop that claimed it last. When
that loop is done, the descriptor of the loop before it is set again. When all are done, the
descriptor that was set before qtloop is restored.
Source: https://docs.python.org/3/library/signal.html#signal.set_wakeup_fd
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

# The loops that have claimed it, in order. A run inside an attach() claims it twice.
_asked: list[Any] = []
_foreign = -1


@contextmanager
def prompted(loop: Any) -> Generator[None]:
    """Makes signals wake the loop in this block. No effect except on the main thread."""
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
        # With handlers of `add_signal_handler()` the loop keeps the descriptor.
        if not loop._signal_handlers:
            _hand_on(loop)


def is_prompted(loop: Any) -> bool:
    """Returns whether the loop is inside a `prompted()` block."""
    return loop in _asked


def claim(loop: Any) -> int:
    """Sets the loop's file descriptor, and returns the previous one."""
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
