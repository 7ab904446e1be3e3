"""Helpers for the tests of priorities."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

import qtloop
from qtloop import Priority, get_priority

each_priority = pytest.mark.parametrize("priority", [Priority.HIGH, -1, 1, Priority.LOW])


def running() -> int:
    """Returns the priority of the running job, which the jobs that it schedules inherit."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, qtloop.QEventLoop)
    return loop._running_priority()


def own() -> int:
    """Returns the priority of the current task."""
    task = asyncio.current_task()
    assert task is not None
    return get_priority(task)


async def own_and_running() -> list[int]:
    """Returns both, before and after a yield and a wait."""
    seen = [own(), running()]
    await asyncio.sleep(0)
    seen += [own(), running()]
    await asyncio.sleep(0.001)
    return [*seen, own(), running()]


def run_with(
    loop: qtloop.QEventLoop, main: Coroutine[Any, Any, Any], priority: int = Priority.HIGH
) -> Any:
    """Runs a coroutine in a task with a priority, which ends within 20 seconds."""

    async def outer() -> Any:
        return await asyncio.wait_for(loop.create_task(main, priority=priority), 20)

    return loop.run_until_complete(outer())


async def settle() -> None:
    """Lets the callbacks of completed tasks and futures run."""
    for _ in range(5):
        await asyncio.sleep(0)
