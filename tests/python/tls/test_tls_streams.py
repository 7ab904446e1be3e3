"""TLS with asyncio's streams and protocols: certificates, and an upgrade in mid-connection."""

from __future__ import annotations

import asyncio
import ssl

# From its own module: PySide6 6.12 breaks the lazy import of concurrent.futures in Python 3.15.
from typing import Any

import pytest
from support.streams import DATA, HERE, echo, exchange, run
from support.tls import CERTIFICATE

import qtloop

pytest_plugins = ["support.each_loop"]


def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Returns the SSL contexts of the server and the client."""
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(CERTIFICATE)
    return server, ssl.create_default_context(cafile=str(CERTIFICATE))


def test_tls_carries_what_is_sent(loop: qtloop.QEventLoop) -> None:
    for_server, for_client = contexts()

    async def main() -> tuple[bytes, str]:
        async with await asyncio.start_server(echo, *HERE, ssl=for_server) as server:
            address = server.sockets[0].getsockname()
            reader, writer = await asyncio.open_connection(
                *address, ssl=for_client, server_hostname="localhost"
            )
            cipher = writer.get_extra_info("cipher")
            return await exchange(reader, writer, DATA * 4), cipher[1]

    answer, version = run(loop, main())
    assert answer == DATA * 4
    assert version.startswith("TLS")


def test_tls_refuses_an_untrusted_certificate(loop: qtloop.QEventLoop) -> None:
    for_server, _ = contexts()
    loop.set_exception_handler(lambda loop, context: None)

    async def main() -> None:
        async with await asyncio.start_server(echo, *HERE, ssl=for_server) as server:
            with pytest.raises(ssl.SSLCertVerificationError):
                await asyncio.open_connection(
                    *server.sockets[0].getsockname(),
                    ssl=ssl.create_default_context(),
                    server_hostname="localhost",
                )

    run(loop, main())


def test_tls_can_start_in_the_middle_of_a_connection(loop: qtloop.QEventLoop) -> None:
    for_server, for_client = contexts()

    class Server(asyncio.Protocol):
        def connection_made(self, transport: Any) -> None:
            self.transport = transport

        def data_received(self, data: bytes) -> None:
            if data == b"STARTTLS":
                self.transport.write(b"GO")
                tasks.append(asyncio.create_task(self.upgrade()))
            else:
                self.transport.write(data[::-1])

        def connection_lost(self, error: Exception | None) -> None:
            self.transport.close()
            ended.release()

        async def upgrade(self) -> None:
            self.transport = await loop.start_tls(
                self.transport, self, for_server, server_side=True
            )

    tasks: list[asyncio.Task[None]] = []
    ended = asyncio.Semaphore(0)

    class Client(asyncio.Protocol):
        def __init__(self) -> None:
            self.came: asyncio.Queue[bytes] = asyncio.Queue()

        def data_received(self, data: bytes) -> None:
            self.came.put_nowait(data)

        def connection_lost(self, error: Exception | None) -> None:
            ended.release()

    async def main() -> bytes:
        server = await loop.create_server(Server, *HERE)
        address = server.sockets[0].getsockname()
        transport, protocol = await loop.create_connection(Client, *address)
        transport.write(b"STARTTLS")
        assert await protocol.came.get() == b"GO"
        secure = await loop.start_tls(transport, protocol, for_client, server_hostname="localhost")
        assert secure is not None
        await asyncio.gather(*tasks)
        secure.write(b"secret")
        answer = await protocol.came.get()
        assert secure.get_extra_info("cipher")
        secure.close()
        server.close()
        for _ in ("client", "server"):
            await ended.acquire()
        return answer

    assert run(loop, main()) == b"terces"
