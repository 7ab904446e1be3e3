"""Protocols that raise, close at odd moments, or change: transports do the same on both loops."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from support.connections import (
    DATA,
    LOTS,
    Buffered,
    Loop,
    Notes,
    Recorder,
    connected,
    each_protocol,
    receive,
    receive_all,
    run,
    seen,
    settled,
    stuff,
)
from support.running import Errors, Pair

pytest_plugins = ["support.each_loop"]


def raising(kind: Any, method: str, error: BaseException) -> Any:
    """Makes a protocol that records the call of one method and then raises in it."""

    class Raises(kind):  # type: ignore[misc]
        has_raised = False

    def fail(self: Any, *args: Any) -> Any:
        result = getattr(super(Raises, self), method)(*args)
        if self.has_raised:
            return result
        self.has_raised = True
        raise error

    fail.__qualname__ = method
    setattr(Raises, method, fail)
    return Raises()


# Callbacks that raise


@pytest.mark.parametrize(
    ("kind", "method", "message"),
    [
        (Recorder, "data_received", "Fatal error: protocol.data_received() call failed."),
        (Recorder, "eof_received", "Fatal error: protocol.eof_received() call failed."),
        (Buffered, "get_buffer", "Fatal error: protocol.get_buffer() call failed."),
        (Buffered, "buffer_updated", "Fatal error: protocol.buffer_updated() call failed."),
        (Buffered, "eof_received", "Fatal error: protocol.eof_received() call failed."),
    ],
)
@pytest.mark.parametrize("error", [ZeroDivisionError("oh"), asyncio.CancelledError("oh")])
def test_error_of_a_reading_callback_is_reported_and_ends_the_connection(
    each_loop: Loop,
    wire: Pair,
    errors: Errors,
    kind: Any,
    method: str,
    message: str,
    error: BaseException,
) -> None:
    async def main() -> None:
        protocol = raising(kind, method, error)
        async with connected(each_loop, wire, protocol) as transport:
            stuff(transport)
            wire[1].send(b"data")
            if method == "eof_received":
                wire[1].shutdown(1)
            assert await protocol.lost() is error
            assert transport.is_closing()
            await seen(each_loop)
        assert protocol.calls.count("lost") == 1
        (context,) = errors
        assert context == {
            "message": message,
            "exception": error,
            "transport": transport,
            "protocol": protocol,
        }

    run(each_loop, main())


def test_os_error_of_a_reading_callback_ends_the_connection_without_a_report(
    each_loop: Loop, wire: Pair, errors: Errors
) -> None:
    error = FileNotFoundError("oh")

    async def main() -> None:
        protocol = raising(Recorder, "data_received", error)
        async with connected(each_loop, wire, protocol):
            wire[1].send(b"data")
            assert await protocol.lost() is error

    run(each_loop, main())
    assert errors == []


@pytest.mark.parametrize("buffer", [bytearray(), b"", memoryview(b"")])
def test_empty_buffer_from_get_buffer_is_an_error(
    each_loop: Loop, wire: Pair, errors: Errors, buffer: Any
) -> None:
    async def main() -> None:
        protocol = Buffered()
        protocol.buffer = buffer
        async with connected(each_loop, wire, protocol):
            wire[1].send(b"data")
            error = await protocol.lost()
            assert isinstance(error, RuntimeError)
            assert str(error) == "get_buffer() returned an empty buffer"
        (context,) = errors
        assert context["message"] == "Fatal error: protocol.get_buffer() call failed."
        assert context["exception"] is error

    run(each_loop, main())


@pytest.mark.parametrize("buffer", [b"read only", None, 7, "text"])
def test_read_only_buffer_from_get_buffer_is_an_error(
    each_loop: Loop, wire: Pair, errors: Errors, buffer: Any
) -> None:
    async def main() -> None:
        protocol = Buffered()
        protocol.buffer = buffer
        async with connected(each_loop, wire, protocol):
            wire[1].send(b"data")
            error = await protocol.lost()
            assert isinstance(error, TypeError)
        (context,) = errors
        assert context["message"] == (
            "Fatal read error on socket transport"
            if isinstance(buffer, (bytes, str))
            else "Fatal error: protocol.get_buffer() call failed."
        )
        assert context["exception"] is error
        assert context["protocol"] is protocol

    run(each_loop, main())


def test_get_buffer_may_return_small_and_different_buffers(each_loop: Loop, wire: Pair) -> None:
    class Changing(Buffered):
        def get_buffer(self, sizehint: int) -> Any:
            assert sizehint == -1
            self.buffer = bytearray(1 + len(self.data) % 7)
            return memoryview(self.buffer)

    async def main() -> bytes:
        protocol = Changing()
        async with connected(each_loop, wire, protocol):
            wire[1].send(DATA[:1000])
            return await protocol.received(1000)

    assert run(each_loop, main()) == DATA[:1000]


@pytest.mark.parametrize("method", ["connection_made", "connection_lost"])
@each_protocol
def test_error_of_connection_made_or_lost_is_reported_and_has_no_further_effect(
    each_loop: Loop, wire: Pair, errors: Errors, method: str, kind: type[Notes]
) -> None:
    error = ZeroDivisionError("oh")

    async def main() -> None:
        protocol = raising(kind, method, error)
        async with connected(each_loop, wire, protocol) as transport:
            wire[1].send(b"data")
            assert await protocol.received(4) == b"data"
            transport.write(b"answer")
            assert await receive(each_loop, wire[1], 6) == b"answer"
            transport.close()
            assert await protocol.lost() is None
            await settled()
            assert await receive_all(each_loop, wire[1]) == b""
            assert wire[0].fileno() == -1
        assert protocol.calls == ["made", "data", "lost"]
        (context,) = errors
        assert context["message"].startswith("Exception in callback ")
        assert method in context["message"]
        assert context["exception"] is error
        assert set(context) == {"message", "exception", "handle"}

    run(each_loop, main())


@pytest.mark.parametrize("method", ["pause_writing", "resume_writing"])
def test_error_of_a_flow_control_callback_is_reported_and_has_no_further_effect(
    each_loop: Loop, wire: Pair, errors: Errors, method: str
) -> None:
    error = ZeroDivisionError("oh")

    async def main() -> None:
        protocol = raising(Recorder, method, error)
        async with connected(each_loop, wire, protocol) as transport:
            transport.write(LOTS)
            assert await receive(each_loop, wire[1], len(LOTS)) == LOTS
            await protocol.until(lambda: "resume" in protocol.calls)
            transport.write(b"more")
            assert await receive(each_loop, wire[1], 4) == b"more"
        assert protocol.calls == ["made", "pause", "resume", "lost"]
        (context,) = errors
        assert context == {
            "message": f"protocol.{method}() failed",
            "exception": error,
            "transport": transport,
            "protocol": protocol,
        }

    run(each_loop, main())


@pytest.mark.parametrize("method", ["data_received", "eof_received", "connection_lost"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_interrupt_in_a_protocol_callback_is_raised_by_run_forever(
    each_loop: Loop, wire: Pair, errors: Errors, method: str, error: type[BaseException]
) -> None:
    protocol = raising(Recorder, method, error())
    protocol.keeps_open = method == "eof_received"
    transport, _ = run(each_loop, each_loop.create_connection(lambda: protocol, sock=wire[0]))
    wire[1].send(b"data")
    if method != "data_received":
        wire[1].shutdown(1)
    limit = each_loop.call_later(30, each_loop.stop)
    with pytest.raises(error):
        each_loop.run_forever()
    limit.cancel()
    assert not each_loop.is_running()

    async def main() -> None:
        if method == "connection_lost":
            assert transport.is_closing()
            return
        # The loop and the connection still work.
        assert not transport.is_closing()
        transport.write(b"answer")
        assert await receive(each_loop, wire[1], 6) == b"answer"
        if method == "data_received":
            wire[1].send(b"more")
            assert await protocol.received(8) == b"datamore"
        transport.close()
        await protocol.lost()
        await settled()

    run(each_loop, main())
    assert protocol.calls.count("lost") == 1
    assert errors == []


def test_interrupt_in_pause_writing_is_raised_by_write(each_loop: Loop, wire: Pair) -> None:
    async def main() -> None:
        protocol = raising(Recorder, "pause_writing", KeyboardInterrupt())
        async with connected(each_loop, wire, protocol) as transport:
            with pytest.raises(KeyboardInterrupt):
                transport.write(LOTS)
            assert await receive(each_loop, wire[1], len(LOTS)) == LOTS
            await protocol.until(lambda: "resume" in protocol.calls)

    run(each_loop, main())
