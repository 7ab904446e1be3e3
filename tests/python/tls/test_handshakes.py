"""TLS handshakes that fail or start in the middle of a connection: asyncio's behaviour."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest
from support.connections import (
    DATA,
    HERE,
    LOTS,
    Loop,
    Recorder,
    connected,
    of_new_tls,
    receive,
    receive_all,
    reset,
    run,
    seen,
    settled,
)
from support.running import Errors, Pair, Pipe
from support.tls import both, for_client, for_server

pytest_plugins = ["support.each_loop"]
pytestmark = of_new_tls


# Handshakes that fail


def test_unanswered_handshake_times_out(each_loop: Loop, wire: Pair) -> None:
    async def main() -> None:
        protocol = Recorder()
        with pytest.raises(ConnectionAbortedError, match="SSL handshake is taking longer than"):
            await each_loop.create_connection(
                lambda: protocol,
                sock=wire[0],
                ssl=for_client(),
                server_hostname="localhost",
                ssl_handshake_timeout=0.01,
            )
        await settled()
        assert protocol.calls == []
        # The client's first handshake record.
        assert (await receive_all(each_loop, wire[1]))[:1] == b"\x16"

    run(each_loop, main())
    assert wire[0].fileno() == -1


def test_server_closes_a_connection_without_a_handshake(each_loop: Loop, errors: Errors) -> None:
    async def main() -> None:
        served = Recorder()
        server = await each_loop.create_server(
            lambda: served, *HERE, ssl=for_server(), ssl_handshake_timeout=0.01
        )
        with socket.create_connection(server.sockets[0].getsockname()) as client:
            client.setblocking(False)
            assert await receive_all(each_loop, client) == b""
        await settled()
        assert served.calls == []
        server.close()
        await server.wait_closed()

    run(each_loop, main())
    assert errors == []


@pytest.mark.parametrize("way", ["reset", "close", "half"])
def test_peer_that_closes_during_the_handshake_resets_the_connection(
    each_loop: Loop, tcp: Pair, way: str
) -> None:
    async def main() -> None:
        protocol = Recorder()
        connecting = asyncio.create_task(
            each_loop.create_connection(
                lambda: protocol, sock=tcp[0], ssl=for_client(), server_hostname="localhost"
            )
        )
        await receive(each_loop, tcp[1], 5)
        if way == "reset":
            reset(tcp[1])
        elif way == "close":
            tcp[1].close()
        else:
            tcp[1].shutdown(socket.SHUT_WR)
        with pytest.raises(ConnectionResetError):
            await connecting
        await settled()
        assert protocol.calls == []

    run(each_loop, main())
    assert tcp[0].fileno() == -1


def test_peer_that_speaks_something_else_is_an_error(each_loop: Loop, wire: Pair) -> None:
    async def main() -> None:
        protocol = Recorder()
        wire[1].send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        with pytest.raises(ssl.SSLError):
            await each_loop.create_connection(
                lambda: protocol, sock=wire[0], ssl=for_client(), server_hostname="localhost"
            )
        await settled()
        assert protocol.calls == []

    run(each_loop, main())


def test_server_works_after_bad_handshakes(each_loop: Loop, errors: Errors) -> None:
    async def main() -> None:
        protocol, served = Recorder(), Recorder()
        server = await each_loop.create_server(lambda: served, *HERE, ssl=for_server())
        address = server.sockets[0].getsockname()
        for number in range(20):
            client = socket.create_connection(address)
            if number % 2:
                client.send(os.urandom(100) if number % 4 == 1 else b"GET / HTTP/1.0\r\n\r\n")
            if number % 3:
                reset(client)
            else:
                client.close()
        await seen(each_loop)
        transport, _ = await each_loop.create_connection(
            lambda: protocol, *address, ssl=for_client(), server_hostname="localhost"
        )
        transport.write(b"data")
        assert await served.received(4) == b"data"
        transport.close()
        await served.lost()
        server.close()
        await server.wait_closed()

    run(each_loop, main())
    assert errors == []


# Connections that begin without


class Upgraded(Recorder):
    """A protocol that starts TLS as the server when `begin` is set."""

    def __init__(self, loop: Loop, pauses: bool = False) -> None:
        super().__init__()
        self.begin = asyncio.Event()
        self.plain = b""
        self._loop = loop
        self._pauses = pauses

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if data.endswith(b"STARTTLS"):
            self.plain = bytes(self.data)
            self.data.clear()
            if self._pauses:
                self.transport.pause_reading()
            self.begin.set()

    async def upgrade(self) -> Any:
        """Returns the new transport."""
        await self.begin.wait()
        return await self._loop.start_tls(self.transport, self, for_server(), server_side=True)


@pytest.mark.parametrize("pauses", [True, False])
def test_tls_may_start_after_plain_data(each_loop: Loop, wire: Pair, pauses: bool) -> None:
    async def main() -> None:
        ours, theirs = Upgraded(each_loop, pauses), Recorder()
        async with (
            connected(each_loop, wire, ours),
            connected(each_loop, wire[::-1], theirs) as plain,
        ):
            plain.write(DATA[:5000])
            plain.write(b"STARTTLS")
            await ours.begin.wait()
            # The client starts first, and its first record waits until the server starts.
            beginning = asyncio.create_task(
                each_loop.start_tls(plain, theirs, for_client(), server_hostname="localhost")
            )
            if pauses:
                await seen(each_loop)
            server = await ours.upgrade()
            client = await beginning
            assert client is not None
            assert ours.plain == DATA[:5000] + b"STARTTLS"
            client.write(LOTS)
            assert await ours.received(len(LOTS)) == LOTS
            server.write(b"answer")
            assert await theirs.received(6) == b"answer"
            # The protocols keep their transports, and are not made again.
            assert ours.calls.count("made") == theirs.calls.count("made") == 1
            client.close()
            assert await ours.lost() is None
            assert await theirs.lost() is None

    run(each_loop, main())


def test_data_written_before_start_tls_is_sent_before_the_handshake(
    each_loop: Loop, wire: Pair
) -> None:
    async def main() -> None:
        protocol = Recorder()
        async with connected(each_loop, wire, protocol) as plain:
            # Otherwise resume_writing() would be called on TLS without a pause_writing().
            plain.set_write_buffer_limits(1 << 30)
            plain.write(LOTS)
            beginning = asyncio.create_task(
                each_loop.start_tls(plain, protocol, for_client(), server_hostname="localhost")
            )
            assert await receive(each_loop, wire[1], len(LOTS)) == LOTS
            # And then the first record of a handshake.
            assert await receive(each_loop, wire[1], 1) == b"\x16"
            wire[1].close()
            with pytest.raises(ConnectionError):
                await beginning
            await settled()

    run(each_loop, main())


def test_failed_start_tls_closes_the_connection(each_loop: Loop, wire: Pair) -> None:
    async def main() -> None:
        protocol = Recorder()
        async with connected(each_loop, wire, protocol) as plain:
            with pytest.raises(ConnectionAbortedError):
                await each_loop.start_tls(
                    plain,
                    protocol,
                    for_client(),
                    server_hostname="localhost",
                    ssl_handshake_timeout=0.01,
                )
            assert plain.is_closing()
            await settled()

    run(each_loop, main())
    assert wire[0].fileno() == -1


def test_tls_over_a_pipe_is_refused(each_loop: Loop, pipe: Pipe) -> None:
    async def main() -> None:
        file = os.fdopen(pipe[0], "rb", 0)
        transport, protocol = await each_loop.connect_read_pipe(Recorder, file)
        with pytest.raises(TypeError, match=r"is not supported by start_tls\(\)"):
            await each_loop.start_tls(transport, protocol, for_client())
        transport.close()
        await settled()

    run(each_loop, main())


def test_file_is_sent_over_tls(each_loop: Loop, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(LOTS)

    async def main() -> None:
        protocol, served = Recorder(), Recorder()
        async with both(each_loop, protocol, served) as (client, _):
            with path.open("rb") as file:
                assert await each_loop.sendfile(client, file, 7, 1_000_000) == 1_000_000
            assert await served.received(1_000_000) == LOTS[7:1_000_007]
        await each_loop.shutdown_default_executor()

    run(each_loop, main())
