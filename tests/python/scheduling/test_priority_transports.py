"""Readers, sockets and transports begin with the priority that started them, and rise."""

from __future__ import annotations

import asyncio
import socket
import subprocess
from typing import Any

import pytest
from support.priorities import each_priority, own, run_with, running, settle

import qtloop
from qtloop import Priority

HIGH, NORMAL, LOW = Priority.HIGH, Priority.NORMAL, Priority.LOW


@each_priority
@pytest.mark.parametrize("debug", [False, True])
def test_readers_and_writers_inherit(loop: qtloop.QEventLoop, priority: int, debug: bool) -> None:
    loop.set_debug(debug)
    one, other = socket.socketpair()

    async def main() -> None:
        seen: list[int] = []

        def readable() -> None:
            one.recv(10)
            seen.append(running())

        def writable() -> None:
            loop.remove_writer(one)
            seen.append(running())

        loop.add_reader(one, readable)
        loop.add_writer(one, writable)
        other.send(b"1")
        await asyncio.sleep(0.002)
        other.send(b"2")
        await asyncio.sleep(0.002)
        assert seen == [priority] * 3
        loop.remove_reader(one)

    with one, other:
        run_with(loop, main(), priority)
    loop.run_until_complete(settle())
    assert not loop._uses_priorities()


def test_reader_keeps_its_lane_after_its_task(loop: qtloop.QEventLoop) -> None:
    one, other = socket.socketpair()
    seen: list[int] = []

    def readable() -> None:
        one.recv(10)
        seen.append(running())

    async def main() -> None:
        loop.add_reader(one, readable)

    with one, other:
        run_with(loop, main())
        other.send(b"1")
        loop.run_until_complete(asyncio.sleep(0.005))
        assert seen == [HIGH]
        assert loop._uses_priorities()
        loop.remove_reader(one)
        loop.run_until_complete(settle())
        assert not loop._uses_priorities()


@each_priority
def test_sock_methods_keep_the_priority(loop: qtloop.QEventLoop, priority: int) -> None:
    one, other = socket.socketpair()
    one.setblocking(False)
    other.setblocking(False)

    async def main() -> None:
        loop.call_later(0.001, other.send, b"1")
        assert await loop.sock_recv(one, 10) == b"1"
        assert own() == running() == priority
        await loop.sock_sendall(one, b"2")
        assert own() == running() == priority

    with one, other:
        run_with(loop, main(), priority)
    loop.run_until_complete(settle())
    assert not loop._uses_priorities()


class Noting(asyncio.Protocol):
    """Notes the priority in which each of its methods is called."""

    def __init__(self) -> None:
        self.seen: dict[str, int] = {}
        self.lost = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.seen["connection_made"] = running()

    def data_received(self, data: bytes) -> None:
        self.seen["data_received"] = running()

    def eof_received(self) -> None:
        self.seen["eof_received"] = running()

    def connection_lost(self, error: Exception | None) -> None:
        self.seen["connection_lost"] = running()
        self.lost.set_result(None)


@each_priority
@pytest.mark.parametrize("debug", [False, True])
def test_server_and_the_connections_that_it_accepts_inherit(
    loop: qtloop.QEventLoop, priority: int, debug: bool
) -> None:
    loop.set_debug(debug)
    served: list[Noting] = []

    def serve() -> Noting:
        served.append(Noting())
        return served[-1]

    async def client(port: int) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"1")
        await writer.drain()
        await asyncio.sleep(0.002)
        writer.close()
        await writer.wait_closed()

    async def main() -> None:
        server = await loop.create_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        await loop.create_task(client(port), priority=NORMAL)
        await served[0].lost
        server.close()
        await server.wait_closed()

    run_with(loop, main(), priority)
    assert set(served[0].seen) == {
        "connection_made",
        "data_received",
        "eof_received",
        "connection_lost",
    }
    assert set(served[0].seen.values()) == {priority}
    loop.run_until_complete(settle())
    assert not loop._uses_priorities()


@each_priority
def test_client_streams_inherit(loop: qtloop.QEventLoop, priority: int) -> None:
    handled: list[int] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handled.append(own())
        writer.write(await reader.read(10))
        await writer.drain()
        handled.append(own())
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]

        async def client() -> None:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"1")
            assert await reader.read() == b"1"
            assert own() == running() == 7
            writer.close()
            await writer.wait_closed()

        await loop.create_task(client(), priority=7)
        server.close()
        await server.wait_closed()

    run_with(loop, main(), priority)
    assert handled == [priority, priority]
    loop.run_until_complete(settle())
    assert not loop._uses_priorities()


