"""One task as the inspector remembers it, without keeping it alive."""

from __future__ import annotations

import asyncio
import weakref
from typing import Any

from .._asyncio_private import unretrieved_exception
from . import _awaits, _warnings
from ._source import Account, Key
from ._text import Place


class Node:
    """A task: its figures, warnings, name and place."""

    __slots__ = (
        "account",
        "blocked",
        "function",
        "haystack",
        "is_done",
        "key",
        "name",
        "number",
        "place",
        "task",
        "warnings",
    )

    def __init__(self, number: int, task: asyncio.Task[Any], now: int) -> None:
        self.task = weakref.ref(task)
        self.number = number
        self.key: Key = (id(task), number)
        self.account: Account = (0, 0, 0, 0, 0, now, 0, 0, now)
        coroutine: Any = task.get_coro()
        code = getattr(coroutine, "cr_code", getattr(coroutine, "gi_code", None))
        self.place = _awaits.place_of_code(code) if code else Place("", 0, "")
        self.function = self.place.function or type(coroutine).__name__
        self.name = ""
        self.haystack = ""
        self.rename(task)
        self.blocked = 0  # the longest time for which a step has kept Qt from its events
        self.is_done = False
        self.warnings: tuple[str, ...] = ()

    def rename(self, task: asyncio.Task[Any]) -> None:
        """Reads the name of the task, which may change."""
        name = task.get_name()
        if name != self.name:
            self.name = name
            self.haystack = f"{name} {self.function} {self.place.short()}".lower()

    @property
    def polls(self) -> int:
        """The number of its steps that have begun."""
        return self.account[0]

    @property
    def busy(self) -> int:
        """Nanoseconds in its steps."""
        return self.account[1]

    @property
    def created(self) -> int:
        """When it was first seen."""
        return self.account[5]

    @property
    def is_running(self) -> bool:
        """Whether a step has begun and not returned."""
        return bool(self.account[7])

    @property
    def state(self) -> str:
        """The state: running, ready, waiting or done."""
        if self.is_done:
            return "done"
        if self.account[7]:
            return "running"
        return "ready" if self.account[6] else "waiting"

    def waited(self, now: int) -> int:
        """Returns for how long it has been in a state other than running, in nanoseconds."""
        return 0 if self.account[7] else max(0, now - self.account[8])

    def update(self, account: Account, now: int, gap: int, is_nested: bool) -> None:
        """Takes new figures, and finds what is suspicious about them.

        `gap` is the longest time between two of Qt's frames since the last figures. A step with a
        dialog can be long, and then there is no gap. `is_nested` says whether a nested event loop
        of Qt runs.
        """
        longest = account[2]
        if longest > self.account[2] and longest <= gap + _warnings.BLOCKED // 2:
            self.blocked = max(self.blocked, longest)
        self.account = account
        found = (
            _warnings.blocked(self.blocked),
            _warnings.never_yields(0 if is_nested else account[7], now),
            _warnings.wakes_itself(account[3], account[4]),
        )
        self.warnings = tuple(each for each in found if each is not None)

    def fail(self) -> bool:
        """Notes that the task is done. Returns whether it has an exception for other code to read.

        That is so while some code refers to the task, and has not retrieved the exception.
        """
        task = self.task()
        error = unretrieved_exception(task) if task is not None else None
        if error is None:
            return False
        if not self.is_done:
            self.is_done = True
            self.warnings = (_warnings.never_retrieved(error),)
        return True

    def waiting(self) -> _awaits.Waiting:
        """Returns where the task is, and what it awaits there."""
        task = self.task()
        if task is None:
            return _awaits.Waiting(None, "")
        if self.is_done:
            return _awaits.failure(unretrieved_exception(task))
        return _awaits.waiting(task)
