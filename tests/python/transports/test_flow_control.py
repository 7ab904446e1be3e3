"""Flow control of writing: limits, pause_writing() and resume_writing(), as in asyncio."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from support.connections import (
    DATA,
    LOTS,
    Loop,
    Recorder,
    connected,
    receive,
    reset,
    run,
    seen,
    skip_asyncio,
    stuff,
)
from support.running import Pair

pytest_plugins = ["support.each_loop"]


# Writing


def test_writing_is_limited_to_64_kib_by_default(each_loop: Loop, wire: Pair) -> None:
    async def main() -> None:
        async with connected(each_loop, wire, Recorder()) as transport:
            assert transport.get_write_buffer_limits() == (16 * 1024, 64 * 1024)
            assert transport.get_write_buffer_size() == 0

    run(each_loop, main())


def test_limits_follow_from_each_other(each_loop: Loop, wire: Pair) -> None:
    async def main() -> None:
        async with connected(each_loop, wire, Recorder()) as transport:
            for limits, effect in (
                ({"high": 1000}, (250, 1000)),
                ({"low": 1000}, (1000, 4000)),
                ({"high": 1000, "low": 1000}, (1000, 1000)),
                ({"high": 3}, (0, 3)),
                ({"high": 0}, (0, 0)),
                ({"low": 0}, (0, 0)),
                ({"high": 1 << 40}, (1 << 38, 1 << 40)),
                ({"high": 64 * 1024 / 2}, (8 * 1024, 32 * 1024)),
                ({}, (16 * 1024, 64 * 1024)),
            ):
                transport.set_write_buffer_limits(**limits)
                assert transport.get_write_buffer_limits() == effect
            transport.set_write_buffer_limits(1 << 70)
            assert transport.get_write_buffer_limits() >= (1 << 60, 1 << 62)

    run(each_loop, main())


@pytest.mark.parametrize("limits", [(10, 11), (-1, None), (None, -1), (0, 1), (-2, -3)])
def test_invalid_write_limits_are_refused(
    each_loop: Loop, wire: Pair, limits: tuple[Any, Any]
) -> None:
    async def main() -> None:
        async with connected(each_loop, wire, Recorder()) as transport:
            with pytest.raises(ValueError, match=r"high \(.*\) must be >= low \(.*\) must be >= 0"):
                transport.set_write_buffer_limits(*limits)
            assert transport.get_write_buffer_limits() == (16 * 1024, 64 * 1024)

    run(each_loop, main())


def test_protocol_is_paused_by_the_first_byte_over_the_limit(each_loop: Loop, wire: Pair) -> None:
    async def main() -> None:
        protocol = Recorder()
        async with connected(each_loop, wire, protocol) as transport:
            transport.set_write_buffer_limits(1 << 30)
            stuff(transport)
            size = transport.get_write_buffer_size()
            transport.set_write_buffer_limits(size + 100)
            transport.write(bytes(99))
            transport.write(bytes(1))
            assert transport.get_write_buffer_size() == size + 100
            assert protocol.calls == ["made"]
            transport.write(bytes(1))
            assert protocol.calls == ["made", "pause"]
            # pause_writing() is called once.
            transport.write(DATA)
            transport.write(DATA)
            assert protocol.calls == ["made", "pause"]
            assert transport.get_write_buffer_size() == size + 101 + 2 * len(DATA)

    run(each_loop, main())


@pytest.mark.parametrize("low", [0, 1000, 100_000])
def test_protocol_is_resumed_at_the_low_limit(each_loop: Loop, wire: Pair, low: int) -> None:
    class Sized(Recorder):
        def resume_writing(self) -> None:
            super().resume_writing()
            sizes.append(self.transport.get_write_buffer_size())

    sizes: list[int] = []

    async def main() -> None:
        protocol = Sized()
        async with connected(each_loop, wire, protocol) as transport:
            transport.set_write_buffer_limits(max(low, 1), low)
            for _ in range(2):
                written = len(stuff(transport)) + len(LOTS)
                transport.write(LOTS)
                assert protocol.calls[-1] == "pause"
                assert await receive(each_loop, wire[1], written) == DATA * (written // len(DATA))
                await protocol.until(lambda: protocol.calls[-1] == "resume")
                assert transport.get_write_buffer_size() == 0
        assert protocol.calls == ["made", "pause", "resume", "pause", "resume", "lost"]
        assert max(sizes) <= low

    run(each_loop, main())


def test_protocol_is_resumed_neither_before_nor_after_the_low_limit(
    each_loop: Loop, wire: Pair
) -> None:
    low = len(LOTS) // 2

    async def main() -> None:
        protocol = Recorder()
        async with connected(each_loop, wire, protocol) as transport:
            transport.set_write_buffer_limits(low + 1, low)
            transport.write(LOTS)
            while size := transport.get_write_buffer_size():
                resumed = ["resume"] if size <= low else []
                assert protocol.calls == ["made", "pause", *resumed]
                await receive(each_loop, wire[1], 4096)

    run(each_loop, main())


def test_limit_of_zero_pauses_for_any_queued_byte(each_loop: Loop, wire: Pair) -> None:
    async def main() -> None:
        protocol = Recorder()
        async with connected(each_loop, wire, protocol) as transport:
            transport.set_write_buffer_limits(high=0)
            transport.write(b"goes at once")
            assert protocol.calls == ["made"]
            written = len(stuff(transport))
            assert protocol.calls == ["made", "pause"]
            await receive(each_loop, wire[1], 12 + written)
            await protocol.until(lambda: "resume" in protocol.calls)
            assert transport.get_write_buffer_size() == 0

    run(each_loop, main())


def test_lowered_limit_applies_to_queued_data(each_loop: Loop, wire: Pair) -> None:
    async def main() -> None:
        protocol = Recorder()
        async with connected(each_loop, wire, protocol) as transport:
            transport.set_write_buffer_limits(1 << 30)
            stuff(transport)
            assert protocol.calls == ["made"]
            transport.set_write_buffer_limits(0)
            assert protocol.calls == ["made", "pause"]
            # A higher one does not resume; the next flush does.
            transport.set_write_buffer_limits(1 << 30)
            assert protocol.calls == ["made", "pause"]
            await receive(each_loop, wire[1], 1 << 20)
            await protocol.until(lambda: protocol.calls == ["made", "pause", "resume"])

    run(each_loop, main())


def test_writelines_pauses_as_write_does(each_loop: Loop, wire: Pair) -> None:
    async def main() -> None:
        protocol = Recorder()
        async with connected(each_loop, wire, protocol) as transport:
            skip_asyncio(transport, (3, 12), "writelines() pauses nobody before 3.12.9 and 3.13.2")
            transport.writelines([LOTS, LOTS])
            assert protocol.calls == ["made", "pause"]

    run(each_loop, main())


def test_writing_from_resume_writing_is_in_order(each_loop: Loop, wire: Pair) -> None:
    class More(Recorder):
        def resume_writing(self) -> None:
            super().resume_writing()
            if self.calls.count("resume") < 3:
                self.transport.write(LOTS[::-1])

    async def main() -> None:
        protocol = More()
        async with connected(each_loop, wire, protocol) as transport:
            transport.write(LOTS)
            got = await receive(each_loop, wire[1], len(LOTS) * 3)
            assert got == LOTS + LOTS[::-1] * 2
            await protocol.until(lambda: protocol.calls == ["made", *["pause", "resume"] * 3])

    run(each_loop, main())


def test_close_in_pause_writing_still_flushes(each_loop: Loop, wire: Pair) -> None:
    class Closing(Recorder):
        def pause_writing(self) -> None:
            super().pause_writing()
            self.transport.close()

    async def main() -> None:
        protocol = Closing()
        async with connected(each_loop, wire, protocol) as transport:
            transport.write(LOTS)
            assert transport.is_closing()
            assert await receive(each_loop, wire[1], len(LOTS) + 1) == LOTS
            assert await protocol.lost() is None
        assert [call for call in protocol.calls if call != "resume"] == ["made", "pause", "lost"]

    run(each_loop, main())


def test_drain_waits_until_the_peer_reads(each_loop: Loop, wire: Pair) -> None:
    async def main() -> None:
        _, writer = await asyncio.open_connection(sock=wire[0])
        writer.write(LOTS)
        draining = [asyncio.create_task(writer.drain()) for _ in range(2)]
        await seen(each_loop)
        assert not any(drain.done() for drain in draining)
        await receive(each_loop, wire[1], len(LOTS))
        await asyncio.gather(*draining)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    run(each_loop, main())


def test_drain_of_a_closed_connection_is_a_reset(each_loop: Loop, tcp: Pair) -> None:
    async def main() -> None:
        reader, writer = await asyncio.open_connection(sock=tcp[0])
        reset(tcp[1])
        with pytest.raises(ConnectionResetError):
            await reader.read()
        with pytest.raises(ConnectionResetError):
            await writer.drain()
        writer.close()
        with pytest.raises(ConnectionResetError):
            await writer.wait_closed()

    run(each_loop, main())
