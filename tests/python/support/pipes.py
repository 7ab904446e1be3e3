"""Pipes with a transport at one end."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from support.connections import DATA, Loop, settled


@asynccontextmanager
async def reading(loop: Loop, descriptor: int, protocol: Any) -> AsyncIterator[Any]:
    """Yields a transport that reads from the pipe; closes it at the end."""
    file = os.fdopen(descriptor, "rb", 0)
    transport, _ = await loop.connect_read_pipe(lambda: protocol, file)
    try:
        yield transport
    finally:
        transport.close()
        await settled()


@asynccontextmanager
async def writing(loop: Loop, descriptor: int, protocol: Any) -> AsyncIterator[Any]:
    """Yields a transport that writes to the pipe; closes it at the end."""
    file = os.fdopen(descriptor, "wb", 0)
    transport, _ = await loop.connect_write_pipe(lambda: protocol, file)
    try:
        yield transport
    finally:
        if not transport.is_closing():
            transport.abort()
        await settled()


def fill(transport: Any) -> bytes:
    """Writes more than a pipe holds."""
    transport.write(DATA)
    assert transport.get_write_buffer_size()
    return DATA


async def drain(loop: Loop, descriptor: int, count: int) -> bytes:
    """Reads `count` bytes from a descriptor, or fewer if the stream ends."""
    got = b""
    ready = asyncio.Event()
    loop.add_reader(descriptor, ready.set)
    try:
        while len(got) < count:
            await ready.wait()
            ready.clear()
            with suppress(BlockingIOError):
                if not (data := os.read(descriptor, min(65536, count - len(got)))):
                    break
                got += data
    finally:
        loop.remove_reader(descriptor)
    return got
