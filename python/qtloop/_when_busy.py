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


class _ActiveTasks:
    """The incomplete tasks of one slot for one object on one loop, of which the first runs."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._tasks: list[asyncio.Task[Any]] = []
        self._waiters: dict[asyncio.Task[Any], asyncio.Future[None]] = {}

    def incomplete(self) -> list[asyncio.Task[Any]]:
        return [task for task in self._tasks if not task.done()]

    def add(self, task: asyncio.Task[Any]) -> None:
        if task not in self._tasks:
            self._tasks.append(task)

    def remove(self, task: asyncio.Task[Any]) -> None:
        if task not in self._tasks:
            return
        self._tasks.remove(task)
        waiter = self._waiters.get(self._tasks[0]) if self._tasks else None
        if waiter is not None and not waiter.done() and not self._loop.is_closed():
            waiter.set_result(None)

    async def run_in_order(self, call: Callable[[], _Coroutine]) -> Any:
        task = asyncio.current_task()
        assert task is not None
        self.add(task)
        try:
            if self._tasks[0] is not task:
                self._waiters[task] = self._loop.create_future()
                await self._waiters[task]
            return await call()
        finally:
            self._waiters.pop(task, None)
            self.remove(task)


class SlotTasks:
    """The calls of one slot, kept apart by object and loop."""

    def __init__(self) -> None:
        # Only the coroutines of its tasks refer to an `_ActiveTasks`. They also keep the object
        # alive, so its id is not used again. If a closed loop drops them, it is dropped, too.
        self._active: weakref.WeakValueDictionary[tuple[int, int], _ActiveTasks] = (
            weakref.WeakValueDictionary()
        )

    def start_call(
        self,
        when_busy: WhenBusy,
        owner: object,
        loop: asyncio.AbstractEventLoop,
        call: Callable[[], _Coroutine],
        start: _Start,
    ) -> asyncio.Task[Any]:
        """Applies the policy to a call. Returns the task that was started, or the one that runs."""
        key = (id(owner), id(loop))
        active = self._active.get(key)
        if active is None:
            active = self._active[key] = _ActiveTasks(loop)
        incomplete = active.incomplete()
        if incomplete and when_busy == "drop":
            return incomplete[0]
        if when_busy == "restart":
            for task in incomplete:
                task.cancel()
        task = start(active.run_in_order(call))
        if not task.done():
            # A task factory may start it later, or never; it counts as incomplete from now on.
            active.add(task)
            task.add_done_callback(active.remove)
        return task
