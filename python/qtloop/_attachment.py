"""The loops that Qt serves, by thread. They are attached and detached with the application.

A loop is served from its construction, or from that of the application if this comes later, until
`close()`: its callbacks run whenever Qt processes events on its thread.
"""

from __future__ import annotations

import threading
import weakref
from asyncio import events
from collections.abc import Mapping
from typing import TYPE_CHECKING

from . import _excepthook, _native, _shutdown

if TYPE_CHECKING:
    from ._loop import QEventLoop

# The thread that serves each attached loop.
attached: weakref.WeakKeyDictionary[QEventLoop, object] = weakref.WeakKeyDictionary()

# Loops that are not attached because there was no application on their thread, by thread.
_unattached: weakref.WeakKeyDictionary[QEventLoop, object] = weakref.WeakKeyDictionary()

_local = threading.local()

# Loops of QEventLoop(already_running=True), which live without another reference until close().
kept_alive: set[QEventLoop] = set()


def this_thread() -> object:
    """Returns a unique object for this thread; `get_ident()` of a dead thread is reused."""
    try:
        return _local.identity
    except AttributeError:
        _local.identity = object()
        return _local.identity


def items(loops: Mapping[QEventLoop, object]) -> list[tuple[QEventLoop, object]]:
    """Returns a snapshot of the mapping, which other threads may change at the same time."""
    try:
        return list(loops.items())
    except RuntimeError:  # it changed; on this thread the garbage collector may change it
        return items(loops)


def _loops_here(loops: Mapping[QEventLoop, object]) -> list[QEventLoop]:
    thread = this_thread()
    return [loop for loop, other in items(loops) if other is thread]


def attach(loop: QEventLoop) -> None:
    """Attaches a loop to Qt on this thread, now or as soon as there is an application."""
    thread = this_thread()
    if not _native.app_exists():
        _unattached[loop] = thread
        return
    loop._attach()
    loop._was_attached = True
    _shutdown.run_before_binding()
    _unattached.pop(loop, None)
    attached[loop] = thread
    _excepthook.install()


def detach(loop: QEventLoop) -> None:
    """Detaches a loop from Qt."""
    loop._detach()
    attached.pop(loop, None)
    if not attached:
        _excepthook.remove()
    _unattached.pop(loop, None)


def loop_of_thread() -> QEventLoop | None:
    """Returns the loop that Qt serves on this thread: the running one, else the newest, or None."""
    from ._loop import QEventLoop

    running = events._get_running_loop()
    if isinstance(running, QEventLoop):
        return running
    return max(_loops_here(attached), key=lambda loop: loop._serial_number, default=None)


def _application_changed(event: str) -> None:
    if event == "made":
        for loop in _loops_here(_unattached):
            attach(loop)
        return
    for loop in _loops_here(attached):
        if event == "quits":
            loop._on_quit()
        elif event == "quit done":
            loop._on_quit_done()
        elif event == "destroyed":
            # Its dispatcher is destroyed, too. The next application serves the loop again.
            loop._app_reference = loop._given_app = None
            detach(loop)
            _unattached[loop] = this_thread()
        elif event == "doubled" and loop.is_running():
            loop._fail(SecondApplicationError())


class SecondApplicationError(RuntimeError):
    """The program has made a second application while a loop runs in the first one."""

    def __init__(self) -> None:
        super().__init__(
            "a second Qt application was made while a loop runs in the first one: make the "
            "QApplication before qtloop.run(), or use QApplication.instance()"
        )


_native.watch_application(_application_changed)
