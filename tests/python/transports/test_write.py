"""Data that write() and writelines() accept: asyncio's behaviour on both loops."""

from __future__ import annotations

import array
from typing import Any

import pytest
from support.connections import (
    LOTS,
    Loop,
    Recorder,
    connected,
    receive,
    receive_all,
    run,
    skip_asyncio,
    stuff,
)
from support.running import Errors, Pair

pytest_plugins = ["support.each_loop"]


# Types of data


@pytest.mark.parametrize(
    "data",
    [
        b"bytes",
        bytearray(b"bytearray"),
        memoryview(b"memoryview"),
        memoryview(b"part of it")[5:],
        b"",
        bytearray(),
        memoryview(b""),
    ],
)
def test_bytes_of_any_kind_can_be_written(each_loop: Loop, wire: Pair, data: Any) -> None:
    async def main() -> None:
        async with connected(each_loop, wire, Recorder()) as transport:
            transport.write(data)
            transport.writelines([b"-", data, b"-"])
            transport.close()
            assert await receive_all(each_loop, wire[1]) == bytes(data) + b"-" + bytes(data) + b"-"

    run(each_loop, main())


@pytest.mark.parametrize(
    "data",
    [
        memoryview(bytearray(b"two\0" * 2)).cast("B", (2, 4)),
        memoryview(array.array("I", [1, 2, 3])),
    ],
)
@pytest.mark.parametrize("lines", [True, False])
def test_memoryviews_with_wider_items_can_be_written(
    each_loop: Loop, wire: Pair, data: Any, lines: bool
) -> None:
    async def main() -> None:
        async with connected(each_loop, wire, Recorder()) as transport:
            if lines:
                skip_asyncio(transport, (3, 12), "it takes the items for the bytes")
                transport.writelines([b"-", data, b"-"])
            else:
                transport.write(b"-")
                transport.write(data)
                transport.write(b"-")
            transport.close()
            assert await receive_all(each_loop, wire[1]) == b"-" + data.tobytes() + b"-"

    run(each_loop, main())


@pytest.mark.parametrize("data", ["text", None, 7, [b"list"], array.array("B", b"array")])
def test_write_refuses_data_that_is_not_bytes_like(
    each_loop: Loop, wire: Pair, errors: Errors, data: Any
) -> None:
    async def main() -> None:
        protocol = Recorder()
        async with connected(each_loop, wire, protocol) as transport:
            name = type(data).__name__
            with pytest.raises(
                TypeError, match=f"data argument must be a bytes.* object, not '{name}'"
            ):
                transport.write(data)
            assert not transport.is_closing()
            transport.write(b"bytes")
            assert await receive(each_loop, wire[1], 5) == b"bytes"

    run(each_loop, main())
    assert errors == []


def test_writelines_refuses_items_that_are_not_bytes_like(each_loop: Loop, wire: Pair) -> None:
    async def main() -> None:
        async with connected(each_loop, wire, Recorder()) as transport:
            skip_asyncio(
                transport, (3, 14), "its writelines() leaves out what is false, such as None"
            )
            for lines in (["text"], [b"bytes", None], 7):
                with pytest.raises(TypeError):
                    transport.writelines(lines)
            transport.write(b"whole")
            assert await receive(each_loop, wire[1], 5) == b"whole"

    run(each_loop, main())


def test_non_contiguous_memoryview_is_written_as_its_bytes(each_loop: Loop, wire: Pair) -> None:
    async def main() -> None:
        async with connected(each_loop, wire, Recorder()) as transport:
            skip_asyncio(transport, (3,), "it loses the connection by a BufferError")
            transport.write(memoryview(b"abcdef")[::2])
            assert await receive(each_loop, wire[1], 3) == b"ace"

    run(each_loop, main())


