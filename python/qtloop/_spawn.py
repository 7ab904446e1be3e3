"""Tasks that the loop keeps alive, and that end with a QObject: `spawn()`."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Coroutine
from contextvars import Context
from typing import Any, TypeVar

from . import _binding, _slots
from ._connection import Connection

_T = TypeVar("_T")

_SCOPE = "_qtloop_scope"  # an attribute of QObjects that own tasks


class Scope:
    """The tasks of one QObject. One connection serves them all, so tasks that end leave nothing."""

    def __init__(self, parent: Any, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.tasks: set[asyncio.Task[Any]] = set()
        self.has_ended = False
        cancel = self.cancel
        # PyQt reports the end of a connection in the next turn of Qt, its emission at once.
        self.connection = Connection(parent.destroyed, lambda _: cancel(), cancel)

    def add(self, task: asyncio.Task[Any]) -> None:
        """Binds a task to the object, which its first step may have destroyed already."""
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        if self.has_ended:
            task.cancel()

    def cancel(self) -> None:
        """Cancels all tasks; their coroutines see it at their next `await`."""
        self.has_ended = True
        for task in list(self.tasks):
            task.cancel()


def spawn(
    coro: Coroutine[Any, Any, _T],
    *,
    parent: Any = None,
    name: str | None = None,
    context: Context | None = None,
) -> asyncio.Task[_T]:
    """Starts a task, which the loop keeps alive until it completes:

        qtloop.spawn(self.poll(), parent=self)

    An exception of the coroutine is reported as one of an `asyncSlot`. The task is cancelled when
    the QObject `parent` is destroyed. If the loop does not run yet, the task starts with it.

    Source: https://docs.python.org/3/library/asyncio-task.html#asyncio.create_task
    """
    if not asyncio.iscoroutine(coro):
        hint = f": did you mean {coro.__name__}()?" if inspect.iscoroutinefunction(coro) else ""
        raise TypeError(f"spawn takes a coroutine, got {coro!r}{hint}")
    # `create_task()` takes a context from Python 3.11 on.
    options: dict[str, Any] = (
        {"name": name} if context is None else {"name": name, "context": context}
    )
    task = start(coro, parent, **options)
    task.add_done_callback(_slots._finish)
    return task


def start(coro: Coroutine[Any, Any, _T], parent: Any = None, **options: Any) -> asyncio.Task[_T]:
    """Starts a task as `spawn()` does. Its exception is the caller's to report."""
    try:
        loop = _slots._loop()
        scope = None if parent is None else scope_of(parent, loop)
        task: asyncio.Task[_T] = loop.create_task(coro, **options)
    except BaseException:
        coro.close()
        raise
    _slots._tasks.add(task)
    task.add_done_callback(_slots._tasks.discard)
    if scope is not None:
        scope.add(task)
    return task


def scope_of(parent: Any, loop: asyncio.AbstractEventLoop) -> Scope:
    """Returns the scope of a QObject for the tasks of this loop, a new one if there is none."""
    binding = _binding.binding
    if binding is None or not isinstance(parent, binding.QtCore.QObject):
        of = f" of {binding.name}" if binding else ", and there is no Qt binding"
        raise TypeError(
            f"parent must be a QObject{of}, not {parent!r}: leave it out "
            "for a task that no object owns, and cancel that yourself"
        )
    scope: Scope | None = vars(parent).get(_SCOPE)
    if scope is None or scope.loop is not loop or scope.has_ended:
        # The slot refers to it, so it also outlives the Python wrapper of an object that Qt owns.
        scope = vars(parent)[_SCOPE] = Scope(parent, loop)
    return scope
