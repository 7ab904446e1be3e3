"""The loops that Qt serves, by thread; they are attached and detached with the application.

A loop is served from its construction, or from that of the application if this comes later, until
`close()`: its callbacks run whenever Qt processes events on its thread.
"""

from __future__ import annotations

import threading
import weakref
from asyncio import events
from typing import TYPE_CHECKING

from . import _end, _excepthook, _native

if TYPE_CHECKING:
    from ._loop import QEventLoop

# The thread that serves each attached loop.
threads: weakref.WeakKeyDictionary[QEventLoop, int] = weakref.WeakKeyDictionary()

# Loops that are not attached because there was no application on their thread, by thread.
_waiting: weakref.WeakKeyDictionary[QEventLoop, int] = weakref.WeakKeyDictionary()

# Loops of QEventLoop(already_running=True), which live without another reference until close().
kept: set[QEventLoop] = set()


def serve(loop: QEventLoop) -> None:
    """Attach a loop to Qt on this thread, now or as soon as there is an application."""
    thread = threading.get_ident()
    if not _native.app_exists():
        _waiting[loop] = thread
        return
    loop._attach()
    loop._is_served = True
    _end.come_first()
    _waiting.pop(loop, None)
    threads[loop] = thread
    _excepthook.install()


def release(loop: QEventLoop) -> None:
    """Detach a loop from Qt."""
    loop._detach()
    threads.pop(loop, None)
    if not threads:
        _excepthook.remove()
    _waiting.pop(loop, None)


def here() -> QEventLoop | None:
    """Return the loop that Qt serves on this thread: the running one, else the newest, or None."""
    from ._loop import QEventLoop

    running = events._get_running_loop()
    if isinstance(running, QEventLoop):
        return running
    thread = threading.get_ident()
    served = [loop for loop, other in threads.items() if other == thread]
    return max(served, key=lambda loop: loop._number, default=None)


def _application_changed(event: str) -> None:
    thread = threading.get_ident()
    if event == "made":
        for loop in [loop for loop, other in _waiting.items() if other == thread]:
            serve(loop)
        return
    for loop in [loop for loop, other in threads.items() if other == thread]:
        if event == "quits":
            loop._on_quit()
        elif event == "destroyed":
            # Its dispatcher is destroyed, too. The next application serves the loop again.
            loop._kept_app = loop._given_app = None
            release(loop)
            _waiting[loop] = thread
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
