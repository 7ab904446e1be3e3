"""Echo servers with each of asyncio's APIs, for the client process."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

CERTIFICATE = Path(__file__).parents[2] / "tests" / "python" / "support" / "localhost.pem"
PIECE = 1 << 16
HERE = "127.0.0.1"

Address = Any  # host and port, or a path


class Echo(asyncio.Protocol):
    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


class BufferedEcho(asyncio.BufferedProtocol):
    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.buffer = bytearray(PIECE)
        self.view = memoryview(self.buffer)

    def get_buffer(self, sizehint: int) -> bytearray:
        return self.buffer

    def buffer_updated(self, count: int) -> None:
        self.transport.write(bytes(self.view[:count]))


class DatagramEcho(asyncio.DatagramProtocol):
    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, address: Any) -> None:
        self.transport.sendto(data, address)


@asynccontextmanager
async def closing(server: asyncio.Server) -> AsyncIterator[Address]:
    yield server.sockets[0].getsockname()
    server.close()  # without `wait_closed()`: some loops wait for ever


@asynccontextmanager
async def protocol() -> AsyncIterator[Address]:
    server = await asyncio.get_running_loop().create_server(Echo, HERE, 0)
    async with closing(server) as address:
        yield address


@asynccontextmanager
async def buffered() -> AsyncIterator[Address]:
    server = await asyncio.get_running_loop().create_server(BufferedEcho, HERE, 0)
    async with closing(server) as address:
        yield address


@asynccontextmanager
async def streams() -> AsyncIterator[Address]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(PIECE):
            writer.write(data)
            await writer.drain()
        writer.close()

    async with closing(await asyncio.start_server(answer, HERE, 0)) as address:
        yield address


@asynccontextmanager
async def sockets() -> AsyncIterator[Address]:
    loop = asyncio.get_running_loop()
    tasks: set[asyncio.Task[None]] = set()

    async def answer(connection: socket.socket) -> None:
        with connection:
            while data := await loop.sock_recv(connection, PIECE):
                await loop.sock_sendall(connection, data)

    async def accept() -> None:
        while True:
            connection, _ = await loop.sock_accept(listener)
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            tasks.add(loop.create_task(answer(connection)))

    listener = socket.create_server((HERE, 0))
    listener.setblocking(False)
    accepting = loop.create_task(accept())
    await asyncio.sleep(0.01)
    if accepting.done():  # the loop does not support it
        await accepting
    yield listener.getsockname()
    accepting.cancel()
    await asyncio.wait([accepting, *tasks], timeout=1)
    listener.close()


@asynccontextmanager
async def unix() -> AsyncIterator[Address]:
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "socket")
        server = await asyncio.get_running_loop().create_unix_server(Echo, path)
        yield path
        server.close()


@asynccontextmanager
async def udp() -> AsyncIterator[Address]:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(DatagramEcho, (HERE, 0))
    yield transport.get_extra_info("sockname")
    transport.close()


@asynccontextmanager
async def tls() -> AsyncIterator[Address]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    server = await asyncio.get_running_loop().create_server(Echo, HERE, 0, ssl=context)
    async with closing(server) as address:
        yield address


SERVERS: dict[str, tuple[str, Callable[[], AbstractAsyncContextManager[Address]]]] = {
    "TCP Protocol": ("tcp", protocol),
    "TCP BufferedProtocol": ("tcp", buffered),
    "TCP streams": ("tcp", streams),
    "TCP sock_*": ("tcp", sockets),
    "Unix Protocol": ("unix", unix),
    "UDP": ("udp", udp),
    "TLS Protocol": ("tls", tls),
}
