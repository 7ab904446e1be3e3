"""Connections closed at odd moments or written to after the close: asyncio's behaviour."""

from __future__ import annotations

import asyncio
import functools
import logging
import socket
from typing import Any

import pytest
from support.connections import (
    DATA,
    LOTS,
    Loop,
    Recorder,
    connected,
    each_protocol,
    receive_all,
    run,
    seen,
    settled,
    skip_asyncio,
    stuff,
)
from support.running import Pair

pytest_plugins = ["support.each_loop"]


@pytest.mark.parametrize("way", ["close", "abort"])
def test_connection_closed_in_connection_made_receives_nothing(
    each_loop: Loop, wire: Pair, way: str
) -> None:
    class Refuses(Recorder):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            getattr(transport, way)()

    wire[1].send(b"data")

    async def main() -> None:
        protocol = Refuses()
        transport, _ = await each_loop.create_connection(lambda: protocol, sock=wire[0])
        assert transport.is_closing()
        assert await protocol.lost() is None
        await seen(each_loop)
        assert protocol.calls == ["made", "lost"]

    run(each_loop, main())


@pytest.mark.parametrize("way", ["close", "abort"])
@each_protocol
def test_connection_closed_while_it_receives_receives_no_more(
    each_loop: Loop, wire: Pair, way: str, kind: Any
) -> None:
    class Enough(kind):  # type: ignore[misc]
        def note(self, call: str) -> None:
            super().note(call)
            if call == "data":
                counts.append(len(self.data))
                getattr(self.transport, way)()

    counts: list[int] = []

    async def main() -> None:
        protocol = Enough()
        async with connected(each_loop, wire, protocol):
            for end in range(0, len(DATA), 65536):
                try:
                    wire[1].send(DATA[end : end + 65536])
                except BlockingIOError:
                    break
            assert await protocol.lost() is None
            await seen(each_loop)
        assert protocol.calls == ["made", "data", "lost"]
        assert len(counts) == 1

    run(each_loop, main())


@pytest.mark.parametrize("way", ["close", "abort", "pause_reading"])
def test_connection_that_another_one_ends_receives_nothing(each_loop: Loop, way: str) -> None:
    class Alone(Recorder):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            for transport in transports:
                if transport is not self.transport:
                    getattr(transport, way)()

    transports: list[Any] = []

    async def main() -> None:
        wires = [socket.socketpair() for _ in range(10)]
        protocols = [Alone() for _ in wires]
        for (mine, _), protocol in zip(wires, protocols, strict=True):
            made = functools.partial(next, iter([protocol]))
            await each_loop.create_connection(made, sock=mine)
            transports.append(protocol.transport)
        await seen(each_loop)
        for _, peer in wires:
            peer.send(b"data")
        await seen(each_loop)
        assert sorted(bytes(protocol.data) for protocol in protocols) == [b""] * 9 + [b"data"]
        for transport in transports:
            transport.abort()
        await settled()
        for _, peer in wires:
            peer.close()

    run(each_loop, main())


def test_connection_lost_is_not_called_by_close_itself(each_loop: Loop, wire: Pair) -> None:
    async def main() -> None:
        protocol = Recorder()
        async with connected(each_loop, wire, protocol) as transport:
            transport.close()
            assert transport.is_closing()
            assert protocol.calls == ["made"]
            transport.close()
            transport.abort()
            assert protocol.calls == ["made"]
            assert await protocol.lost() is None
            await settled()
            transport.close()
            await settled()
        assert protocol.calls == ["made", "lost"]

    run(each_loop, main())


def test_close_sends_queued_data_first(each_loop: Loop, wire: Pair) -> None:
    async def main() -> None:
        protocol = Recorder()
        async with connected(each_loop, wire, protocol) as transport:
            transport.write(LOTS)
            transport.write(b"end")
            transport.close()
            assert transport.is_closing()
            await seen(each_loop)
            assert "lost" not in protocol.calls
            assert await receive_all(each_loop, wire[1]) == LOTS + b"end"
            assert await protocol.lost() is None
        assert [call for call in protocol.calls if call != "resume"] == ["made", "pause", "lost"]

    run(each_loop, main())


def test_abort_drops_queued_data(each_loop: Loop, wire: Pair) -> None:
    async def main() -> None:
        protocol = Recorder()
        async with connected(each_loop, wire, protocol) as transport:
            written = stuff(transport)
            transport.write(LOTS)
            transport.abort()
            assert transport.is_closing()
            assert transport.get_write_buffer_size() == 0
            assert protocol.calls == ["made", "pause"]
            assert await protocol.lost() is None
            got = await receive_all(each_loop, wire[1])
            assert len(got) < len(written) and written.startswith(got)
        assert protocol.calls == ["made", "pause", "lost"]

    run(each_loop, main())


