"""Datagram endpoints whose protocol records its calls."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from support.connections import Loop, Notes, aborting


class Datagrams(Notes, asyncio.DatagramProtocol):
    """Records received datagrams and their senders."""

    def __init__(self) -> None:
        super().__init__()
        self.came: list[bytes] = []
        self.senders: list[Any] = []
        self.errors: list[Exception] = []

    def datagram_received(self, data: bytes, address: Any) -> None:
        assert type(data) is bytes
        self.came.append(data)
        self.senders.append(address)
        self.note("data")

    def error_received(self, error: Exception) -> None:
        self.errors.append(error)
        self.note("error")

    async def got(self, count: int) -> list[bytes]:
        """Waits for `count` datagrams, and returns all that have arrived."""
        await self.until(lambda: len(self.came) >= count)
        return self.came


@asynccontextmanager
async def endpoint(loop: Loop, protocol: Any, **how: Any) -> AsyncIterator[Any]:
    """Yields a datagram transport; aborts it at the end of the block."""
    transport, _ = await loop.create_datagram_endpoint(lambda: protocol, **how)
    async with aborting(transport):
        yield transport


def fill(transport: Any) -> list[bytes]:
    """Fills the socket and queues some more datagrams; returns all that were sent."""
    sent: list[bytes] = []
    while not transport.get_write_buffer_size() or len(sent) % 10:
        sent.append(b"%04d" % len(sent) * 250)
        transport.sendto(sent[-1])
    return sent


async def take(loop: Loop, peer: socket.socket, count: int) -> list[bytes]:
    """Receives `count` datagrams at the peer."""
    return [await loop.sock_recv(peer, 1 << 16) for _ in range(count)]
