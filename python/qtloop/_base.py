"""The base class of the loop's parts, with the state that several of them use."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from . import _native
from ._asyncio_private import LOOP_ATTRIBUTES, AsyncioLoop

_serial_numbers = itertools.count()


# The attributes of all parts of the loop. CPython finds a method such as `loop.call_soon` faster
# while the instance has no dictionary; the first attribute without a slot makes one.
SLOTS = (
    *LOOP_ATTRIBUTES,
    "_app_reference",
    "_attach_state",
    "_background_tasks",
    "_cancels_main_on_quit",
    "_clock",
    "_close_callbacks",
    "_exhausted_sockets",
    "_given_app",
    "_has_quit",
    "_qt_loop_returned",
    "_sampler",
    "_running_watchdog",
    "_serial_number",
    "_stall_handler",
    "_tasks_before_quit",
    "_tasks_of_quit",
    "_undo",
    "_waits",
    "_wall_clock",
    "_was_attached",
    "_watchdog_seconds",
    "_watched_files",
)


class BaseLoop(_native.EventLoop, AsyncioLoop):
    """asyncio's selector loop over the native loop, which replaces the selector."""

    __slots__ = SLOTS

    def __init__(self, *args: Any) -> None:
        self._given_app: Any = None  # the argument `app` of QEventLoop, if it is an application
        # The binding's wrapper. Dropping it would delete the application.
        self._app_reference: Any = None
        self._clock: _native.VirtualClock | None = None  # the argument `clock` of QEventLoop
        self._was_attached = False  # whether the loop has been attached to Qt
        self._serial_number = next(_serial_numbers)
        # The file objects of `add_reader()` and `add_writer()`, by descriptor and direction.
        self._watched_files: dict[tuple[int, bool], Any] = {}
        # Strong references to tasks of slots and of `spawn()`, until they are done.
        self._background_tasks: set[asyncio.Task[Any]] = set()
        # Functions that `close()` calls first: each drops the pending call of a paced function, or
        # closes the inspector.
        self._close_callbacks: set[Callable[[], None]] = set()
        # Restores the state of the thread that `attach()` has changed.
        self._attach_state: ExitStack | None = None
        # Set while no run of this loop is inside a Qt loop.
        self._qt_loop_returned = threading.Event()
        super().__init__(*args)

    def _on_attach(self) -> None:
        """Called when the loop is attached to Qt, or is attached already, on its thread."""

    def _on_detach(self) -> None:
        """Called when the loop is about to be detached from Qt, on any thread."""

    def _on_quit(self) -> None:
        """Called when the application emits `aboutToQuit`, before the program's slots."""

    def _on_quit_done(self) -> None:
        """Called when the slots of `aboutToQuit` have returned."""
