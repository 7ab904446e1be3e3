"""Finds the tasks that react to a quit of the application: these may still complete."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

# Coroutines whose end does not show that the task knows of a quit: they end anyway.
_SLEEP = asyncio.sleep.__code__
deaf = {_SLEEP}


def listens_to(task: asyncio.Task[Any], *, to_dialogs: bool = False) -> Any:
    """Returns the future that a task awaits, if a quit may complete it; None if the task sleeps.

    A future of `asyncWrap`, which ends with a dialog's `exec()`, counts only with `to_dialogs`.
    """
    innermost: Any = task.get_coro()
    while inspect.iscoroutine(awaited := getattr(innermost, "cr_await", None)):
        innermost = awaited
    code = getattr(innermost, "cr_code", None)
    is_deaf = code is _SLEEP if to_dialogs else code in deaf
    return None if is_deaf else _waits_for(task)


def moved(task: asyncio.Future[Any], heard: dict[Any, Any]) -> bool:
    """Returns whether a task is done, or awaits another future than the one in `heard`."""
    before = heard.get(task)
    return task.done() or (before is not None and _waits_for(task) is not before)


def _waits_for(task: asyncio.Future[Any]) -> Any:
    """Returns the future that a task awaits; None if the task is about to run."""
    return getattr(task, "_fut_waiter", None)
