"""TLS connections: data in both directions, and peers that reset or half-close; as in asyncio."""

from __future__ import annotations

import asyncio
import socket
import ssl
import weakref
from typing import Any

import pytest
from support.connections import (
    LOTS,
    Buffered,
    Loop,
    Recorder,
    kept,
    of_new_tls,
    run,
    seen,
)
from support.running import Errors
from support.tls import both, reset_by

import qtloop

pytest_plugins = ["support.each_loop"]
pytestmark = of_new_tls


# After the handshake


def test_megabytes_are_sent_both_ways_over_tls(each_loop: Loop) -> None:
    async def main() -> None:
        protocol, served = Recorder(), Recorder()
        async with both(each_loop, protocol, served) as (client, server):
            client.write(LOTS)
            server.writelines([LOTS[::-1], b"", b"end"])
            assert await served.received(len(LOTS)) == LOTS
            assert await protocol.received(len(LOTS) + 3) == LOTS[::-1] + b"end"
            client.close()
            assert await served.lost() is None
            assert await protocol.lost() is None
        assert [call for call in served.calls if call not in ("pause", "resume")] == [
            "made",
            "data",
            "eof",
            "lost",
        ]

    run(each_loop, main())


def test_any_iterable_of_lines_is_written_over_tls(each_loop: Loop) -> None:
    async def main() -> None:
        protocol, served = Recorder(), Recorder()
        async with both(each_loop, protocol, served) as (client, _):
            client.writelines([])
            client.writelines(b"%d" % number for number in range(3))
            client.writelines(iter([]))
            client.writelines((b"one", b"two"))
            client.write(b"end")
            assert await served.received(12) == b"012onetwoend"

    run(each_loop, main())


def test_get_buffer_that_returns_no_memoryview_receives_all_tls_records(
    loop: qtloop.QEventLoop,
) -> None:
    # asyncio reads the second record into a copy of the buffer's end.
    async def main() -> None:
        protocol, served = Recorder(), Buffered(1 << 18)
        async with both(loop, protocol, served) as (client, _):
            client.write(LOTS)
            assert await served.received(len(LOTS)) == LOTS

    run(loop, main())


def test_close_over_tls_sends_queued_data_first(each_loop: Loop) -> None:
    async def main() -> None:
        protocol, served = Recorder(), Recorder()
        async with both(each_loop, protocol, served) as (client, _):
            client.write(LOTS)
            client.close()
            client.close()
            assert client.is_closing()
            assert await served.received(len(LOTS)) == LOTS
            assert await served.lost() is None
            assert await protocol.lost() is None

    run(each_loop, main())


def test_reset_under_tls_is_an_error(each_loop: Loop, errors: Errors) -> None:
    async def main() -> None:
        protocol, served = Recorder(), Recorder()
        async with both(each_loop, protocol, served) as (client, server):
            server.write(b"data")
            await protocol.received(4)
            reset_by(server)
            assert isinstance(await protocol.lost(), ConnectionResetError)
            assert client.is_closing()
            client.write(b"late")
            await seen(each_loop)
        assert protocol.calls == ["made", "data", "lost"]

    run(each_loop, main())
    assert errors == []


@pytest.mark.parametrize("keeps_open", [True, None])
def test_half_close_under_tls_closes_the_connection(
    each_loop: Loop, keeps_open: bool | None
) -> None:
    async def main() -> None:
        protocol, served = Recorder(), Recorder()
        protocol.keeps_open = keeps_open
        async with both(each_loop, protocol, served) as (client, server):
            assert not client.can_write_eof()
            with pytest.raises(NotImplementedError):
                client.write_eof()
            server.write(b"data")
            await protocol.received(4)
            # Without a TLS close_notify.
            server.get_extra_info("socket").shutdown(socket.SHUT_WR)
            assert await protocol.lost() is None
        assert protocol.calls == ["made", "data", "eof", "lost"]

    # With True it warns that this has no effect.
    run(each_loop, main())


def test_reading_over_tls_can_be_paused(each_loop: Loop) -> None:
    async def main() -> None:
        protocol, served = Recorder(), Recorder()
        async with both(each_loop, protocol, served) as (client, server):
            server.write(b"one")
            await protocol.received(3)
            client.pause_reading()
            assert not client.is_reading()
            server.write(b"two")
            await seen(each_loop)
            assert protocol.data == b"one"
            client.resume_reading()
            assert await protocol.received(6) == b"onetwo"

    run(each_loop, main())


def test_error_of_a_callback_over_tls_is_reported_and_ends_the_connection(
    each_loop: Loop, errors: Errors
) -> None:
    class Raises(Recorder):
        def data_received(self, data: bytes) -> None:
            raise ZeroDivisionError

    async def main() -> None:
        protocol, served = Raises(), Recorder()
        async with both(each_loop, protocol, served) as (client, server):
            server.write(b"data")
            assert isinstance(await protocol.lost(), ZeroDivisionError)
            assert client.is_closing()
        (context,) = errors
        assert isinstance(context["exception"], ZeroDivisionError)
        assert "transport" in context and "protocol" in context

    run(each_loop, main())


def test_tls_transport_reports_the_socket_and_the_tls_session(each_loop: Loop) -> None:
    async def main() -> None:
        protocol, served = Recorder(), Recorder()
        async with both(each_loop, protocol, served) as (client, server):
            assert client.get_extra_info("peername") == server.get_extra_info("sockname")
            assert server.get_extra_info("peername") == client.get_extra_info("sockname")
            assert client.get_extra_info("socket").fileno() >= 0
            assert client.get_extra_info("peercert")["subject"]
            assert client.get_extra_info("cipher")
            assert isinstance(client.get_extra_info("sslcontext"), ssl.SSLContext)
            assert isinstance(client.get_extra_info("ssl_object"), ssl.SSLObject)
            assert isinstance(client, asyncio.Transport)
            with pytest.raises(RuntimeError, match="is used by transport"):
                each_loop.remove_reader(client.get_extra_info("socket").fileno())

    run(each_loop, main())


def test_closed_tls_connection_is_freed(each_loop: Loop) -> None:
    async def main() -> list[weakref.ref[Any]]:
        protocol, served = Recorder(), Recorder()
        async with both(each_loop, protocol, served) as (client, server):
            client.write(b"data")
            await served.received(4)
            client.close()
            await protocol.lost()
            await served.lost()
            return [weakref.ref(each) for each in (protocol, served, client, server)]

    assert kept(each_loop, main()) == []


def test_tls_records_in_pieces_and_in_bursts_are_all_delivered(each_loop: Loop) -> None:
    async def main() -> None:
        protocol, served = Recorder(), Recorder()
        async with both(each_loop, protocol, served) as (client, _):
            # More records at once than one read returns, each smaller than the maximum.
            for size in (1, 100, 16384, 5, 16385, 40000, 3):
                client.write(bytes([size % 251]) * size)
            expected = b"".join(
                bytes([size % 251]) * size for size in (1, 100, 16384, 5, 16385, 40000, 3)
            )
            assert await served.received(len(expected)) == expected

    run(each_loop, main())


def test_reading_is_paused_and_resumed_over_tls(each_loop: Loop) -> None:
    async def main() -> None:
        protocol, served = Recorder(), Recorder()
        async with both(each_loop, protocol, served) as (client, server):
            server.pause_reading()
            client.write(LOTS)
            await seen(each_loop)
            assert not served.data
            server.resume_reading()
            assert await served.received(len(LOTS)) == LOTS

    run(each_loop, main())
