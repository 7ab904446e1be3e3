"""`loop.sendfile()` to peers that stall or reset: asyncio's behaviour on both loops."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

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
    settled,
    skip_asyncio,
    stuff,
)
from support.running import Pair

pytest_plugins = ["support.each_loop"]


# Files


def test_file_is_sent_after_queued_data_and_before_later_data(
    each_loop: Loop, wire: Pair, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    path.write_bytes(LOTS)

    async def main() -> None:
        protocol = Recorder()
        async with connected(each_loop, wire, protocol) as transport:
            written = stuff(transport)
            with path.open("rb") as file:
                sending = asyncio.create_task(each_loop.sendfile(transport, file, 10, 3_000_000))
                await seen(each_loop)
                with pytest.raises(RuntimeError, match="unable to write; sendfile is in progress"):
                    transport.write(b"no")
                with pytest.raises(RuntimeError, match="sendfile is in progress"):
                    transport.writelines([b"no"])
                wire[1].send(b"question")
                await seen(each_loop)
                assert not transport.is_reading() and protocol.data == b""
                expected = written + LOTS[10:3_000_010]
                assert await receive(each_loop, wire[1], len(expected)) == expected
                assert await sending == 3_000_000
                assert file.tell() == 3_000_010
            transport.write(b"answer")
            assert await receive(each_loop, wire[1], 6) == b"answer"
            assert await protocol.received(8) == b"question"

    run(each_loop, main())


def test_reading_works_after_a_sendfile(each_loop: Loop, wire: Pair, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(DATA)

    async def main() -> None:
        protocol = Recorder()
        async with connected(each_loop, wire, protocol) as transport:
            for is_paused in (True, False):
                if is_paused:
                    transport.pause_reading()
                else:
                    transport.resume_reading()
                with path.open("rb") as file:
                    sending = asyncio.create_task(each_loop.sendfile(transport, file))
                    assert await receive(each_loop, wire[1], len(DATA)) == DATA
                    assert await sending == len(DATA)
                assert transport.is_reading() is not is_paused
            wire[1].send(b"data")
            assert await protocol.received(4) == b"data"

    run(each_loop, main())


def test_file_to_a_peer_that_resets_is_an_error(each_loop: Loop, tcp: Pair, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(LOTS)

    async def main() -> None:
        protocol = Recorder()
        async with connected(each_loop, tcp, protocol) as transport:
            with path.open("rb") as file:
                sending = asyncio.create_task(each_loop.sendfile(transport, file))
                await receive(each_loop, tcp[1], 1000)
                reset(tcp[1])
                with pytest.raises(ConnectionError):
                    await sending
            assert isinstance(await protocol.lost(), (ConnectionError, type(None)))

    run(each_loop, main())


def test_file_without_a_descriptor_is_sent_in_pieces(each_loop: Loop, wire: Pair) -> None:
    async def main() -> None:
        async with connected(each_loop, wire, Recorder()) as transport:
            with pytest.raises(RuntimeError):
                await each_loop.sendfile(transport, io.BytesIO(DATA), fallback=False)
            assert await each_loop.sendfile(transport, io.BytesIO(DATA[:9999]), 9) == 9990
            assert await receive(each_loop, wire[1], 9990) == DATA[9:9999]
            await each_loop.shutdown_default_executor()

    run(each_loop, main())


def test_sendfile_waits_for_a_peer_that_stalls(each_loop: Loop, wire: Pair) -> None:
    async def main() -> None:
        async with connected(each_loop, wire, Recorder()) as transport:
            skip_asyncio(transport, (3, 12), "it sends the last piece in place of all that wait")
            data = bytes(number % 251 for number in range(1 << 20))
            sending = asyncio.create_task(each_loop.sendfile(transport, io.BytesIO(data)))
            while not transport.get_write_buffer_size():
                await seen(each_loop)
            assert await receive(each_loop, wire[1], len(data)) == data
            assert await sending == len(data)
            await each_loop.shutdown_default_executor()

    run(each_loop, main())


def test_sendfile_to_a_closing_connection_is_refused(
    each_loop: Loop, wire: Pair, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    path.write_bytes(DATA)

    async def main() -> None:
        protocol = Recorder()
        async with connected(each_loop, wire, protocol) as transport:
            transport.close()
            with path.open("rb") as file:
                with pytest.raises(RuntimeError, match="Transport is closing"):
                    await each_loop.sendfile(transport, file)
                await protocol.lost()
                await settled()
                with pytest.raises(RuntimeError, match="Transport is closing"):
                    await each_loop.sendfile(transport, file)

    run(each_loop, main())
