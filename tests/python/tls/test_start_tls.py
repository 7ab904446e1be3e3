"""`start_tls()` of a server whose StreamReader has read the start of the handshake already."""

from __future__ import annotations

import asyncio
import ssl
import sys
from typing import Any

import pytest
from support.connections import HERE
from support.tls import for_client, for_server

import qtloop


async def secured_with_the_loop(reader: Any, writer: Any) -> Any:
    """Starts TLS by `loop.start_tls()`, on every Python. Returns an object with `write()`."""
    loop, transport = asyncio.get_running_loop(), writer.transport
    protocol = transport.get_protocol()
    return await loop.start_tls(transport, protocol, for_server(), server_side=True)


async def secured_with_the_writer(reader: Any, writer: Any) -> Any:
    await writer.start_tls(for_server())
    return writer


async def talk_to_a_server(secured: Any, sent_with_the_request: bytes) -> list[bytes]:
    """Sends a request for TLS and the handshake in one packet; returns the lines of both ends."""
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readline())
        secure = await secured(reader, writer)
        seen.append(await reader.readline())
        secure.write(b"answer\n")
        secure.close()
        await writer.wait_closed()
        served.set()

    served = asyncio.Event()
    server = await asyncio.start_server(serve, *HERE)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = for_client().wrap_bio(incoming, outgoing, server_hostname="localhost")

    async def do(call: Any) -> Any:
        while True:
            try:
                return call()
            except ssl.SSLWantReadError:
                writer.write(outgoing.read())
                incoming.write(await reader.read(1 << 16))

    writer.write(sent_with_the_request)
    await do(client.do_handshake)
    client.write(b"secret\n")
    seen.append(await do(lambda: client.read(100)))
    writer.close()
    await served.wait()
    server.close()
    return seen


@pytest.mark.parametrize(
    "secured",
    [
        secured_with_the_loop,
        pytest.param(
            secured_with_the_writer,
            marks=pytest.mark.skipif(
                sys.version_info < (3, 11), reason="StreamWriter has start_tls() from 3.11 on"
            ),
        ),
    ],
)
def test_handshake_that_arrived_with_the_request_for_tls_is_completed(
    app: Any, secured: Any
) -> None:
    seen = qtloop.run(asyncio.wait_for(talk_to_a_server(secured, b"STARTTLS\n"), 20))
    assert seen == [b"STARTTLS\n", b"secret\n", b"answer\n"]


def test_plain_text_after_the_request_for_tls_fails_the_handshake(app: Any) -> None:
    """Plain text must not reach the application as if it had been encrypted."""

    async def main() -> None:
        failed: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readline()
            try:
                await secured_with_the_loop(reader, writer)
            except Exception as error:
                failed.set_result(error)

        server = await asyncio.start_server(serve, *HERE)
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"STARTTLS\nRSET\n" + bytes(100))
        error = await asyncio.wait_for(failed, 20)
        writer.close()
        server.close()
        assert isinstance(error, ssl.SSLError)

    qtloop.run(main())
