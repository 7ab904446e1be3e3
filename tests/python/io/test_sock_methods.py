"""The loop's sock_* methods, for sockets that the program owns."""

from __future__ import annotations

import array
import asyncio
import gc
import os
import socket
import weakref
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest
from support.running import Pair

import qtloop

pytest_plugins = ["support.each_loop"]

T = TypeVar("T")
HERE = ("127.0.0.1", 0)
DATA = bytes(range(256)) * 1024
LOTS = DATA * 16


def run(loop: asyncio.SelectorEventLoop, main: Coroutine[Any, Any, T]) -> T:
    result: T = loop.run_until_complete(asyncio.wait_for(main, 30))
    return result


def test_sock_methods_exchange_data(loop: qtloop.QEventLoop, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(DATA)

    async def serve(listener: socket.socket) -> bytes:
        connection, _ = await loop.sock_accept(listener)
        with connection:
            got = b""
            buffer = bytearray(65536)
            while count := await loop.sock_recv_into(connection, buffer):
                got += buffer[:count]
            return got

    async def main() -> bytes:
        with socket.create_server(HERE) as listener, socket.socket() as client:
            listener.setblocking(False)
            client.setblocking(False)
            serving = asyncio.create_task(serve(listener))
            await loop.sock_connect(client, listener.getsockname())
            await loop.sock_sendall(client, DATA * 8)
            with path.open("rb") as file:
                assert await loop.sock_sendfile(client, file) == len(DATA)
            client.shutdown(socket.SHUT_WR)
            assert await loop.sock_recv(client, 1) == b""
            return await serving

    assert run(loop, main()) == DATA * 9


def test_sock_methods_exchange_datagrams(loop: qtloop.QEventLoop) -> None:
    async def main() -> tuple[bytes, bytes]:
        with (
            socket.socket(type=socket.SOCK_DGRAM) as one,
            socket.socket(type=socket.SOCK_DGRAM) as other,
        ):
            for end in (one, other):
                end.setblocking(False)
                end.bind(HERE)
            receiving = asyncio.create_task(loop.sock_recvfrom(other, 100))
            await loop.sock_sendto(one, b"to", other.getsockname())
            to, address = await receiving
            await loop.sock_sendto(other, b"fro", address)
            buffer = bytearray(10)
            count, _ = await loop.sock_recvfrom_into(one, buffer)
            return to, bytes(buffer[:count])

    assert run(loop, main()) == (b"to", b"fro")


def test_sock_methods_can_be_cancelled(loop: qtloop.QEventLoop, pair: Pair) -> None:
    one, other = pair

    async def main() -> bytes:
        for _ in range(3):
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(loop.sock_recv(one, 9), 0.002)
        assert loop.remove_reader(one) is False
        other.send(b"after")
        return await loop.sock_recv(one, 9)

    assert run(loop, main()) == b"after"


def test_cancelled_sock_recv_has_received_nothing(loop: qtloop.QEventLoop, pair: Pair) -> None:
    one, other = pair

    async def main() -> bytes:
        receiving = asyncio.create_task(loop.sock_recv(one, 9))
        await asyncio.sleep(0)
        ready = receiving._fut_waiter  # type: ignore[attr-defined]
        other.send(b"whole")
        while not ready.done():
            await asyncio.sleep(0)
        receiving.cancel()  # before it has run
        with pytest.raises(asyncio.CancelledError):
            await receiving
        return await loop.sock_recv(one, 9)

    assert run(loop, main()) == b"whole"


def test_sock_recv_and_sock_sendall_can_wait_for_one_socket(
    each_loop: asyncio.SelectorEventLoop, wire: Pair
) -> None:
    one, other = wire

    async def receive(end: socket.socket) -> bytes:
        got = bytearray()
        while len(got) < len(LOTS):
            got += await each_loop.sock_recv(end, 1 << 16)
        return bytes(got)

    async def main() -> list[bytes | None]:
        results = await asyncio.gather(
            receive(one),
            receive(other),
            each_loop.sock_sendall(one, LOTS),
            each_loop.sock_sendall(other, LOTS),
        )
        return list(results)

    assert run(each_loop, main()) == [LOTS, LOTS, None, None]


def test_sock_sendall_sends_all_bytes_of_a_memoryview_with_wide_items(
    loop: qtloop.QEventLoop, pair: Pair
) -> None:
    # asyncio counts the bytes sent against the items, and waits for ever.
    numbers = array.array("q", range(100))

    async def main() -> bytes:
        await loop.sock_sendall(pair[0], numbers)
        return await loop.sock_recv(pair[1], 1 << 16)

    assert run(loop, main()) == numbers.tobytes()


def test_close_of_the_peer_wakes_a_waiting_sock_recv(
    each_loop: asyncio.SelectorEventLoop, pair: Pair
) -> None:
    one, other = pair

    async def main() -> bytes:
        receiving = asyncio.create_task(each_loop.sock_recv(one, 9))
        await asyncio.sleep(0)
        other.close()
        return await receiving

    assert run(each_loop, main()) == b""


def test_socket_of_a_transport_is_refused(each_loop: asyncio.SelectorEventLoop, pair: Pair) -> None:
    one, _ = pair

    async def main() -> None:
        transport, _ = await each_loop.create_connection(asyncio.Protocol, sock=one)
        with pytest.raises(RuntimeError, match="is used by transport"):
            await each_loop.sock_recv(one, 9)
        transport.close()

    run(each_loop, main())


def test_socket_that_blocks_is_refused_in_debug_mode(
    each_loop: asyncio.SelectorEventLoop, pair: Pair
) -> None:
    one, _ = pair
    one.setblocking(True)
    each_loop.set_debug(True)

    async def main() -> None:
        for waiting in (
            each_loop.sock_recv(one, 9),
            each_loop.sock_sendall(one, b""),
            each_loop.sock_accept(one),
        ):
            with pytest.raises(ValueError, match="the socket must be non-blocking"):
                await waiting

    run(each_loop, main())


def test_sock_recv_works_on_a_reused_descriptor_number(
    each_loop: asyncio.SelectorEventLoop,
) -> None:
    async def main() -> list[bytes]:
        got = []
        for number in range(20):
            one, other = socket.socketpair()
            with one, other:
                one.setblocking(False)
                receiving = asyncio.create_task(each_loop.sock_recv(one, 9))
                await asyncio.sleep(0)
                other.send(b"%d" % number)
                got.append(await receiving)
        return got

    assert run(each_loop, main()) == [b"%d" % number for number in range(20)]


def test_reader_of_a_socket_that_was_received_from_is_called(
    each_loop: asyncio.SelectorEventLoop, pair: Pair
) -> None:
    one, other = pair

    async def main() -> bytes:
        receiving = asyncio.create_task(each_loop.sock_recv(one, 9))
        await asyncio.sleep(0)
        other.send(b"first")
        assert await receiving == b"first"
        other.send(b"second")
        came = each_loop.create_future()
        each_loop.add_reader(one, came.set_result, None)
        await came
        each_loop.remove_reader(one)
        return one.recv(9)

    assert run(each_loop, main()) == b"second"


def test_socket_object_of_a_reader_is_freed_after_sock_recv_replaced_it(
    each_loop: asyncio.SelectorEventLoop, pair: Pair
) -> None:
    class Socket(socket.socket):
        pass

    async def main() -> weakref.ref[Socket]:
        one = Socket(fileno=os.dup(pair[0].fileno()))
        each_loop.add_reader(one, print)
        receiving = asyncio.create_task(each_loop.sock_recv(one, 9))
        await asyncio.sleep(0)
        pair[1].send(b"data")
        assert await receiving == b"data"
        one.close()
        return weakref.ref(one)

    left = run(each_loop, main())
    gc.collect()
    assert left() is None
