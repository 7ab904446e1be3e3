"""pause_reading() and resume_reading(): data that arrive during a pause, as in asyncio."""

from __future__ import annotations

import asyncio
from typing import Any

from support.connections import (
    LOTS,
    Buffered,
    Loop,
    Notes,
    Recorder,
    connected,
    each_protocol,
    receive,
    run,
    seen,
    settled,
    since_3_11,
    stuff,
)
from support.running import Pair

pytest_plugins = ["support.each_loop"]


# Reading


@each_protocol
def test_data_received_during_a_pause_is_delivered_after_it(
    each_loop: Loop, wire: Pair, kind: type[Notes]
) -> None:
    async def main() -> None:
        protocol = kind()
        async with connected(each_loop, wire, protocol) as transport:
            assert transport.is_reading()
            wire[1].send(b"one")
            assert await protocol.received(3) == b"one"
            transport.pause_reading()
            assert not transport.is_reading()
            wire[1].send(b"two")
            await seen(each_loop)
            wire[1].send(b"three")
            await seen(each_loop)
            assert protocol.data == b"one"
            transport.resume_reading()
            assert transport.is_reading()
            # Not inside resume_reading() itself.
            assert protocol.data == b"one"
            assert await protocol.received(11) == b"onetwothree"

    run(each_loop, main())


@since_3_11
@each_protocol
def test_reading_can_be_paused_before_the_first_byte(
    each_loop: Loop, wire: Pair, kind: Any
) -> None:
    class Shy(kind):  # type: ignore[misc]
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            transport.pause_reading()

    wire[1].send(b"early")

    async def main() -> None:
        protocol = Shy()
        async with connected(each_loop, wire, protocol) as transport:
            await seen(each_loop)
            assert protocol.calls == ["made"]
            assert not transport.is_reading()
            transport.resume_reading()
            assert await protocol.received(5) == b"early"

    run(each_loop, main())


def test_reading_paused_in_data_received_stops_at_once(each_loop: Loop, wire: Pair) -> None:
    class Sips(Recorder):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            pieces.append(data)
            self.transport.pause_reading()

    pieces: list[bytes] = []

    async def main() -> None:
        protocol = Sips()
        async with connected(each_loop, wire, protocol) as transport:
            sending = asyncio.create_task(each_loop.sock_sendall(wire[1], LOTS))
            while len(protocol.data) < len(LOTS):
                before = len(pieces)
                await protocol.until(lambda before=before: len(pieces) > before)  # type: ignore[misc]
                await seen(each_loop)
                assert len(pieces) == before + 1
                assert not transport.is_reading()
                transport.resume_reading()
            await sending
            assert protocol.data == LOTS

    run(each_loop, main())


def test_reading_paused_and_resumed_in_one_callback_continues(each_loop: Loop, wire: Pair) -> None:
    class Blinks(Recorder):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self.transport.pause_reading()
            self.transport.resume_reading()

    async def main() -> bytes:
        protocol = Blinks()
        async with connected(each_loop, wire, protocol):
            sending = asyncio.create_task(each_loop.sock_sendall(wire[1], LOTS))
            await sending
            return await protocol.received(len(LOTS))

    assert run(each_loop, main()) == LOTS


def test_pausing_or_resuming_twice_has_no_further_effect(each_loop: Loop, wire: Pair) -> None:
    async def main() -> None:
        protocol = Recorder()
        async with connected(each_loop, wire, protocol) as transport:
            transport.resume_reading()
            transport.pause_reading()
            transport.pause_reading()
            wire[1].send(b"data")
            await seen(each_loop)
            assert protocol.calls == ["made"]
            transport.resume_reading()
            transport.resume_reading()
            assert await protocol.received(4) == b"data"
            await seen(each_loop)
            assert protocol.data == b"data"

    run(each_loop, main())


def test_eof_during_a_pause_is_delivered_after_it(each_loop: Loop, wire: Pair) -> None:
    async def main() -> None:
        protocol = Recorder()
        async with connected(each_loop, wire, protocol) as transport:
            transport.pause_reading()
            wire[1].send(b"last")
            wire[1].close()
            await seen(each_loop)
            assert protocol.calls == ["made"]
            transport.resume_reading()
            assert await protocol.lost() is None
        assert protocol.calls == ["made", "data", "eof", "lost"]

    run(each_loop, main())


