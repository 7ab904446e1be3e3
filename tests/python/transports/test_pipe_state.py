"""State of pipe transports; terminals and Unix sockets as pipes: asyncio's behaviour."""

from __future__ import annotations

import array
import asyncio
import errno
import gc
import os
import socket
import weakref
from pathlib import Path
from typing import Any

import pytest
from support.connections import DATA, LOTS, Loop, Recorder, connected, kept, receive, run, settled
from support.pipes import fill, reading, writing
from support.running import Errors, Pair, Pipe, count_descriptors, nothing

pytest_plugins = ["support.each_loop"]


# Both


def test_pipe_transports_are_of_asyncios_classes_and_show_their_state(
    each_loop: Loop, pipe: Pipe
) -> None:
    numbers = [f"fd={number}" for number in pipe]

    async def main() -> None:
        protocol = Recorder()
        async with (
            reading(each_loop, pipe[0], protocol) as read,
            writing(each_loop, pipe[1], Recorder()) as write,
        ):
            assert isinstance(read, asyncio.ReadTransport)
            assert not isinstance(read, asyncio.WriteTransport)
            assert isinstance(write, asyncio.WriteTransport)
            await settled()
            assert read.get_extra_info("pipe").fileno() == pipe[0]
            assert write.get_extra_info("pipe").fileno() == pipe[1]
            assert read.get_extra_info("peername", "none") == "none"
            assert repr(read).split()[1:] == [numbers[0], "polling>"]
            assert repr(write).split()[1:] == [numbers[1], "idle", "bufsize=0>"]
            read.pause_reading()
            fill(write)
            size = write.get_write_buffer_size()
            assert repr(read).split()[1:] == [numbers[0], "idle>"]
            assert repr(write).split()[1:] == [numbers[1], "polling", f"bufsize={size}>"]
            write.close()
            assert repr(write).split()[1:3] == ["closing", numbers[1]]
            read.close()
            assert repr(read).split()[1:3] == ["closing", numbers[0]]
            await protocol.lost()
            await settled()
            assert repr(read).split()[1] == "closed"

    run(each_loop, main())


def test_regular_file_is_refused_as_a_pipe(each_loop: Loop, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"data")

    async def main() -> None:
        with path.open("r+b") as file:
            with pytest.raises(ValueError, match="Pipe transport is for pipes/sockets only"):
                await each_loop.connect_read_pipe(Recorder, file)
            with pytest.raises(ValueError, match="Pipe transport is only for pipes, sockets and"):
                await each_loop.connect_write_pipe(Recorder, file)
            assert file.read() == b"data"

    run(each_loop, main())


def test_dropped_open_pipe_warns_and_is_closed(each_loop: Loop, pipe: Pipe) -> None:
    async def main() -> Any:
        file = os.fdopen(pipe[0], "rb", 0)
        transport, _ = await each_loop.connect_read_pipe(asyncio.Protocol, file)
        await settled()
        return transport

    transport = run(each_loop, main())
    each_loop.close()
    with pytest.warns(ResourceWarning, match="unclosed transport <"):
        del transport
        gc.collect()
    with pytest.raises(BrokenPipeError):
        os.write(pipe[1], b"data")


def test_closed_pipe_is_freed(each_loop: Loop, pipe: Pipe) -> None:
    async def main() -> list[weakref.ref[Any]]:
        one, other = Recorder(), Recorder()
        async with (
            reading(each_loop, pipe[0], one) as read,
            writing(each_loop, pipe[1], other) as write,
        ):
            write.write(b"data")
            write.close()
            await one.lost()
            await other.lost()
            return [weakref.ref(each) for each in (one, other, read, write)]

    assert kept(each_loop, main()) == []


# Terminals, and sockets that are taken for pipes


def test_terminal_is_read_until_its_other_end_closes(each_loop: Loop, errors: Errors) -> None:
    master, slave = os.openpty()

    async def main() -> None:
        protocol = Recorder()
        async with reading(each_loop, master, protocol):
            os.write(slave, b"line\n")
            assert await protocol.received(6) == b"line\r\n"
            os.close(slave)
            error = await protocol.lost()
            # Linux reports this at the end of file.
            assert isinstance(error, OSError) and error.errno == errno.EIO
        assert protocol.calls == ["made", "data", "lost"]

    run(each_loop, main())
    assert errors == []


