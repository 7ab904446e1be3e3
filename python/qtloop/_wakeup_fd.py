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

from ._base import BaseLoop

# The loops that have claimed it, in order. A run inside an attach() claims it twice.
_claims: list[BaseLoop] = []
_original_fd = -1


@contextmanager
def woken_by_signals(loop: BaseLoop) -> Generator[None]:
    """Makes signals wake the loop in this block. No effect except on the main thread."""
    global _original_fd
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = set_for(loop)
    if not _claims:
        _original_fd = before
    _claims.append(loop)
    try:
        yield
    finally:
        del _claims[len(_claims) - 1 - _claims[::-1].index(loop)]
        # With handlers of `add_signal_handler()` the loop keeps the descriptor.
        if not loop._signal_handlers:
            _restore_fd(loop)


def is_woken_by_signals(loop: BaseLoop) -> bool:
    """Returns whether the loop is inside a `woken_by_signals()` block."""
    return loop in _claims


def set_for(loop: BaseLoop) -> int:
    """Sets the loop's file descriptor, and returns the previous one."""
    return signal.set_wakeup_fd(loop._csock.fileno(), warn_on_full_buffer=False)


def _restore_fd(loop: BaseLoop) -> None:
    if threading.current_thread() is not threading.main_thread():
        return
    present = signal.set_wakeup_fd(-1)
    if present == loop._csock.fileno():
        if _claims:
            set_for(_claims[-1])
            return
        present = _original_fd
    try:
        signal.set_wakeup_fd(present)
    except (ValueError, OSError):
        pass  # its owner has closed it