def test_resuming_after_a_close_reads_nothing(each_loop: Loop, wire: Pair) -> None:
    async def main() -> None:
        protocol = Recorder()
        async with connected(each_loop, wire, protocol) as transport:
            stuff(transport)
            transport.pause_reading()
            wire[1].send(b"too late")
            transport.close()
            transport.resume_reading()
            assert not transport.is_reading()
            transport.pause_reading()
            await seen(each_loop)
            assert protocol.data == b""
            transport.abort()
            await protocol.lost()
            transport.resume_reading()
            transport.pause_reading()
            assert not transport.is_reading()
            await settled()

    run(each_loop, main())


def test_writing_works_while_reading_is_paused(each_loop: Loop, wire: Pair) -> None:
    async def main() -> None:
        protocol = Recorder()
        async with connected(each_loop, wire, protocol) as transport:
            transport.pause_reading()
            wire[1].send(b"unheard")
            transport.write(LOTS)
            assert await receive(each_loop, wire[1], len(LOTS)) == LOTS
            assert protocol.data == b""
            transport.resume_reading()
            assert await protocol.received(7) == b"unheard"

    run(each_loop, main())


def test_resuming_after_the_peer_s_half_close_is_harmless(each_loop: Loop, wire: Pair) -> None:
    async def main() -> None:
        protocol = Recorder()
        protocol.keeps_open = True
        async with connected(each_loop, wire, protocol) as transport:
            wire[1].shutdown(1)
            await protocol.until(lambda: "eof" in protocol.calls)
            transport.resume_reading()
            await seen(each_loop)
            assert protocol.calls == ["made", "eof"]
            assert not transport.is_closing()

    run(each_loop, main())


def test_unread_stream_makes_its_peer_wait(each_loop: Loop, wire: Pair) -> None:
    async def main() -> None:
        reader, writer = await asyncio.open_connection(sock=wire[0], limit=1000)
        sending = asyncio.create_task(each_loop.sock_sendall(wire[1], LOTS))
        sending.add_done_callback(lambda _: wire[1].close())
        while writer.transport.is_reading():  # type: ignore[attr-defined]
            await seen(each_loop)
        await seen(each_loop)
        assert not sending.done()
        assert await reader.read(-1) == LOTS
        await sending
        writer.close()
        await writer.wait_closed()

    run(each_loop, main())


@each_protocol
def test_nothing_is_received_before_create_connection_returns(
    each_loop: Loop, wire: Pair, kind: Any
) -> None:
    wire[1].send(b"early")

    async def main() -> None:
        for turn in range(5):
            protocol = kind()
            transport, _ = await each_loop.create_connection(lambda: protocol, sock=wire[0].dup())  # noqa: B023
            assert protocol.calls == ["made"]
            transport.pause_reading()
            await seen(each_loop)
            assert protocol.calls == ["made"]
            if turn == 4:
                transport.resume_reading()
                assert await protocol.received(5) == b"early"
            transport.close()
            await protocol.lost()
            await settled()

    run(each_loop, main())


def test_pausing_and_resuming_in_each_callback_does_not_delay_others(
    each_loop: Loop, pair: Pair
) -> None:
    class Restless(Buffered):
        def buffer_updated(self, count: int) -> None:
            super().buffer_updated(count)
            self.since += 1
            self.transport.pause_reading()
            self.transport.resume_reading()

        since = most = 0

    async def main() -> None:
        protocol = Restless()
        sent = pair[1].send(LOTS)
        assert sent > 50 * len(protocol.buffer)
        async with connected(each_loop, pair, protocol):
            while len(protocol.data) < sent:
                protocol.since = 0
                await asyncio.sleep(0)
                protocol.most = max(protocol.most, protocol.since)
        assert protocol.data == LOTS[:sent]
        assert protocol.most <= 2

    run(each_loop, main())
