"""Which tasks a quit of the application has reached: those that may finish before the run ends."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

# Coroutines that end by themselves, or with any Qt loop: no news of a quit comes by them.
_SLEEP = asyncio.sleep.__code__
deaf = {_SLEEP}


def listens_to(task: asyncio.Task[Any], *, to_dialogs: bool = False) -> Any:
    """What a task awaits, if that may be news of a quit; None for a task that only sleeps.

    The end of a dialog's `exec()` is no such news, unless `to_dialogs`.
    """
    innermost: Any = task.get_coro()
    while inspect.iscoroutine(awaited := getattr(innermost, "cr_await", None)):
        innermost = awaited
    code = getattr(innermost, "cr_code", None)
    is_deaf = code is _SLEEP if to_dialogs else code in deaf
    return None if is_deaf else _waits_for(task)


def moved(task: asyncio.Future[Any], heard: dict[Any, Any]) -> bool:
    """Whether a task has got what it listened to then. One that only yields does not listen."""
    before = heard.get(task)
    return task.done() or (before is not None and _waits_for(task) is not before)


def _waits_for(task: asyncio.Future[Any]) -> Any:
    """What a task awaits; None if it is about to run."""
    return getattr(task, "_fut_waiter", None)
