"""Policies for a slot that is called while a task of it runs: `when_busy` of `asyncSlot`."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable, Coroutine
from typing import Any, Literal, TypeAlias, get_args

WhenBusy: TypeAlias = Literal["parallel", "queue", "drop", "restart"]
_Coroutine: TypeAlias = Coroutine[Any, Any, Any]
_Start: TypeAlias = Callable[[_Coroutine], asyncio.Task[Any]]


def check(when_busy: str) -> None:
    """Raises ValueError if there is no such policy."""
    choices = get_args(WhenBusy)
    if when_busy not in choices:
        raise ValueError(f"when_busy={when_busy!r} is not one of {', '.join(map(repr, choices))}")


class _Run:
    """The incomplete tasks of one slot for one object on one loop, of which the first runs."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._tasks: list[asyncio.Task[Any]] = []
        self._turns: dict[asyncio.Task[Any], asyncio.Future[None]] = {}

    def busy(self) -> list[asyncio.Task[Any]]:
        return [task for task in self._tasks if not task.done()]

    def enter(self, task: asyncio.Task[Any]) -> None:
        if task not in self._tasks:
            self._tasks.append(task)

    def leave(self, task: asyncio.Task[Any]) -> None:
        if task not in self._tasks:
            return
        self._tasks.remove(task)
        turn = self._turns.get(self._tasks[0]) if self._tasks else None
        if turn is not None and not turn.done() and not self._loop.is_closed():
            turn.set_result(None)

    async def in_turn(self, call: Callable[[], _Coroutine]) -> Any:
        task = asyncio.current_task()
        assert task is not None
        self.enter(task)
        try:
            if self._tasks[0] is not task:
                self._turns[task] = self._loop.create_future()
                await self._turns[task]
            return await call()
        finally:
            self._turns.pop(task, None)
            self.leave(task)


class Runs:
    """The calls of one slot, kept apart by object and loop."""

    def __init__(self) -> None:
        # Only the coroutines of its tasks refer to a run. They also keep the object alive, so its
        # id is not used again. If a closed loop drops them, the run is dropped, too.
        self._runs: weakref.WeakValueDictionary[tuple[int, int], _Run] = (
            weakref.WeakValueDictionary()
        )

    def begin(
        self,
        when_busy: WhenBusy,
        owner: object,
        loop: asyncio.AbstractEventLoop,
        call: Callable[[], _Coroutine],
        start: _Start,
    ) -> asyncio.Task[Any]:
        """Applies the policy to a call. Returns the task that was started, or the one that runs."""
        key = (id(owner), id(loop))
        run = self._runs.get(key)
        if run is None:
            run = self._runs[key] = _Run(loop)
        busy = run.busy()
        if busy and when_busy == "drop":
            return busy[0]
        if when_busy == "restart":
            for task in busy:
                task.cancel()
        task = start(run.in_turn(call))
        if not task.done():
            # A task factory may start it later, or never; it counts as busy from now on.
            run.enter(task)
            task.add_done_callback(run.leave)
        return task
