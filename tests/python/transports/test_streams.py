"""Streams, protocols, files and pipes: data arrive unchanged over TCP, UDP and Unix sockets."""

from __future__ import annotations

import asyncio
import os
import socket

# From its own module: PySide6 6.12 breaks the lazy import of concurrent.futures in Python 3.15.
from pathlib import Path
from typing import Any

import pytest
from support.streams import DATA, HERE, echo, exchange, run

import qtloop

pytest_plugins = ["support.each_loop"]


# Streams


def test_streams_over_tcp_carry_what_is_sent(loop: qtloop.QEventLoop) -> None:
    async def main() -> bytes:
        async with await asyncio.start_server(echo, *HERE) as server:
            address = server.sockets[0].getsockname()
            return await exchange(*await asyncio.open_connection(*address), DATA)

    assert run(loop, main()) == DATA


def test_streams_over_unix_sockets_carry_what_is_sent(
    loop: qtloop.QEventLoop, tmp_path: Path
) -> None:
    path = str(tmp_path / "socket")

    async def main() -> bytes:
        async with await asyncio.start_unix_server(echo, path):
            return await exchange(*await asyncio.open_unix_connection(path), DATA)

    assert run(loop, main()) == DATA


def test_hundred_connections_carry_a_megabyte_each(loop: qtloop.QEventLoop) -> None:
    megabyte = DATA * 4

    async def main() -> int:
        async with await asyncio.start_server(echo, *HERE) as server:
            address = server.sockets[0].getsockname()

            async def client() -> bool:
                return (
                    await exchange(*await asyncio.open_connection(*address), megabyte) == megabyte
                )

            return sum(await asyncio.gather(*(client() for _ in range(100))))

    assert run(loop, main()) == 100


def test_connection_to_a_port_without_a_server_is_refused(loop: qtloop.QEventLoop) -> None:
    with socket.create_server(HERE) as server:
        address = server.getsockname()

    async def main() -> None:
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(*address)

    run(loop, main())


def test_reset_is_raised_by_drain_or_read_and_by_wait_closed(loop: qtloop.QEventLoop) -> None:
    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)
        writer.transport.abort()

    async def main() -> None:
        async with await asyncio.start_server(reset, *HERE) as server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(DATA * 50)
            with pytest.raises(ConnectionError):
                await writer.drain()
                await reader.readexactly(1)
            writer.close()
            with pytest.raises(ConnectionError):
                await writer.wait_closed()

    run(loop, main())


def test_slow_reader_makes_the_writer_wait(loop: qtloop.QEventLoop) -> None:
    async def main() -> tuple[bool, bytes]:
        one, other = socket.socketpair()
        reader, back = await asyncio.open_connection(sock=one)
        _, writer = await asyncio.open_connection(sock=other)
        writer.write(DATA * 8)
        drained = asyncio.create_task(writer.drain())
        await asyncio.sleep(0.01)
        held_back = not drained.done()
        answer = await reader.readexactly(len(DATA) * 8)
        await drained
        for end in (back, writer):
            end.close()
            await end.wait_closed()
        return held_back, answer

    assert run(loop, main()) == (True, DATA * 8)


# Protocols


def test_datagrams_are_exchanged(loop: qtloop.QEventLoop) -> None:
    class Server(asyncio.DatagramProtocol):
        def connection_made(self, transport: Any) -> None:
            self.transport = transport

        def datagram_received(self, data: bytes, address: Any) -> None:
            self.transport.sendto(data[::-1], address)

    class Client(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, address: Any) -> None:
            answers.append(data)
            if len(answers) == 20:
                done.set()

    answers: list[bytes] = []
    done = asyncio.Event()

    async def main() -> None:
        server, _ = await loop.create_datagram_endpoint(Server, local_addr=HERE)
        address = server.get_extra_info("sockname")
        client, _ = await loop.create_datagram_endpoint(Client, remote_addr=address)
        for number in range(20):
            client.sendto(b"datagram %d" % number)
        await done.wait()
        client.close()
        server.close()
        await asyncio.sleep(0)

    run(loop, main())
    assert sorted(answers) == sorted((b"datagram %d" % number)[::-1] for number in range(20))


def test_buffered_protocol_receives_into_its_own_buffer(loop: qtloop.QEventLoop) -> None:
    class Buffered(asyncio.BufferedProtocol):
        def __init__(self) -> None:
            self.buffer = bytearray(100)
            self.got = b""
            self.end = loop.create_future()

        def get_buffer(self, size: int) -> bytearray:
            return self.buffer

        def buffer_updated(self, count: int) -> None:
            self.got += self.buffer[:count]

        def connection_lost(self, error: Exception | None) -> None:
            self.end.set_result(error)

    async def main() -> bytes:
        one, other = socket.socketpair()
        _, protocol = await loop.create_connection(Buffered, sock=one)
        with other:
            other.sendall(DATA[:5000])
        assert await protocol.end is None
        return protocol.got

    assert run(loop, main()) == DATA[:5000]


# Files and pipes


def test_file_is_sent_through_a_transport(loop: qtloop.QEventLoop, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(DATA)

    async def main() -> bytes:
        got = loop.create_future()

        async def receive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            got.set_result(await reader.read(-1))
            writer.close()

        async with await asyncio.start_server(receive, *HERE) as server:
            _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            with path.open("rb") as file:
                assert await loop.sendfile(writer.transport, file, 100) == len(DATA) - 100
            writer.close()
            await writer.wait_closed()
            return bytes(await got)

    assert run(loop, main()) == DATA[100:]


def test_pipes_can_be_connected_to_protocols(loop: qtloop.QEventLoop) -> None:
    async def main() -> bytes:
        reading, writing = os.pipe()
        reader = asyncio.StreamReader()
        read, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(reading, "rb", 0)
        )
        write, _ = await loop.connect_write_pipe(asyncio.Protocol, os.fdopen(writing, "wb", 0))
        write.write(DATA)
        answer = await reader.readexactly(len(DATA))
        write.close()
        assert await reader.read() == b""
        read.close()
        await asyncio.sleep(0)
        return answer

    assert run(loop, main()) == DATA


def test_write_pipe_is_lost_when_its_reader_ends(loop: qtloop.QEventLoop) -> None:
    class Writer(asyncio.Protocol):
        def connection_lost(self, error: Exception | None) -> None:
            lost.set()

    lost = asyncio.Event()

    async def main() -> None:
        reading, writing = os.pipe()
        await loop.connect_write_pipe(Writer, os.fdopen(writing, "wb", 0))
        os.close(reading)
        await lost.wait()

    run(loop, main())
