"""Tasks that end with a QObject: one connection to its `destroyed` cancels all of them."""

from __future__ import annotations

import asyncio
from typing import Any

from . import _binding
from ._signal_connection import SignalConnection

_SCOPE = "_qtloop_scope"  # an attribute of QObjects that own tasks


class Scope:
    """The tasks of one QObject. They share one connection, so a completed task leaves none."""

    def __init__(self, parent: Any, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.tasks: set[asyncio.Task[Any]] = set()
        self.has_ended = False
        cancel = self.cancel
        # The emission cancels at once; PyQt reports a dropped connection only in Qt's next pass.
        self.connection = SignalConnection(parent.destroyed, lambda _: cancel(), cancel)

    def add(self, task: asyncio.Task[Any]) -> None:
        """Adds a task; cancels it if its first step has destroyed the object."""
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        if self.has_ended:
            task.cancel()

    def cancel(self) -> None:
        """Cancels all tasks: each raises CancelledError at its next `await`."""
        self.has_ended = True
        for task in list(self.tasks):
            task.cancel()


def scope_of(parent: Any, loop: asyncio.AbstractEventLoop) -> Scope:
    """Returns the scope of a QObject for this loop; makes one if there is none."""
    binding = _binding.binding
    if binding is None or not isinstance(parent, binding.QtCore.QObject):
        of = f" of {binding.name}" if binding else ", and there is no Qt binding"
        raise TypeError(
            f"parent must be a QObject{of}, not {parent!r}: leave it out "
            "for a task that no object owns, and cancel that yourself"
        )
    scope: Scope | None = vars(parent).get(_SCOPE)
    if scope is None or scope.loop is not loop or scope.has_ended:
        # The slot refers to the scope, so the scope outlives the wrapper of an object Qt owns.
        scope = vars(parent)[_SCOPE] = Scope(parent, loop)
    return scope