def test_abort_ends_a_close_that_still_flushes(each_loop: Loop, wire: Pair) -> None:
    async def main() -> None:
        protocol = Recorder()
        async with connected(each_loop, wire, protocol) as transport:
            transport.write(LOTS)
            transport.close()
            await seen(each_loop)
            assert protocol.calls == ["made", "pause"]
            transport.abort()
            assert await protocol.lost() is None
            await settled()
        assert protocol.calls == ["made", "pause", "lost"]

    run(each_loop, main())


def test_connection_lost_may_still_use_the_transport(each_loop: Loop, wire: Pair) -> None:
    class Clings(Recorder):
        def connection_lost(self, error: Exception | None) -> None:
            transport = self.transport
            assert transport.is_closing() and not transport.is_reading()
            assert transport.get_extra_info("socket").fileno() >= 0
            transport.write(b"late")
            transport.write_eof()
            transport.pause_reading()
            transport.resume_reading()
            transport.close()
            assert transport.get_protocol() is self
            super().connection_lost(error)

    async def main() -> None:
        protocol = Clings()
        async with connected(each_loop, wire, protocol) as transport:
            transport.close()
            assert await protocol.lost() is None
            await settled()
            assert await receive_all(each_loop, wire[1]) == b""
        assert protocol.calls == ["made", "lost"]

    run(each_loop, main())


def test_writing_after_the_end_is_ignored_and_logged_from_the_fifth_time(
    each_loop: Loop, wire: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        protocol = Recorder()
        async with connected(each_loop, wire, protocol) as transport:
            transport.close()
            transport.write(b"1")
            await protocol.lost()
            await settled()
            for number in b"234":
                transport.write(bytes([number]))
            transport.write(b"")
            assert warnings() == []
            for number in b"567":
                transport.write(bytes([number]))
            assert warnings() == [(logging.WARNING, "socket.send() raised exception.")] * 3
            with pytest.raises(TypeError):
                transport.write("text")
            transport.write_eof()
            assert transport.get_write_buffer_size() == 0

    def warnings() -> list[tuple[int, str]]:
        return [
            (record.levelno, record.getMessage())
            for record in caplog.records
            if record.name == "asyncio"
        ]

    run(each_loop, main())


def test_writing_lines_after_the_end_is_ignored(each_loop: Loop, wire: Pair) -> None:
    async def main() -> None:
        protocol = Recorder()
        async with connected(each_loop, wire, protocol) as transport:
            transport.close()
            await protocol.lost()
            await settled()
            skip_asyncio(transport, (3, 12), "its writelines() fails on a closed transport")
            transport.writelines([b"one", b"two"])

    run(each_loop, main())


def test_writing_after_a_close_that_still_flushes_is_sent(each_loop: Loop, wire: Pair) -> None:
    async def main() -> bytes:
        async with connected(each_loop, wire, Recorder()) as transport:
            transport.write(LOTS)
            transport.close()
            transport.write(b"more")
            return await receive_all(each_loop, wire[1])

    assert run(each_loop, main()) == LOTS + b"more"


@pytest.mark.parametrize("steps", [1, 2])
def test_cancelled_create_connection_closes_the_connection(
    each_loop: Loop, wire: Pair, steps: int
) -> None:
    async def main() -> None:
        protocol = Recorder()
        connecting = asyncio.ensure_future(
            each_loop.create_connection(lambda: protocol, sock=wire[0])
        )
        for _ in range(steps):
            await asyncio.sleep(0)
        connecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connecting
        assert await protocol.lost() is None
        await settled()
        assert protocol.calls == ["made", "lost"]
        assert await receive_all(each_loop, wire[1]) == b""

    run(each_loop, main())


def test_debug_mode_logs_the_events_of_a_connection(
    each_loop: Loop, wire: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    words = f"fd={wire[0].fileno()}"

    async def main() -> None:
        protocol = Recorder()
        async with connected(each_loop, wire, protocol) as transport:
            caplog.clear()
            transport.pause_reading()
            transport.resume_reading()
            wire[1].send(b"data")
            await protocol.received(4)
            wire[1].close()
            await protocol.lost()
            told = [record.getMessage() for record in caplog.records if record.name == "asyncio"]
            for phrase in ("pauses reading", "resumes reading", "received EOF"):
                (message,) = (each for each in told if phrase in each)
                assert words in message

    each_loop.set_debug(True)
    each_loop.slow_callback_duration = 60
    with caplog.at_level(logging.DEBUG, "asyncio"):
        run(each_loop, main())
