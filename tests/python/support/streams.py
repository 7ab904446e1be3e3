"""Coroutines of a client and a server of asyncio's streams."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

# From its own module: PySide6 6.12 breaks the lazy import of concurrent.futures in Python 3.15.
from typing import Any, TypeVar

import qtloop

T = TypeVar("T")
HERE = ("127.0.0.1", 0)
DATA = bytes(range(256)) * 1024


def run(loop: qtloop.QEventLoop, main: Coroutine[Any, Any, T]) -> T:
    """Runs it, then the tasks that it started: before 3.12 a server does not wait for handlers."""

    async def whole() -> T:
        result = await asyncio.wait_for(main, 30)
        if others := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(others, timeout=30)
        return result

    result: T = loop.run_until_complete(whole())
    return result


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Sends back all data, and closes when the other side has closed."""
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()
    await writer.wait_closed()


async def exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, data: bytes
) -> bytes:
    """Sends the data, and returns the response."""

    async def send() -> None:
        writer.write(data)
        await writer.drain()

    sending = asyncio.create_task(send())
    answer = await reader.readexactly(len(data))
    await sending
    writer.close()
    await writer.wait_closed()
    return answer