def test_terminal_can_be_written_to(each_loop: Loop) -> None:
    master, slave = os.openpty()

    async def main() -> None:
        read, write = Recorder(), Recorder()
        async with (
            reading(each_loop, master, read),
            writing(each_loop, slave, write) as transport,
        ):
            transport.write(b"line\n" * 5000)
            assert await read.received(30_000) == b"line\r\n" * 5000
            transport.close()
            assert await write.lost() is None

    run(each_loop, main())


def test_sockets_can_be_used_as_pipes(each_loop: Loop, pair: Pair) -> None:
    async def main() -> None:
        read, write = Recorder(), Recorder()
        async with (
            reading(each_loop, pair[0].detach(), read),
            writing(each_loop, pair[1].detach(), write) as transport,
        ):
            transport.write(LOTS)
            transport.close()
            assert await read.lost() is None
            assert await write.lost() is None
        assert read.data == LOTS

    run(each_loop, main())


# Unix sockets


def test_descriptors_passed_over_a_unix_socket_lose_no_data(each_loop: Loop, pair: Pair) -> None:
    files = [os.open(os.devnull, os.O_RDONLY) for _ in range(3)]
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", files))]

    async def main() -> None:
        protocol = Recorder()
        before = count_descriptors()
        expected = b""
        for number in range(50):
            message = b"%d," % number * 20
            pair[1].sendmsg([message], rights if number % 3 == 0 else [])
            expected += message
        async with connected(each_loop, pair, protocol):
            assert await protocol.received(len(expected)) == expected
            pair[1].sendmsg([b"last"], rights)
            pair[1].close()
            assert await protocol.lost() is None
        assert protocol.data == expected + b"last"
        # The protocol has not asked for descriptors, so they were discarded.
        assert count_descriptors() <= before

    try:
        run(each_loop, main())
    finally:
        for file in files:
            os.close(file)


def test_unix_socket_transports_report_their_paths(each_loop: Loop, tmp_path: Path) -> None:
    path = str(tmp_path / "socket")

    async def main() -> None:
        served, protocol = Recorder(), Recorder()
        server = await each_loop.create_unix_server(lambda: served, path)
        transport, _ = await each_loop.create_unix_connection(lambda: protocol, path)
        assert transport.get_extra_info("peername") == path
        assert not transport.get_extra_info("sockname")
        await served.until(lambda: served.transport)
        assert served.transport.get_extra_info("sockname") == path
        assert not served.transport.get_extra_info("peername")
        transport.write(LOTS)
        transport.close()
        assert await served.received(len(LOTS)) == LOTS
        await served.lost()
        server.close()
        await server.wait_closed()
        with pytest.raises((FileNotFoundError, ConnectionRefusedError)):
            await each_loop.create_unix_connection(Recorder, path)

    run(each_loop, main())


def test_descriptor_of_a_pipe_transport_cannot_be_watched(each_loop: Loop, pipe: Pipe) -> None:
    async def main() -> None:
        protocol = Recorder()
        async with reading(each_loop, pipe[0], protocol) as transport:
            if type(transport).__module__.startswith("asyncio"):
                pytest.skip("it guards sockets only, and forgets its own reader")
            with pytest.raises(RuntimeError, match="is used by transport"):
                each_loop.add_reader(pipe[0], nothing)
            os.write(pipe[1], b"data")
            assert await protocol.received(4) == b"data"

    run(each_loop, main())


def test_slow_peer_of_a_unix_socket_receives_all_data(each_loop: Loop, pair: Pair) -> None:
    async def main() -> None:
        protocol = Recorder()
        async with connected(each_loop, pair, protocol) as transport:
            transport.write(DATA * 2)
            transport.close()
            got = b""
            while data := await receive(each_loop, pair[1], 1000):
                got += data
            assert got == DATA * 2

    run(each_loop, main())
