"""Helpers for running a loop in tests."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Callable
from typing import Any

Errors = list[dict[str, Any]]
Pair = tuple[socket.socket, socket.socket]
Pipe = tuple[int, int]


def run_once(loop: asyncio.AbstractEventLoop) -> None:
    """Runs one batch of callbacks."""
    loop.call_soon(loop.stop)
    loop.run_forever()


def run_for(loop: asyncio.AbstractEventLoop, seconds: float) -> None:
    """Runs the loop for a short time, for tests that expect no event."""
    loop.call_later(seconds, loop.stop)
    loop.run_forever()


def count_descriptors() -> int:
    """Returns the number of open file descriptors of this process."""
    return len(os.listdir("/proc/self/fd"))


def run_until(loop: asyncio.AbstractEventLoop, is_done: Callable[[], object]) -> None:
    """Runs the loop until `is_done()` is true; only the test's own timeout limits it."""

    async def watch() -> None:
        while not is_done():
            await asyncio.sleep(0.001)

    loop.run_until_complete(watch())


def refused_elsewhere(*calls: Callable[[], object]) -> list[str]:
    """Makes the calls in another thread; returns the texts of the RuntimeErrors they raise."""
    words: list[str] = []

    def call_all() -> None:
        for call in calls:
            try:
                call()
            except RuntimeError as error:
                words.append(str(error))

    thread = threading.Thread(target=call_all)
    thread.start()
    thread.join()
    return words


def in_thread(function: Callable[[], object]) -> threading.Thread:
    """Starts a thread that calls the function."""
    thread = threading.Thread(target=function)
    thread.start()
    return thread


async def cleans_up(log: list[str], name: str) -> None:
    """Waits until it is cancelled; notes the name after a clean-up with awaits and a thread."""
    try:
        await asyncio.sleep(60)
    finally:
        await asyncio.sleep(0.002)
        await asyncio.to_thread(log.append, name)


def nothing(*args: object) -> None:
    """A callback that does nothing."""
