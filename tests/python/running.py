"""Short words for what the tests do with a loop."""

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
    """Run what is ready now and no more."""
    loop.call_soon(loop.stop)
    loop.run_forever()


def run_for(loop: asyncio.AbstractEventLoop, seconds: float) -> None:
    """Give the loop some time, for tests that nothing happens in it."""
    loop.call_later(seconds, loop.stop)
    loop.run_forever()


def count_descriptors() -> int:
    """How many file descriptors this process has open."""
    return len(os.listdir("/proc/self/fd"))


def run_until(loop: asyncio.AbstractEventLoop, is_done: Callable[[], object]) -> None:
    """Run until something has come about; the limit is the test's."""

    async def watch() -> None:
        while not is_done():
            await asyncio.sleep(0.001)

    loop.run_until_complete(watch())


def refused_elsewhere(*calls: Callable[[], object]) -> list[str]:
    """What the RuntimeErrors say that these calls raise in another thread."""
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


async def cleans_up(log: list[str], name: str) -> None:
    """Wait until it is cancelled; note the name when the clean-up, with awaits and a thread, is done."""
    try:
        await asyncio.sleep(60)
    finally:
        await asyncio.sleep(0.002)
        await asyncio.to_thread(log.append, name)


def nothing(*args: object) -> None:
    """A callback for tests that look at the call and not at what is called."""
