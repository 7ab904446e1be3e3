"""Peers that stall, trickle or flood: asyncio's behaviour on both loops."""

from __future__ import annotations

import asyncio
import socket

from support.connections import (
    DATA,
    LOTS,
    Loop,
    Notes,
    Recorder,
    connected,
    each_protocol,
    receive,
    run,
    settled,
)
from support.running import Pair

pytest_plugins = ["support.each_loop"]


@each_protocol
def test_peer_may_send_one_byte_at_a_time(each_loop: Loop, wire: Pair, kind: type[Notes]) -> None:
    async def main() -> bytes:
        protocol = kind()
        async with connected(each_loop, wire, protocol):
            for number in range(256):
                await each_loop.sock_sendall(wire[1], bytes([number]))
                if number % 3:
                    await protocol.received(number + 1)
            return await protocol.received(256)

    assert run(each_loop, main()) == DATA[:256]


def test_peer_that_never_reads_does_not_delay_other_connections(
    each_loop: Loop, wire: Pair, pair: Pair
) -> None:
    async def main() -> None:
        stalled, other = Recorder(), Recorder()
        async with (
            connected(each_loop, wire, stalled) as transport,
            connected(each_loop, pair, other) as healthy,
        ):
            transport.write(LOTS)
            for number in range(100):
                healthy.write(b"%03d" % number)
                pair[1].send(await receive(each_loop, pair[1], 3))
                await other.received(3 * (number + 1))
            # Data of a stalled peer still arrive.
            wire[1].send(b"busy")
            assert await stalled.received(4) == b"busy"
            assert not transport.is_closing()

    run(each_loop, main())


def test_ten_megabytes_are_echoed(each_loop: Loop, wire: Pair) -> None:
    class Echo(Recorder):
        def data_received(self, data: bytes) -> None:
            self.transport.write(data)

        def pause_writing(self) -> None:
            self.transport.pause_reading()

        def resume_writing(self) -> None:
            self.transport.resume_reading()

    data = DATA * 40

    async def main() -> bytes:
        async with connected(each_loop, wire, Echo()):
            sending = asyncio.create_task(each_loop.sock_sendall(wire[1], data))
            answer = await receive(each_loop, wire[1], len(data))
            await sending
            return answer

    assert run(each_loop, main()) == data


def test_ten_megabytes_are_sent_both_ways_at_once(each_loop: Loop, wire: Pair) -> None:
    data = DATA * 40

    async def main() -> None:
        protocol = Recorder()
        async with connected(each_loop, wire, protocol) as transport:
            transport.write(data)
            sending = asyncio.create_task(each_loop.sock_sendall(wire[1], data[::-1]))
            assert await receive(each_loop, wire[1], len(data)) == data
            assert await protocol.received(len(data)) == data[::-1]
            await sending

    run(each_loop, main())


def test_out_of_band_data_does_not_affect_normal_data(each_loop: Loop, tcp: Pair) -> None:
    async def main() -> None:
        protocol = Recorder()
        async with connected(each_loop, tcp, protocol):
            tcp[1].send(b"before")
            tcp[1].send(b"!", socket.MSG_OOB)
            tcp[1].send(b"after")
            assert await protocol.received(11) == b"beforeafter"
            tcp[1].close()
            await protocol.lost()
            await settled()
        assert protocol.data == b"beforeafter"

    run(each_loop, main())