@each_priority
def test_datagram_endpoint_inherits(loop: qtloop.QEventLoop, priority: int) -> None:
    class Receiver(asyncio.DatagramProtocol):
        def __init__(self) -> None:
            self.seen = loop.create_future()

        def datagram_received(self, data: bytes, address: Any) -> None:
            self.seen.set_result(running())

    async def main() -> None:
        transport, receiver = await loop.create_datagram_endpoint(
            Receiver, local_addr=("127.0.0.1", 0)
        )
        address = transport.get_extra_info("sockname")
        with socket.socket(type=socket.SOCK_DGRAM) as sender:
            sender.sendto(b"1", address)
            assert await receiver.seen == priority
        transport.close()
        await settle()

    run_with(loop, main(), priority)
    loop.run_until_complete(settle())
    assert not loop._uses_priorities()


@each_priority
def test_subprocess_transports_inherit(loop: qtloop.QEventLoop, priority: int) -> None:
    class Output(asyncio.SubprocessProtocol):
        def __init__(self) -> None:
            self.seen: dict[str, int] = {}
            self.calls: list[str] = []
            self.lost = loop.create_future()

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.calls.append("made")

        def process_exited(self) -> None:
            self.calls.append("exited")

        def pipe_data_received(self, fd: int, data: bytes) -> None:
            self.seen["data"] = running()

        def pipe_connection_lost(self, fd: int, error: Exception | None) -> None:
            self.seen["pipe lost"] = running()

        def connection_lost(self, error: Exception | None) -> None:
            self.lost.set_result(None)

    async def main() -> None:
        transport, protocol = await loop.subprocess_exec(
            Output, "/bin/echo", "1", stdin=subprocess.DEVNULL, stderr=None
        )
        await protocol.lost
        transport.close()
        assert protocol.seen == {"data": priority, "pipe lost": priority}
        assert protocol.calls == ["made", "exited"]
        process = await asyncio.create_subprocess_exec("/bin/true")
        await process.wait()
        assert own() == running() == priority

    run_with(loop, main(), priority)
    loop.run_until_complete(settle())
    assert not loop._uses_priorities()


@pytest.mark.parametrize("debug", [False, True])
def test_connection_rises_to_the_task_that_it_wakes_from_the_second_event_on(
    loop: qtloop.QEventLoop, debug: bool
) -> None:
    """A task of the normal priority opens the connection, and a HIGH task reads from it."""
    loop.set_debug(debug)

    async def main() -> None:
        near, far = socket.socketpair()
        reader: Any
        reader, writer = await asyncio.open_connection(sock=near)
        feed = reader.feed_data
        seen: list[int] = []

        def note(data: bytes) -> None:
            seen.append(running())
            feed(data)

        reader.feed_data = note

        async def read_three() -> None:
            for _ in range(3):
                loop.call_later(0.001, far.send, b"1")
                await reader.readexactly(1)

        await loop.create_task(read_three(), priority=HIGH)
        assert seen == [NORMAL, HIGH, HIGH]
        # It falls again, but not below the priority with which it began.
        await loop.create_task(read_three(), priority=LOW)
        assert seen[3:] == [HIGH, NORMAL, NORMAL]
        writer.close()
        await writer.wait_closed()
        far.close()

    loop.run_until_complete(main())
    loop.run_until_complete(settle())
    assert not loop._uses_priorities()


def test_reader_rises_to_the_task_that_it_wakes_from_the_second_event_on(
    loop: qtloop.QEventLoop,
) -> None:
    async def main() -> None:
        near, far = socket.socketpair()
        queue: asyncio.Queue[int] = asyncio.Queue()

        def read() -> None:
            near.recv(1)
            queue.put_nowait(running())

        loop.add_reader(near, read)

        async def get_three() -> list[int]:
            seen = []
            for _ in range(3):
                loop.call_later(0.001, far.send, b"1")
                seen.append(await queue.get())
            return seen

        assert await loop.create_task(get_three(), priority=HIGH) == [NORMAL, HIGH, HIGH]
        loop.remove_reader(near)
        near.close()
        far.close()

    loop.run_until_complete(main())
    loop.run_until_complete(settle())
    assert not loop._uses_priorities()
