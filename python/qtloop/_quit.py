"""Which tasks a quit of the application has reached: those that may finish before the run ends."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

# Coroutines that end by themselves, or with any Qt loop: no news of a quit comes by them.
deaf = {asyncio.sleep.__code__}


def listens_to(task: asyncio.Task[Any]) -> Any:
    """What a task awaits, if that may be news of a quit; None for a task that only sleeps."""
    innermost: Any = task.get_coro()
    while inspect.iscoroutine(awaited := getattr(innermost, "cr_await", None)):
        innermost = awaited
    is_deaf = getattr(innermost, "cr_code", None) in deaf
    return None if is_deaf else _waits_for(task)


def moved(task: asyncio.Future[Any], heard: dict[Any, Any]) -> bool:
    """Whether a task has got what it listened to then. One that only yields does not listen."""
    before = heard.get(task)
    return task.done() or (before is not None and _waits_for(task) is not before)


def _waits_for(task: asyncio.Future[Any]) -> Any:
    """What a task awaits; None if it is about to run."""
    return getattr(task, "_fut_waiter", None)
