"""Attaches loops to Qt, and follows the application: its construction, quit and destruction.

While a loop is attached, its callbacks run whenever Qt processes events on its thread. A loop is
attached from its construction until `close()`, but only while there is an application. If the
application is made later, its thread's loops are attached then; those of other threads, at a run.
"""

from __future__ import annotations

from . import _excepthook, _native, _shutdown
from ._base import BaseLoop
from ._registry import attached, loops_of_thread, this_thread, unattached


def attach(loop: BaseLoop) -> None:
    """Attaches a loop to Qt on this thread. No effect if it is attached here already.

    Without an application, it is attached as soon as this thread makes one.
    """
    thread = this_thread()
    if not _native.app_exists():
        unattached[loop] = thread
        return
    loop._attach()
    loop._was_attached = True
    _shutdown.run_before_binding()
    unattached.pop(loop, None)
    attached[loop] = thread
    _excepthook.install()
    loop._on_attach()


def detach(loop: BaseLoop) -> None:
    """Detaches a loop from Qt."""
    loop._on_detach()
    loop._detach()
    attached.pop(loop, None)
    if not attached:
        _excepthook.remove()
    unattached.pop(loop, None)


def _application_changed(event: str) -> None:
    """Passes an event of `_native.watch_application()` to the loops of the application's thread."""
    if event == "made":
        for loop in loops_of_thread(unattached):
            attach(loop)
        return
    for loop in loops_of_thread(attached):
        if event == "quits":
            loop._on_quit()
        elif event == "quit done":
            loop._on_quit_done()
        elif event == "destroyed":
            # Its dispatcher is destroyed, too. The next application serves the loop again.
            loop._app_reference = loop._given_app = None
            detach(loop)
            unattached[loop] = this_thread()
        elif event == "doubled" and loop.is_running():
            loop._fail(SecondApplicationError())


class SecondApplicationError(RuntimeError):
    """The error of a run during which the program has made a second application."""

    def __init__(self) -> None:
        super().__init__(
            "a second Qt application was made while a loop runs in the first one: make the "
            "QApplication before qtloop.run(), or use QApplication.instance()"
        )


_native.watch_application(_application_changed)
