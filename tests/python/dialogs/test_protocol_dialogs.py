"""Dialogs opened by a protocol's callbacks: other connections work, and data stay in order."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest
from support.asking_protocol import Asks
from support.connections import (
    DATA,
    HERE,
    LOTS,
    Buffered,
    Recorder,
    connected,
    receive,
    receive_all,
    run,
    seen,
    settled,
)
from support.modal import Modal, each_kind
from support.running import Pair

import qtloop

pytest_plugins = ["support.each_loop"]
pytestmark = pytest.mark.usefixtures("reports")


@each_kind
def test_other_connections_work_during_a_dialog_of_a_protocol(
    loop: qtloop.QEventLoop, wire: Pair, pair: Pair, kind: str
) -> None:
    async def main() -> None:
        protocol, other = Asks("data", kind), Recorder()
        async with (
            connected(loop, wire, protocol),
            connected(loop, pair, other) as transport,
        ):
            wire[1].send(b"ask")
            await protocol.asked()
            pair[1].send(b"question")
            assert await other.received(8) == b"question"
            transport.write(LOTS)
            assert await receive(loop, pair[1], len(LOTS)) == LOTS
            pair[1].close()
            assert await other.lost() is None
            assert protocol.modal.is_open
            protocol.modal.close()
            await protocol.until(lambda: "back" in protocol.calls)

    run(loop, main())


@each_kind
def test_further_data_arrives_after_the_dialog_is_closed(
    loop: qtloop.QEventLoop, wire: Pair, kind: str
) -> None:
    async def main() -> None:
        protocol = Asks("data", kind)
        async with connected(loop, wire, protocol):
            wire[1].send(b"ask")
            await protocol.asked()
            for number in range(10):
                wire[1].send(b"%d" % number)
                await seen(loop)
            assert protocol.data == b"ask"
            protocol.modal.close()
            assert await protocol.received(13) == b"ask0123456789"
            assert protocol.calls == ["made", "data", "back", "data"]

    run(loop, main())


def test_further_data_arrives_in_the_buffer_after_the_dialog_is_closed(
    loop: qtloop.QEventLoop, wire: Pair
) -> None:
    class AsksBuffered(Buffered):
        def __init__(self) -> None:
            super().__init__()
            self.modal = Modal()

        def buffer_updated(self, count: int) -> None:
            super().buffer_updated(count)
            if len(self.data) == 3:
                self.modal.exec()
                # The buffer was not overwritten while the dialog was open.
                assert self.buffer[:3] == b"ask"
                self.note("back")

    async def main() -> None:
        protocol = AsksBuffered()
        async with connected(loop, wire, protocol):
            wire[1].send(b"ask")
            await protocol.modal.opened.wait()
            wire[1].send(b"more")
            await seen(loop)
            assert protocol.data == b"ask"
            protocol.modal.close()
            assert await protocol.received(7) == b"askmore"
            assert protocol.calls == ["made", "data", "back", "data"]

    run(loop, main())


def test_eof_is_received_after_the_dialog_is_closed(loop: qtloop.QEventLoop, wire: Pair) -> None:
    async def main() -> None:
        protocol = Asks("data")
        async with connected(loop, wire, protocol):
            wire[1].send(b"ask")
            await protocol.asked()
            wire[1].send(b"last")
            wire[1].close()
            await seen(loop)
            assert protocol.calls == ["made", "data"]
            protocol.modal.close()
            assert await protocol.lost() is None
        assert protocol.data == b"asklast"
        assert protocol.calls == ["made", "data", "back", "data", "eof", "lost"]

    run(loop, main())


def test_writes_are_flushed_during_the_dialog(loop: qtloop.QEventLoop, wire: Pair) -> None:
    async def main() -> None:
        protocol = Asks("data")
        async with connected(loop, wire, protocol) as transport:
            transport.write(LOTS)
            wire[1].send(b"ask")
            await protocol.asked()
            transport.write(DATA)
            got = await receive(loop, wire[1], len(LOTS) + len(DATA))
            assert got == LOTS + DATA
            await protocol.until(lambda: "resume" in protocol.calls)
            transport.write(b"end")
            transport.write_eof()
            assert await receive_all(loop, wire[1]) == b"end"
            assert protocol.modal.is_open
            protocol.modal.close()
            await protocol.until(lambda: "back" in protocol.calls)

    run(loop, main())


def test_dialog_in_resume_writing_does_not_stop_the_flushing_of_others(
    loop: qtloop.QEventLoop, wire: Pair, pair: Pair
) -> None:
    async def main() -> None:
        protocol, other = Asks("resume"), Recorder()
        async with (
            connected(loop, wire, protocol) as transport,
            connected(loop, pair, other) as healthy,
        ):
            # Otherwise the rest would also wait for the dialog, which the flush has opened.
            transport.set_write_buffer_limits(1, 0)
            transport.write(LOTS)
            healthy.write(LOTS)
            assert await receive(loop, wire[1], len(LOTS)) == LOTS
            await protocol.asked()
            transport.write(b"early")
            assert await receive(loop, wire[1], 5) == b"early"
            assert await receive(loop, pair[1], len(LOTS)) == LOTS
            await other.until(lambda: "resume" in other.calls)
            protocol.modal.close()
            await protocol.until(lambda: "back" in protocol.calls)
            transport.write(b"more")
            assert await receive(loop, wire[1], 4) == b"more"

    run(loop, main())


def test_dialog_in_connection_made_delays_the_first_data(
    loop: qtloop.QEventLoop, wire: Pair
) -> None:
    async def main() -> None:
        protocol = Asks("made")
        wire[1].send(b"early")
        connecting = asyncio.create_task(loop.create_connection(lambda: protocol, sock=wire[0]))
        await protocol.asked()
        protocol.transport.write(b"hello")
        assert await receive(loop, wire[1], 5) == b"hello"
        protocol.modal.close()
        transport, _ = await connecting
        assert await protocol.received(5) == b"early"
        transport.close()
        await protocol.lost()
        assert protocol.calls[0] == "made" and protocol.calls[-1] == "lost"

    run(loop, main())


@pytest.mark.parametrize("way", ["close", "abort"])
def test_connection_closed_during_its_own_dialog_is_lost(
    loop: qtloop.QEventLoop, wire: Pair, way: str
) -> None:
    async def main() -> None:
        protocol = Asks("data")
        async with connected(loop, wire, protocol) as transport:
            wire[1].send(b"ask")
            await protocol.asked()
            wire[1].send(b"more")
            getattr(transport, way)()
            await seen(loop)
            protocol.modal.close()
            await protocol.until(lambda: "back" in protocol.calls)
            assert await protocol.lost() is None
            await settled()
        assert protocol.data == b"ask"
        assert protocol.calls.count("lost") == 1

    run(loop, main())


def test_dialog_in_connection_lost_does_not_delay_other_connections(
    loop: qtloop.QEventLoop, wire: Pair, pair: Pair
) -> None:
    async def main() -> None:
        protocol, other = Asks("lost"), Recorder()
        async with connected(loop, wire, protocol), connected(loop, pair, other):
            wire[1].close()
            await protocol.asked()
            pair[1].close()
            assert await other.lost() is None
            protocol.modal.close()
            await protocol.until(lambda: "back" in protocol.calls)
        assert protocol.calls == ["made", "eof", "lost", "back"]

    run(loop, main())


def test_reading_paused_during_the_dialog_stays_paused(loop: qtloop.QEventLoop, wire: Pair) -> None:
    async def main() -> None:
        protocol = Asks("data")
        async with connected(loop, wire, protocol) as transport:
            wire[1].send(b"ask")
            await protocol.asked()
            transport.pause_reading()
            wire[1].send(b"more")
            protocol.modal.close()
            await protocol.until(lambda: "back" in protocol.calls)
            await seen(loop)
            assert protocol.data == b"ask"
            transport.resume_reading()
            assert await protocol.received(7) == b"askmore"

    run(loop, main())


def test_two_connections_may_open_dialogs_at_the_same_time(
    loop: qtloop.QEventLoop, wire: Pair, pair: Pair
) -> None:
    async def main() -> None:
        first, second = Asks("data"), Asks("data")
        async with connected(loop, wire, first), connected(loop, pair, second):
            wire[1].send(b"ask")
            await first.asked()
            pair[1].send(b"ask")
            await second.asked()
            for peer in (wire[1], pair[1]):
                peer.send(b"more")
            await seen(loop)
            assert first.data == second.data == b"ask"
            second.modal.close()
            assert await second.received(7) == b"askmore"
            assert first.data == b"ask"
            first.modal.close()
            assert await first.received(7) == b"askmore"

    run(loop, main())


def test_server_accepts_during_a_dialog_of_one_of_its_clients(loop: qtloop.QEventLoop) -> None:
    async def main() -> None:
        made: list[Asks] = []

        def factory() -> Asks:
            made.append(Asks("" if made else "data"))
            return made[-1]

        server = await loop.create_server(factory, *HERE)
        address = server.sockets[0].getsockname()
        with socket.create_connection(address) as client:
            client.send(b"ask")
            while not made:
                await seen(loop)
            await made[0].asked()
            for number in range(10):
                with socket.create_connection(address) as other:
                    other.send(b"%d" % number)
                while len(made) < number + 2:
                    await seen(loop)
                assert await made[-1].lost() is None
                assert made[-1].data == b"%d" % number
            made[0].modal.close()
        assert await made[0].lost() is None
        server.close()
        await server.wait_closed()

    run(loop, main())


def test_further_datagrams_arrive_after_the_dialog_is_closed(loop: qtloop.QEventLoop) -> None:
    class AsksDatagrams(Recorder, asyncio.DatagramProtocol):
        def __init__(self) -> None:
            super().__init__()
            self.modal = Modal()

        def datagram_received(self, data: bytes, _: Any) -> None:
            self.data += data
            self.note("data")
            if data == b"ask":
                self.modal.exec()
                self.note("back")

    async def main() -> None:
        protocol = AsksDatagrams()
        transport, _ = await loop.create_datagram_endpoint(lambda: protocol, HERE)
        with socket.socket(type=socket.SOCK_DGRAM) as peer:
            peer.bind(HERE)
            peer.setblocking(False)
            peer.connect(transport.get_extra_info("sockname"))
            peer.send(b"ask")
            await protocol.modal.opened.wait()
            peer.send(b"one")
            peer.send(b"two")
            transport.sendto(b"answer", peer.getsockname())
            assert await receive(loop, peer, 6) == b"answer"
            await seen(loop)
            assert protocol.data == b"ask"
            protocol.modal.close()
            assert await protocol.received(9) == b"askonetwo"
        transport.close()
        await protocol.lost()
        assert protocol.calls == ["made", "data", "back", "data", "lost"]

    run(loop, main())
