"""Pipe transports whose other end misbehaves: asyncio's behaviour on both loops."""

from __future__ import annotations

import asyncio
import errno
import gc
import logging
import os
from typing import Any

import pytest
from support.connections import DATA, LOTS, Loop, Recorder, run, seen, settled, since_3_11
from support.pipes import drain, fill, reading, writing
from support.running import Errors, Pipe

pytest_plugins = ["support.each_loop"]


# Reading from pipes


def test_pipe_is_read_to_its_end(each_loop: Loop, pipe: Pipe) -> None:
    async def main() -> None:
        protocol = Recorder()
        async with reading(each_loop, pipe[0], protocol) as transport:
            os.write(pipe[1], b"some")
            assert await protocol.received(4) == b"some"
            os.write(pipe[1], b"more")
            os.close(pipe[1])
            assert await protocol.lost() is None
            assert transport.is_closing()
            await seen(each_loop)
        assert protocol.data == b"somemore"
        assert protocol.calls == ["made", "data", "eof", "lost"]

    run(each_loop, main())


def test_end_of_a_pipe_closes_it_whatever_eof_received_returns(each_loop: Loop, pipe: Pipe) -> None:
    os.write(pipe[1], b"data")
    os.close(pipe[1])

    async def main() -> None:
        protocol = Recorder()
        protocol.keeps_open = True
        async with reading(each_loop, pipe[0], protocol):
            assert await protocol.lost() is None
        assert protocol.calls == ["made", "data", "eof", "lost"]

    run(each_loop, main())


def test_missing_eof_received_is_reported_once_and_ends_the_reading_of_a_pipe(
    each_loop: Loop, pipe: Pipe, errors: Errors
) -> None:
    file = os.fdopen(pipe[0], "rb", 0)

    async def main() -> Any:
        transport, _ = await each_loop.connect_read_pipe(asyncio.BaseProtocol, file)
        os.close(pipe[1])
        await seen(each_loop)
        return transport

    transport = run(each_loop, main())
    assert transport.is_closing()
    assert [type(context["exception"]) for context in errors] == [AttributeError]
    # As in asyncio, connection_lost() is not called then.
    each_loop.close()
    file.close()
    errors.clear()
    with pytest.warns(ResourceWarning, match="unclosed transport <"):
        del transport
        gc.collect()


@since_3_11
def test_reading_of_a_pipe_can_be_paused(each_loop: Loop, pipe: Pipe) -> None:
    async def main() -> None:
        protocol = Recorder()
        async with reading(each_loop, pipe[0], protocol) as transport:
            assert transport.is_reading()
            transport.pause_reading()
            transport.pause_reading()
            os.write(pipe[1], b"data")
            os.close(pipe[1])
            await seen(each_loop)
            assert protocol.calls == ["made"]
            assert not transport.is_reading()
            transport.resume_reading()
            transport.resume_reading()
            assert await protocol.lost() is None
        assert protocol.data == b"data"

    run(each_loop, main())


@since_3_11
def test_closed_pipe_is_not_read(each_loop: Loop, pipe: Pipe) -> None:
    async def main() -> None:
        protocol = Recorder()
        async with reading(each_loop, pipe[0], protocol) as transport:
            os.write(pipe[1], b"data")
            transport.close()
            transport.close()
            assert transport.is_closing() and not transport.is_reading()
            assert protocol.calls == ["made"]
            assert await protocol.lost() is None
            await seen(each_loop)
        assert protocol.calls == ["made", "lost"]
        with pytest.raises(BrokenPipeError):
            os.write(pipe[1], b"data")

    run(each_loop, main())


def test_error_of_a_callback_does_not_end_the_reading_of_a_pipe(
    each_loop: Loop, pipe: Pipe, errors: Errors
) -> None:
    class Raises(Recorder):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if data == b"bad":
                raise ZeroDivisionError

    async def main() -> None:
        protocol = Raises()
        async with reading(each_loop, pipe[0], protocol):
            os.write(pipe[1], b"bad")
            await protocol.received(3)
            os.write(pipe[1], b"good")
            assert await protocol.received(7) == b"badgood"
        (context,) = errors
        assert context["message"].startswith("Exception in callback ")
        assert isinstance(context["exception"], ZeroDivisionError)

    run(each_loop, main())


def test_protocol_of_a_pipe_can_be_changed(each_loop: Loop, pipe: Pipe) -> None:
    async def main() -> None:
        one, other = Recorder(), Recorder()
        async with reading(each_loop, pipe[0], one) as transport:
            os.write(pipe[1], b"one")
            await one.received(3)
            assert transport.get_protocol() is one
            transport.set_protocol(other)
            assert transport.get_protocol() is other
            os.write(pipe[1], b"other")
            assert await other.received(5) == b"other"
        assert (one.calls, other.calls) == (["made", "data"], ["data", "lost"])

    run(each_loop, main())


# Writing to pipes


