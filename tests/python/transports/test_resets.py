"""Peers that reset the connection at different moments: asyncio's behaviour on both loops."""

from __future__ import annotations

import asyncio
import errno
import socket

import pytest
from support.connections import (
    LOTS,
    Loop,
    Notes,
    Recorder,
    connected,
    each_protocol,
    reset,
    run,
    seen,
    stuff,
)
from support.running import Errors, Pair

pytest_plugins = ["support.each_loop"]


# Resets


@each_protocol
def test_reset_is_passed_to_connection_lost_without_eof_received(
    each_loop: Loop, tcp: Pair, kind: type[Notes]
) -> None:
    async def main() -> None:
        protocol = kind()
        async with connected(each_loop, tcp, protocol) as transport:
            reset(tcp[1])
            error = await protocol.lost()
            assert type(error) is ConnectionResetError
            assert error.errno == errno.ECONNRESET
            assert transport.is_closing()
            await seen(each_loop)
        assert protocol.calls == ["made", "lost"]

    run(each_loop, main())


def test_reset_is_not_reported_to_the_exception_handler(
    each_loop: Loop, tcp: Pair, errors: Errors
) -> None:
    async def main() -> None:
        protocol = Recorder()
        async with connected(each_loop, tcp, protocol):
            reset(tcp[1])
            await protocol.lost()

    run(each_loop, main())
    assert errors == []


@each_protocol
def test_data_sent_before_a_reset_is_received(
    each_loop: Loop, tcp: Pair, kind: type[Notes]
) -> None:
    tcp[1].send(b"last words")
    reset(tcp[1])

    async def main() -> None:
        protocol = kind()
        async with connected(each_loop, tcp, protocol):
            assert isinstance(await protocol.lost(), ConnectionResetError)
        assert protocol.data == b"last words"
        assert protocol.calls == ["made", "data", "lost"]

    run(each_loop, main())


def test_reset_is_noticed_by_a_write_while_reading_is_paused(each_loop: Loop, tcp: Pair) -> None:
    async def main() -> None:
        protocol = Recorder()
        async with connected(each_loop, tcp, protocol) as transport:
            transport.pause_reading()
            reset(tcp[1])
            await seen(each_loop)
            assert protocol.calls == ["made"]
            transport.write(b"?")
            assert transport.is_closing()
            # connection_lost() is called later, never inside write().
            assert protocol.calls == ["made"]
            assert isinstance(await protocol.lost(), ConnectionError)
        assert protocol.calls == ["made", "lost"]

    run(each_loop, main())


def test_reset_is_noticed_when_reading_is_resumed(each_loop: Loop, tcp: Pair) -> None:
    async def main() -> None:
        protocol = Recorder()
        async with connected(each_loop, tcp, protocol) as transport:
            transport.pause_reading()
            tcp[1].send(b"before")
            reset(tcp[1])
            await seen(each_loop)
            transport.resume_reading()
            assert isinstance(await protocol.lost(), ConnectionResetError)
        assert protocol.data == b"before"

    run(each_loop, main())


@pytest.mark.parametrize("pauses", [True, False])
def test_reset_drops_what_is_queued(each_loop: Loop, tcp: Pair, pauses: bool) -> None:
    async def main() -> None:
        protocol = Recorder()
        async with connected(each_loop, tcp, protocol) as transport:
            if pauses:
                transport.pause_reading()
            stuff(transport)
            reset(tcp[1])
            assert isinstance(await protocol.lost(), ConnectionError)
            assert transport.get_write_buffer_size() == 0
        assert [call for call in protocol.calls if call != "pause"] == ["made", "lost"]

    run(each_loop, main())


def test_reset_ends_a_close_that_still_flushes(each_loop: Loop, tcp: Pair) -> None:
    async def main() -> None:
        protocol = Recorder()
        async with connected(each_loop, tcp, protocol) as transport:
            stuff(transport)
            transport.close()
            await seen(each_loop)
            assert "lost" not in protocol.calls
            reset(tcp[1])
            assert isinstance(await protocol.lost(), ConnectionError)
        assert protocol.calls.count("lost") == 1

    run(each_loop, main())


def test_reset_ends_a_connection_that_the_peer_had_half_closed(each_loop: Loop, tcp: Pair) -> None:
    async def main() -> None:
        protocol = Recorder()
        protocol.keeps_open = True
        async with connected(each_loop, tcp, protocol) as transport:
            tcp[1].shutdown(socket.SHUT_WR)
            await protocol.until(lambda: "eof" in protocol.calls)
            reset(tcp[1])
            transport.write(b"?")
            assert isinstance(await protocol.lost(), ConnectionError)
        assert protocol.calls == ["made", "eof", "lost"]

    run(each_loop, main())


def test_peer_that_left_unread_data_breaks_the_pipe(each_loop: Loop, wire: Pair) -> None:
    async def main() -> None:
        protocol = Recorder()
        async with connected(each_loop, wire, protocol) as transport:
            transport.pause_reading()
            transport.write(b"unread")
            wire[1].close()
            while not transport.is_closing():
                transport.write(b"?")
                await asyncio.sleep(0)
            assert isinstance(await protocol.lost(), (BrokenPipeError, ConnectionResetError))

    run(each_loop, main())


def test_reset_wakes_tasks_that_drain(each_loop: Loop, tcp: Pair) -> None:
    async def main() -> None:
        reader, writer = await asyncio.open_connection(sock=tcp[0])
        writer.write(LOTS)
        draining = asyncio.create_task(writer.drain())
        await seen(each_loop)
        assert not draining.done()
        reset(tcp[1])
        with pytest.raises(ConnectionError):
            await draining
        with pytest.raises(ConnectionError):
            await reader.read()
        writer.close()
        with pytest.raises(ConnectionError):
            await writer.wait_closed()

    run(each_loop, main())
