"""Connections over TLS whose both ends are transports."""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from support.connections import (
    HERE,
    Loop,
    settled,
)

CERTIFICATE = Path(__file__).with_name("localhost.pem")


def for_server() -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(CERTIFICATE)
    return context


def for_client() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(CERTIFICATE))


@asynccontextmanager
async def both(loop: Loop, protocol: Any, served: Any) -> AsyncIterator[tuple[Any, Any]]:
    """Yields the transports of a client and its server after the handshake; aborts both later."""
    server = await loop.create_server(lambda: served, *HERE, ssl=for_server())
    transport, _ = await loop.create_connection(
        lambda: protocol,
        *server.sockets[0].getsockname(),
        ssl=for_client(),
        server_hostname="localhost",
    )
    await served.until(lambda: served.transport)
    try:
        yield transport, served.transport
    finally:
        for each in (transport, served.transport):
            each.abort()
        server.close()
        await server.wait_closed()
        await settled()


def reset_by(transport: Any) -> None:
    """Ends the connection under a transport with a reset."""
    held = transport.get_extra_info("socket")
    held.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
