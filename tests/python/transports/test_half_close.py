"""Peers that close one direction or send out-of-band data: asyncio's behaviour on both loops."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest
from support.connections import (
    LOTS,
    Loop,
    Notes,
    Recorder,
    connected,
    each_protocol,
    receive,
    receive_all,
    run,
    seen,
    stuff,
)
from support.running import Pair

pytest_plugins = ["support.each_loop"]


@each_protocol
def test_data_sent_before_a_close_is_received_before_eof(
    each_loop: Loop, wire: Pair, kind: type[Notes]
) -> None:
    async def main() -> None:
        protocol = kind()
        async with connected(each_loop, wire, protocol):
            sending = asyncio.create_task(each_loop.sock_sendall(wire[1], LOTS))
            sending.add_done_callback(lambda _: wire[1].close())
            assert await protocol.lost() is None
        assert protocol.data == LOTS
        assert protocol.calls == ["made", "data", "eof", "lost"]

    run(each_loop, main())


@each_protocol
def test_data_and_eof_may_arrive_together(each_loop: Loop, wire: Pair, kind: type[Notes]) -> None:
    wire[1].send(b"all")
    wire[1].close()

    async def main() -> None:
        protocol = kind()
        async with connected(each_loop, wire, protocol):
            assert await protocol.lost() is None
            await seen(each_loop)
        assert protocol.data == b"all"
        assert protocol.calls == ["made", "data", "eof", "lost"]

    run(each_loop, main())


def test_eof_may_arrive_without_data(each_loop: Loop, wire: Pair) -> None:
    wire[1].close()

    async def main() -> None:
        protocol = Recorder()
        async with connected(each_loop, wire, protocol):
            assert await protocol.lost() is None
        assert protocol.calls == ["made", "eof", "lost"]

    run(each_loop, main())


@pytest.mark.parametrize("answer", [False, None, 0, ""])
def test_half_close_ends_the_connection_unless_the_protocol_wants_more(
    each_loop: Loop, wire: Pair, answer: Any
) -> None:
    async def main() -> None:
        protocol = Recorder()
        protocol.keeps_open = answer
        async with connected(each_loop, wire, protocol) as transport:
            wire[1].shutdown(socket.SHUT_WR)
            await protocol.until(lambda: "eof" in protocol.calls)
            assert transport.is_closing()
            assert await protocol.lost() is None
            assert await receive_all(each_loop, wire[1]) == b""
        assert protocol.calls == ["made", "eof", "lost"]

    run(each_loop, main())


@pytest.mark.parametrize("answer", [True, 1])
def test_half_closed_connection_still_writes_if_the_protocol_wants(
    each_loop: Loop, wire: Pair, answer: Any
) -> None:
    async def main() -> None:
        protocol = Recorder()
        protocol.keeps_open = answer
        async with connected(each_loop, wire, protocol) as transport:
            wire[1].shutdown(socket.SHUT_WR)
            await protocol.until(lambda: "eof" in protocol.calls)
            await seen(each_loop)
            assert not transport.is_closing()
            transport.write(LOTS)
            assert await receive(each_loop, wire[1], len(LOTS)) == LOTS
            transport.close()
            assert await protocol.lost() is None
        calls = [call for call in protocol.calls if call not in ("pause", "resume")]
        assert calls == ["made", "eof", "lost"]

    run(each_loop, main())


def test_data_written_in_eof_received_is_sent(each_loop: Loop, wire: Pair) -> None:
    class Farewell(Recorder):
        def eof_received(self) -> None:
            super().eof_received()
            self.transport.write(LOTS)

    async def main() -> bytes:
        async with connected(each_loop, wire, Farewell()):
            wire[1].shutdown(socket.SHUT_WR)
            return await receive_all(each_loop, wire[1])

    assert run(each_loop, main()) == LOTS


def test_write_eof_keeps_the_read_direction_open(each_loop: Loop, wire: Pair) -> None:
    async def main() -> None:
        protocol = Recorder()
        async with connected(each_loop, wire, protocol) as transport:
            assert transport.can_write_eof()
            transport.write(b"question")
            transport.write_eof()
            assert await receive_all(each_loop, wire[1]) == b"question"
            assert not transport.is_closing()
            wire[1].send(b"answer")
            assert await protocol.received(6) == b"answer"
            with pytest.raises(RuntimeError, match=r"Cannot call write\(\) after write_eof\(\)"):
                transport.write(b"more")
            with pytest.raises(RuntimeError, match=r"after write_eof\(\)"):
                transport.writelines([b"more"])
            with pytest.raises(RuntimeError, match=r"after write_eof\(\)"):
                transport.write(b"")
            transport.write_eof()
            wire[1].close()
            assert await protocol.lost() is None

    run(each_loop, main())


def test_write_eof_waits_for_queued_data(each_loop: Loop, wire: Pair) -> None:
    async def main() -> None:
        protocol = Recorder()
        async with connected(each_loop, wire, protocol) as transport:
            written = stuff(transport)
            transport.writelines([b"one", b"two"])
            transport.write_eof()
            with pytest.raises(RuntimeError):
                transport.write(b"more")
            assert await receive_all(each_loop, wire[1]) == written + b"onetwo"
            wire[1].send(b"answer")
            assert await protocol.received(6) == b"answer"

    run(each_loop, main())


def test_half_close_of_both_sides_closes_the_connection(each_loop: Loop, wire: Pair) -> None:
    async def main() -> None:
        protocol = Recorder()
        protocol.keeps_open = True
        async with connected(each_loop, wire, protocol) as transport:
            transport.write_eof()
            wire[1].shutdown(socket.SHUT_WR)
            await protocol.until(lambda: "eof" in protocol.calls)
            await seen(each_loop)
            # Only close() ends the connection now.
            assert protocol.calls == ["made", "eof"]
            transport.close()
            assert await protocol.lost() is None

    run(each_loop, main())
