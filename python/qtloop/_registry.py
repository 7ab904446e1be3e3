"""The loops of this process, by the thread on which Qt serves them."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Mapping

from ._asyncio_private import get_running_loop
from ._base import BaseLoop

# All loops, for a forked child: it must not touch the pollers that it shares with its parent.
all_loops: weakref.WeakSet[BaseLoop] = weakref.WeakSet()

# The thread that serves each loop that is attached to Qt.
attached: weakref.WeakKeyDictionary[BaseLoop, object] = weakref.WeakKeyDictionary()

# Loops that are not attached because there was no application on their thread, by thread.
unattached: weakref.WeakKeyDictionary[BaseLoop, object] = weakref.WeakKeyDictionary()

# Loops of QEventLoop(already_running=True), which live without another reference until close().
kept_alive: set[BaseLoop] = set()

_local = threading.local()


def this_thread() -> object:
    """Returns a unique object for this thread; `get_ident()` of a dead thread is reused."""
    try:
        return _local.identity
    except AttributeError:
        _local.identity = object()
        return _local.identity


def items(loops: Mapping[BaseLoop, object]) -> list[tuple[BaseLoop, object]]:
    """Returns a snapshot of the mapping, which other threads may change at the same time."""
    try:
        return list(loops.items())
    except RuntimeError:  # it changed; on this thread the garbage collector may change it
        return items(loops)


def loops_of_thread(loops: Mapping[BaseLoop, object]) -> list[BaseLoop]:
    """Returns the loops of the mapping whose thread is the calling one."""
    thread = this_thread()
    return [loop for loop, other in items(loops) if other is thread]


def loop_of_thread() -> BaseLoop | None:
    """Returns the loop that Qt serves on this thread: the running one, else the newest, or None."""
    running = get_running_loop()
    if isinstance(running, BaseLoop):
        return running
    return max(loops_of_thread(attached), key=lambda loop: loop._serial_number, default=None)
