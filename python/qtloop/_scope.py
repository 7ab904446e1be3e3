"""Tasks that end with a QObject: its destruction cancels them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from . import _binding

_T = TypeVar("_T")


def scoped(owner: Any, begin: Callable[[], asyncio.Task[_T]]) -> asyncio.Task[_T]:
    """Return the task that `begin` starts; it is cancelled when the QObject `owner` is destroyed.

    The connection precedes the task: the first step of the task may destroy the object already.
    """
    thread = threading.get_ident()
    task: asyncio.Task[_T] | None = None
    is_destroyed = False

    def destroyed(*_: object) -> None:
        nonlocal is_destroyed
        is_destroyed = True
        if task is not None:
            _cancel(task, thread)

    assert _binding.binding is not None
    # Direct: a queued call would be dropped with an object that another thread destroys.
    direct = _binding.binding.QtCore.Qt.ConnectionType.DirectConnection
    connection = owner.destroyed.connect(destroyed, direct)
    try:
        task = begin()
    except BaseException:
        _disconnect(connection)
        raise
    if task.done():
        _disconnect(connection)
        return task

    def done(_: object) -> None:
        # Another thread may be in the middle of destroying the object, and of this connection.
        if not is_destroyed:
            _disconnect(connection)

    task.add_done_callback(done)
    if is_destroyed:
        task.cancel()
    return task


def _cancel(task: asyncio.Task[Any], thread: int) -> None:
    loop = task.get_loop()
    if task.done() or loop.is_closed():
        return
    if threading.get_ident() == thread:
        task.cancel()
    else:
        loop.call_soon_threadsafe(task.cancel)


def _disconnect(connection: Any) -> None:
    # By the connection: that is no error if the sender was destroyed. PyQt6 ends the process if
    # the signal of a destroyed sender is disconnected.
    assert _binding.binding is not None
    _binding.binding.QtCore.QObject.disconnect(connection)
