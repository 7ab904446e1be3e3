"""Loops with a virtual clock, and waits that prove that it has not jumped."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

import pytest

import qtloop

T = TypeVar("T")

FOREVER = 1000.0  # real seconds: an `idle` that does not pass during a test


@pytest.fixture
def clock() -> qtloop.VirtualClock:
    """A clock that starts at 0 and does not jump while a descriptor is watched."""
    return qtloop.VirtualClock(idle=FOREVER)


@pytest.fixture
def virtual(app: Any, clock: qtloop.VirtualClock) -> Iterator[qtloop.QEventLoop]:
    """A loop with that clock."""
    loop = qtloop.QEventLoop(app, clock=clock)
    yield loop
    loop.close()


def run(loop: qtloop.QEventLoop, main: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine; fails on reported exceptions."""
    reports: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: reports.append(context))
    result: T = loop.run_until_complete(main)
    assert reports == []
    return result


async def reach(when: float) -> None:
    """Waits until the loop's time is `when`; at once if it is later."""
    loop = asyncio.get_running_loop()
    reached = loop.create_future()
    loop.call_at(when, reached.set_result, None)
    await reached


def make_idle(loop: qtloop.QEventLoop, times: int = 20) -> None:
    """Waits, on another thread, until the loop has run `times` coroutines one by one."""
    for _ in range(times):
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result(30)


def in_thread(function: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=function, daemon=True)
    thread.start()
    return thread