def test_data_changed_after_write_is_sent_unchanged(each_loop: Loop, wire: Pair) -> None:
    async def main() -> None:
        async with connected(each_loop, wire, Recorder()) as transport:
            skip_asyncio(transport, (3, 12), "it keeps what is written, and does not copy it")
            one, other = bytearray(LOTS), bytearray(b"more")
            transport.write(one)
            transport.write(memoryview(other))
            one[:] = bytes(len(one))
            other[:] = b"none"
            one.clear()
            got = await receive(each_loop, wire[1], len(LOTS) + 4)
            assert got == LOTS + b"more"

    run(each_loop, main())


def test_data_sent_at_once_is_not_kept(each_loop: Loop, wire: Pair) -> None:
    async def main() -> None:
        async with connected(each_loop, wire, Recorder()) as transport:
            data = bytearray(b"data")
            transport.write(data)
            transport.writelines([data])
            data.extend(b"more")
            assert await receive(each_loop, wire[1], 8) == b"datadata"

    run(each_loop, main())


@pytest.mark.parametrize("is_full", [False, True])
def test_writes_of_both_kinds_arrive_in_order(each_loop: Loop, wire: Pair, is_full: bool) -> None:
    async def main() -> None:
        async with connected(each_loop, wire, Recorder()) as transport:
            expected = stuff(transport) if is_full else b""
            for number in range(500):
                line = b"%d," % number
                transport.write(line)
                transport.writelines([line, line])
                transport.writelines(())
                expected += line * 3
            transport.write_eof()
            assert await receive_all(each_loop, wire[1]) == expected

    run(each_loop, main())


def test_lines_may_come_from_a_generator(each_loop: Loop, wire: Pair) -> None:
    async def main() -> None:
        async with connected(each_loop, wire, Recorder()) as transport:
            transport.writelines(b"%d," % number for number in range(5))
            transport.writelines(iter([b"five,", bytearray(b"six,"), memoryview(b"seven")]))
            transport.writelines((b"",) * 3 + (b".",))
            transport.close()
            assert await receive_all(each_loop, wire[1]) == b"0,1,2,3,4,five,six,seven."

    run(each_loop, main())


def test_more_lines_than_one_system_call_takes_are_written(each_loop: Loop, wire: Pair) -> None:
    lines = [b"%05d" % number for number in range(50_000)]

    async def main() -> None:
        async with connected(each_loop, wire, Recorder()) as transport:
            transport.writelines(lines)
            transport.close()
            assert await receive_all(each_loop, wire[1]) == b"".join(lines)

    run(each_loop, main())


@pytest.mark.parametrize("lines", [[b""], [b"a", b""], [b"", b""], [b"", b"a"]])
def test_empty_lines_do_not_hold_up_what_follows(each_loop: Loop, wire: Pair, lines: Any) -> None:
    async def main() -> None:
        async with connected(each_loop, wire, Recorder()) as transport:
            transport.writelines(lines)
            assert transport.get_write_buffer_size() == 0
            transport.write(b"more")
            transport.close()
            assert await receive_all(each_loop, wire[1]) == b"".join(lines) + b"more"

    run(each_loop, main())


@pytest.mark.parametrize("lines", [[b""], [b"a", b""], [b"", b""], iter([])])
def test_empty_lines_at_the_end_do_not_hold_up_the_close(
    each_loop: Loop, wire: Pair, lines: Any
) -> None:
    async def main() -> None:
        protocol = Recorder()
        async with connected(each_loop, wire, protocol) as transport:
            skip_asyncio(transport, (3, 12), "it waits for ever to send them")
            transport.writelines(lines)
            transport.close()
            assert await receive_all(each_loop, wire[1]) in (b"", b"a")
            assert await protocol.lost() is None

    run(each_loop, main())


def test_many_small_writes_to_a_full_socket_arrive(each_loop: Loop, wire: Pair) -> None:
    async def main() -> None:
        async with connected(each_loop, wire, Recorder()) as transport:
            expected = stuff(transport)
            size = transport.get_write_buffer_size()
            for number in range(2_000):
                transport.write(b"%05d" % number)
            assert transport.get_write_buffer_size() == size + 10_000
            expected += b"".join(b"%05d" % number for number in range(2_000))
            assert await receive(each_loop, wire[1], len(expected)) == expected

    run(each_loop, main())
