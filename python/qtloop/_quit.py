"""Finds the tasks that react to a quit of the application: these may still complete."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

# Coroutines whose end does not show that the task knows of a quit: they end anyway.
_SLEEP = asyncio.sleep.__code__
IGNORED_AT_QUIT = {_SLEEP}


def awaited_future(task: asyncio.Task[Any], *, to_dialogs: bool = False) -> Any:
    """Returns the future that a task awaits, if a quit may complete it; None if the task sleeps.

    A future of `asyncWrap`, which ends with a dialog's `exec()`, counts only with `to_dialogs`.
    """
    innermost: Any = task.get_coro()
    while inspect.iscoroutine(awaited := getattr(innermost, "cr_await", None)):
        innermost = awaited
    code = getattr(innermost, "cr_code", None)
    is_ignored = code is _SLEEP if to_dialogs else code in IGNORED_AT_QUIT
    return None if is_ignored else _waiter(task)


def made_progress(task: asyncio.Future[Any], awaited: dict[Any, Any]) -> bool:
    """Returns whether a task is done, or awaits another future than the one in `awaited`."""
    before = awaited.get(task)
    return task.done() or (before is not None and _waiter(task) is not before)


def _waiter(task: asyncio.Future[Any]) -> Any:
    """Returns the future that a task awaits; None if the task is about to run."""
    return getattr(task, "_fut_waiter", None)