def test_more_data_than_a_pipe_holds_arrives(each_loop: Loop, pipe: Pipe) -> None:
    async def main() -> None:
        protocol = Recorder()
        async with writing(each_loop, pipe[1], protocol) as transport:
            transport.write(LOTS)
            changing = bytearray(b"changing")
            transport.write(changing)
            changing[:] = b"-"
            transport.writelines([b"one", memoryview(b"two")])
            assert protocol.calls == ["made", "pause"]
            expected = LOTS + b"changingonetwo"
            assert await drain(each_loop, pipe[0], len(expected)) == expected
            await protocol.until(lambda: "resume" in protocol.calls)
            assert transport.get_write_buffer_size() == 0

    run(each_loop, main())


@pytest.mark.parametrize("way", ["close", "write_eof"])
def test_pipe_is_flushed_before_it_closes(each_loop: Loop, pipe: Pipe, way: str) -> None:
    async def main() -> None:
        protocol = Recorder()
        async with writing(each_loop, pipe[1], protocol) as transport:
            assert transport.can_write_eof()
            written = fill(transport)
            getattr(transport, way)()
            getattr(transport, way)()
            assert transport.is_closing()
            # Unlike a socket, a closing pipe takes no more data.
            transport.write(b"more")
            await seen(each_loop)
            assert "lost" not in protocol.calls
            assert await drain(each_loop, pipe[0], 1 << 30) == written
            assert await protocol.lost() is None
        assert protocol.calls == ["made", "pause", "resume", "lost"]

    run(each_loop, main())


def test_abort_of_a_pipe_drops_what_is_queued(each_loop: Loop, pipe: Pipe) -> None:
    async def main() -> None:
        protocol = Recorder()
        async with writing(each_loop, pipe[1], protocol) as transport:
            written = fill(transport)
            transport.abort()
            assert transport.get_write_buffer_size() == 0
            assert await protocol.lost() is None
            await settled()
            assert len(await drain(each_loop, pipe[0], 1 << 30)) < len(written)
        assert protocol.calls == ["made", "pause", "lost"]

    run(each_loop, main())


@pytest.mark.parametrize("is_full", [False, True])
def test_closed_reader_ends_the_write_pipe(each_loop: Loop, pipe: Pipe, is_full: bool) -> None:
    async def main() -> None:
        protocol = Recorder()
        async with writing(each_loop, pipe[1], protocol) as transport:
            if is_full:
                fill(transport)
            os.close(pipe[0])
            error = await protocol.lost()
            assert type(error) is (BrokenPipeError if is_full else type(None))
            assert transport.is_closing()
            await seen(each_loop)
        assert protocol.calls.count("lost") == 1

    run(each_loop, main())


def test_write_without_a_reader_breaks_the_pipe(
    each_loop: Loop, pipe: Pipe, errors: Errors
) -> None:
    async def main() -> None:
        protocol = Recorder()
        async with writing(each_loop, pipe[1], protocol) as transport:
            os.close(pipe[0])
            transport.write(b"data")
            assert protocol.calls == ["made"]
            error = await protocol.lost()
            assert isinstance(error, BrokenPipeError) and error.errno == errno.EPIPE
        assert protocol.calls == ["made", "lost"]

    run(each_loop, main())
    assert errors == []


def test_writing_to_a_closed_pipe_is_logged_from_the_sixth_time(
    each_loop: Loop, pipe: Pipe, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        protocol = Recorder()
        async with writing(each_loop, pipe[1], protocol) as transport:
            transport.close()
            await protocol.lost()
            await settled()
            for _ in range(5):
                transport.write(b"data")
            assert caplog.records == []
            transport.write(b"data")
        (record,) = caplog.records
        assert (record.name, record.levelno) == ("asyncio", logging.WARNING)
        assert record.getMessage() == (
            "pipe closed by peer or os.write(pipe, data) raised exception."
        )

    run(each_loop, main())


def test_write_limits_of_a_pipe_pause_and_resume_the_protocol(each_loop: Loop, pipe: Pipe) -> None:
    async def main() -> None:
        protocol = Recorder()
        async with writing(each_loop, pipe[1], protocol) as transport:
            assert transport.get_write_buffer_limits() == (16 * 1024, 64 * 1024)
            transport.set_write_buffer_limits(1 << 30)
            fill(transport)
            size = transport.get_write_buffer_size()
            transport.set_write_buffer_limits(size + 1, 0)
            transport.write(b"1")
            assert protocol.calls == ["made"]
            transport.write(b"2")
            assert protocol.calls == ["made", "pause"]
            await drain(each_loop, pipe[0], len(DATA) + 2)
            await protocol.until(lambda: "resume" in protocol.calls)

    run(each_loop, main())


def test_pipe_refuses_data_that_is_not_bytes_like(each_loop: Loop, pipe: Pipe) -> None:
    async def main() -> None:
        async with writing(each_loop, pipe[1], Recorder()) as transport:
            for data in ("text", None, 7):
                with pytest.raises((TypeError, AssertionError)):
                    transport.write(data)
            transport.write(b"")
            transport.write(memoryview(b"data"))
            assert await drain(each_loop, pipe[0], 4) == b"data"

    run(each_loop, main())
