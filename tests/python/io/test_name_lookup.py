"""Look-ups of host names and addresses."""

from __future__ import annotations

import asyncio
import socket

# From its own module: PySide6 6.12 breaks the lazy import of concurrent.futures in Python 3.15.
from typing import Any

import pytest
from support.streams import echo, run

import qtloop

pytest_plugins = ["support.each_loop"]


def test_names_are_looked_up(loop: qtloop.QEventLoop) -> None:
    async def main() -> None:
        found = await loop.getaddrinfo("localhost", 80, type=socket.SOCK_STREAM)
        assert {each[4][0] for each in found} & {"127.0.0.1", "::1"}
        assert await loop.getnameinfo(("127.0.0.1", 80), socket.NI_NUMERICHOST) is not None
        with pytest.raises(socket.gaierror):
            await loop.getaddrinfo("no such name", 80)
        await loop.shutdown_default_executor()

    run(loop, main())


def test_numeric_address_is_not_looked_up(loop: qtloop.QEventLoop) -> None:
    async def main() -> None:
        for host in ("127.0.0.1", "::1"):
            async with await asyncio.start_server(echo, host, 0) as server:
                port = server.sockets[0].getsockname()[1]
                reader, writer = await asyncio.open_connection(host, port)
                writer.write_eof()
                assert await reader.read() == b""
                writer.close()
                await writer.wait_closed()
        # Looking up takes a thread.
        assert loop._default_executor is None

    run(loop, main())


def test_zone_of_an_address_is_kept(loop: qtloop.QEventLoop) -> None:
    async def main() -> Any:
        (found, *_) = await loop.getaddrinfo("fe80::1%lo", 9, type=socket.SOCK_STREAM)
        return found[4]

    assert run(loop, main())[3] == socket.if_nametoindex("lo")
