"""`spawn()`: starts a task that the loop keeps alive until it completes."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextvars import Context
from typing import Any, TypeVar

from . import _background_tasks, _coroutines
from ._scope import scope_of
from ._thread_loop import thread_loop

_T = TypeVar("_T")


def spawn(
    coro: Coroutine[Any, Any, _T],
    *,
    parent: Any = None,
    name: str | None = None,
    context: Context | None = None,
) -> asyncio.Task[_T]:
    """Starts a task, which the loop keeps alive until it completes:

        qtloop.spawn(self.poll(), parent=self)

    It belongs to the loop of the calling thread, and starts in the loop's next turn. `name` and
    `context` are those of `create_task()`; a context needs Python 3.11. An exception of the
    coroutine is passed to `sys.excepthook`, or to the loop's exception handler if the program has
    set no hook; a cancellation is not reported. The task is cancelled when the QObject `parent` is
    destroyed, on any thread.

    TypeError is raised if `coro` is no coroutine or `parent` no QObject, RuntimeError if the thread
    has no loop or `parent` was destroyed.

    Source: https://docs.python.org/3/library/asyncio-task.html#asyncio.create_task
    """
    if not asyncio.iscoroutine(coro):
        raise TypeError(f"spawn takes a coroutine, got {coro!r}{_coroutines.hint(coro)}")
    # `create_task()` takes a context from Python 3.11 on.
    options: dict[str, Any] = (
        {"name": name} if context is None else {"name": name, "context": context}
    )
    task = start(coro, parent, **options)
    task.add_done_callback(_background_tasks.report)
    return task


def start(coro: Coroutine[Any, Any, _T], parent: Any = None, **options: Any) -> asyncio.Task[_T]:
    """Starts a task as `spawn()` does, but reports no exception: the caller does."""
    try:
        loop = thread_loop()
        scope = None if parent is None else scope_of(parent, loop)
        task: asyncio.Task[_T] = loop.create_task(coro, **options)
    except BaseException:
        coro.close()
        raise
    _background_tasks.keep(task)
    if scope is not None:
        scope.add(task)
    return task
