"""Connections between a transport and a plain socket that misbehaves."""

from __future__ import annotations

import asyncio
import gc
import socket
import struct
import sys
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

import pytest

from support.running import Errors, Pair

Loop = asyncio.SelectorEventLoop
Ref = weakref.ref[Any]
T = TypeVar("T")

HERE = ("127.0.0.1", 0)
DATA = bytes(range(256)) * 1024
LOTS = DATA * 16


def run(loop: Loop, main: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine with a time limit; fails on reported exceptions, if the test takes none."""
    reports: Errors = []
    asked = loop.get_exception_handler()
    loop.set_exception_handler(asked or (lambda _, context: reports.append(context)))
    try:
        result = loop.run_until_complete(asyncio.wait_for(main, 30))
    finally:
        loop.set_exception_handler(asked)
    assert reports == []
    return result


def kept(loop: Loop, main: Coroutine[Any, Any, list[Ref]]) -> list[Ref]:
    """Runs a test's coroutine; returns those of its weak references that are still alive."""
    refs = run(loop, main)
    run(loop, settled())
    gc.collect()
    return [ref for ref in refs if ref() is not None]


class Notes:
    """The calls of a protocol's methods, in order, with methods to wait for more."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.data = bytearray()
        self.error: BaseException | None = None
        self.transport: Any = None
        self._news = asyncio.Event()

    def note(self, call: str) -> None:
        # The number of data_received() calls is not specified.
        if not (call == "data" and self.calls[-1:] == ["data"]):
            self.calls.append(call)
        self._news.set()

    async def until(self, is_so: Callable[[], object]) -> None:
        """Waits for calls until the condition is true."""
        while not is_so():
            self._news.clear()
            await self._news.wait()

    async def received(self, count: int) -> bytes:
        """Waits for `count` bytes, and returns all that have arrived."""
        await self.until(lambda: len(self.data) >= count)
        return bytes(self.data)

    async def lost(self) -> BaseException | None:
        """Waits for the end of the connection, and returns its exception."""
        await self.until(lambda: "lost" in self.calls)
        return self.error

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.note("made")

    def connection_lost(self, error: Exception | None) -> None:
        self.error = error
        self.note("lost")

    def pause_writing(self) -> None:
        self.note("pause")

    def resume_writing(self) -> None:
        self.note("resume")


class Recorder(Notes, asyncio.Protocol):
    """A protocol that only records its calls."""

    keeps_open: bool | None = None

    def data_received(self, data: bytes) -> None:
        assert type(data) is bytes and data
        self.data += data
        self.note("data")

    def eof_received(self) -> bool | None:
        self.note("eof")
        return self.keeps_open


class Buffered(Notes, asyncio.BufferedProtocol):
    """A BufferedProtocol that records its calls."""

    def __init__(self, size: int = 1000) -> None:
        super().__init__()
        self.buffer = bytearray(size)

    def get_buffer(self, sizehint: int) -> bytearray:
        return self.buffer

    def buffer_updated(self, count: int) -> None:
        self.data += self.buffer[:count]
        self.note("data")

    def eof_received(self) -> bool | None:
        self.note("eof")
        return None


since_3_11 = pytest.mark.skipif(
    sys.version_info < (3, 11), reason="asyncio of Python 3.10 does otherwise"
)
of_new_tls = pytest.mark.skipif(
    sys.version_info < (3, 11),
    reason="asyncio's TLS was another one before 3.11, and leaves transports unclosed",
)
each_protocol = pytest.mark.parametrize("kind", [Recorder, Buffered])


@asynccontextmanager
async def aborting(transport: Any) -> AsyncIterator[Any]:
    """Yields the transport, and aborts it at the end of the block."""
    try:
        yield transport
    finally:
        # asyncio's abort() fails after a close() with queued data.
        with suppress(AttributeError):
            transport.abort()
        await settled()


@asynccontextmanager
async def connected(loop: Loop, wire: Pair, protocol: Any) -> AsyncIterator[Any]:
    """Yields a transport on the first socket for the protocol; aborts it at the end."""
    transport, _ = await loop.create_connection(lambda: protocol, sock=wire[0])
    async with aborting(transport):
        yield transport


async def settled() -> None:
    """Lets ready callbacks run, and those that they queue."""
    for _ in range(5):
        await asyncio.sleep(0)


async def seen(loop: Loop) -> None:
    """Lets the loop handle everything that has arrived at its descriptors so far."""
    for _ in range(3):
        one, other = socket.socketpair()
        with one, other:
            one.setblocking(False)
            waiting = asyncio.create_task(loop.sock_recv(one, 1))
            await asyncio.sleep(0)
            other.send(b"x")
            await waiting
    await settled()


async def receive(loop: Loop, peer: socket.socket, count: int) -> bytes:
    """Reads `count` bytes at the peer, or fewer if the stream ends."""
    got = bytearray()
    while len(got) < count and (data := await loop.sock_recv(peer, min(count - len(got), 1 << 20))):
        got += data
    return bytes(got)


async def receive_all(loop: Loop, peer: socket.socket) -> bytes:
    """Reads at the peer until the stream ends."""
    return await receive(loop, peer, 1 << 40)


def reset(peer: socket.socket) -> None:
    """Closes the socket so that the other end gets a reset instead of an end of file."""
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


def stuff(transport: Any) -> bytes:
    """Fills the socket and queues a megabyte more; returns the bytes written."""
    written = 0
    while not transport.get_write_buffer_size():
        transport.write(DATA)
        written += 1
    for _ in range(4):
        transport.write(DATA)
    return DATA * (written + 4)


def skip_asyncio(transport: Any, since: tuple[int, ...], why: str) -> None:
    """Skips the test for asyncio's own transport from a Python version with a bug on."""
    if sys.version_info >= since and type(transport).__module__.startswith("asyncio"):
        transport.abort()
        pytest.skip(why)
