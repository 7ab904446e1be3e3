"""The result of one call of a paced coroutine function: it may be awaited, and need not be."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from typing import Any

from . import _background_tasks


class PacedResult:
    """An awaitable for the result of one call. It is cancelled if the call is dropped.

    The exception of a call that nothing awaits is reported as that of a slot.
    """

    def __init__(self, withdraw: Callable[[PacedResult], object]) -> None:
        self._withdraw = withdraw
        self._task: asyncio.Future[Any] | None = None
        self._begins: asyncio.Future[None] | None = None  # made by the first waiter
        self._is_awaited = False
        self._is_dropped = False

    def begin(self, task: asyncio.Future[Any]) -> None:
        """Sets the task that runs the call."""
        self._task = task
        if self._begins is not None and not self._begins.done():
            self._begins.set_result(None)

    def drop(self) -> None:
        """Cancels the waiters: the call will not run."""
        self._is_dropped = True
        if self._begins is not None and not self._begins.get_loop().is_closed():
            self._begins.cancel()

    def report(self, task: Any) -> None:
        """Reports the exception of the task, unless a waiter gets it."""
        if not self._is_awaited:
            _background_tasks.report(task)

    def __await__(self) -> Generator[Any, Any, Any]:
        self._is_awaited = True
        return self._wait().__await__()

    async def _wait(self) -> Any:
        if self._is_dropped:
            raise asyncio.CancelledError
        if self._task is None:
            if self._begins is None:
                self._begins = asyncio.get_running_loop().create_future()
            try:
                await self._begins
            except asyncio.CancelledError:
                if self._task is None:
                    self._withdraw(self)
                    raise
                self._task.cancel()  # it has begun since this coroutine was woken
        assert self._task is not None
        return await self._task
