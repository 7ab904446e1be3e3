"""Queued datagrams, closing endpoints and their repr: asyncio's behaviour on both loops."""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
import sys
import weakref
from contextlib import suppress
from typing import Any

import pytest
from support.connections import HERE, Loop, kept, run, seen, settled, skip_asyncio
from support.datagrams import Datagrams, endpoint, fill, take
from support.running import Pair, nothing

pytest_plugins = ["support.each_loop"]


# Sockets that are full


def test_datagrams_are_queued_while_the_socket_is_full(each_loop: Loop, full: Pair) -> None:
    async def main() -> None:
        protocol = Datagrams()
        async with endpoint(each_loop, protocol, sock=full[0]) as transport:
            sent = fill(transport)
            changing = bytearray(b"changing")
            transport.sendto(changing)
            changing[:] = b"-"
            await seen(each_loop)
            assert await take(each_loop, full[1], len(sent) + 1) == [*sent, b"changing"]
            transport.sendto(b"more")
            assert await take(each_loop, full[1], 1) == [b"more"]

    run(each_loop, main())


def test_protocol_of_datagrams_is_paused_and_resumed(each_loop: Loop, full: Pair) -> None:
    async def main() -> None:
        protocol = Datagrams()
        async with endpoint(each_loop, protocol, sock=full[0]) as transport:
            assert transport.get_write_buffer_limits() == (16 * 1024, 64 * 1024)
            transport.set_write_buffer_limits(4000, 2000)
            sent = fill(transport)
            while "pause" not in protocol.calls:
                sent.append(b"more" * 250)
                assert transport.get_write_buffer_size() <= 4000
                transport.sendto(sent[-1])
            assert transport.get_write_buffer_size() > 4000
            await take(each_loop, full[1], len(sent))
            await protocol.until(lambda: protocol.calls == ["made", "pause", "resume"])

    run(each_loop, main())


def test_close_sends_queued_datagrams(each_loop: Loop, full: Pair) -> None:
    async def main() -> None:
        protocol = Datagrams()
        async with endpoint(each_loop, protocol, sock=full[0]) as transport:
            sent = fill(transport)
            transport.close()
            transport.close()
            assert transport.is_closing()
            await seen(each_loop)
            assert "lost" not in protocol.calls
            assert await take(each_loop, full[1], len(sent)) == sent
            assert await protocol.lost() is None
        assert protocol.calls.count("lost") == 1

    run(each_loop, main())


def test_abort_drops_queued_datagrams(each_loop: Loop, full: Pair) -> None:
    async def main() -> None:
        protocol = Datagrams()
        async with endpoint(each_loop, protocol, sock=full[0]) as transport:
            sent = fill(transport)
            transport.abort()
            assert await protocol.lost() is None
            await settled()
            got = []
            with suppress(BlockingIOError):
                while True:
                    got.append(full[1].recv(9999))
            assert len(got) < len(sent) and sent[: len(got)] == got

    run(each_loop, main())


def test_closed_peer_makes_queued_datagrams_fail(each_loop: Loop, full: Pair) -> None:
    async def main() -> None:
        protocol = Datagrams()
        async with endpoint(each_loop, protocol, sock=full[0]) as transport:
            fill(transport)
            full[1].close()
            await protocol.until(lambda: protocol.errors)
            assert isinstance(protocol.errors[0], ConnectionError)
            assert not transport.is_closing()

    run(each_loop, main())


# The end


def test_closed_endpoint_receives_no_more(each_loop: Loop, peer: socket.socket) -> None:
    async def main() -> None:
        protocol = Datagrams()
        async with endpoint(each_loop, protocol, local_addr=HERE) as transport:
            peer.sendto(b"late", transport.get_extra_info("sockname"))
            transport.close()
            transport.close()
            transport.abort()
            assert protocol.calls == ["made"]
            assert await protocol.lost() is None
            await seen(each_loop)
        assert protocol.calls == ["made", "lost"]

    run(each_loop, main())


def test_sending_from_a_closed_endpoint_is_ignored_and_logged_from_the_fifth_time(
    each_loop: Loop, peer: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        protocol = Datagrams()
        async with endpoint(each_loop, protocol, remote_addr=peer.getsockname()) as transport:
            transport.close()
            await protocol.lost()
            await settled()
            for _ in range(4):
                transport.sendto(b"late")
            assert caplog.records == []
            transport.sendto(b"late")
            with pytest.raises(ValueError):
                transport.sendto(b"late", ("127.0.0.1", 9))
        (record,) = caplog.records
        assert (record.name, record.levelno) == ("asyncio", logging.WARNING)
        assert record.getMessage() == "socket.send() raised exception."
        assert protocol.calls == ["made", "lost"]

    run(each_loop, main())


def test_sending_from_a_closed_endpoint_to_an_address_is_ignored(
    each_loop: Loop, peer: socket.socket
) -> None:
    async def main() -> None:
        protocol = Datagrams()
        async with endpoint(each_loop, protocol, local_addr=HERE) as transport:
            transport.close()
            await protocol.lost()
            await settled()
            skip_asyncio(transport, (3, 0), "its sendto() raises an AttributeError")
            transport.sendto(b"late", peer.getsockname())

    run(each_loop, main())


def test_closed_endpoint_is_freed(each_loop: Loop, peer: socket.socket) -> None:
    async def main() -> list[weakref.ref[Any]]:
        protocol = Datagrams()
        async with endpoint(each_loop, protocol, remote_addr=peer.getsockname()) as transport:
            transport.sendto(b"data")
            transport.close()
            await protocol.lost()
            return [weakref.ref(protocol), weakref.ref(transport)]

    assert kept(each_loop, main()) == []


def test_dropped_open_endpoint_warns_and_is_closed(each_loop: Loop, full: Pair) -> None:
    async def main() -> Any:
        transport, _ = await each_loop.create_datagram_endpoint(
            asyncio.DatagramProtocol, sock=full[0]
        )
        await settled()
        return transport

    transport = run(each_loop, main())
    each_loop.close()
    with pytest.warns(ResourceWarning, match="unclosed transport <"):
        del transport
        gc.collect()
    assert full[0].fileno() == -1


# Information


def test_endpoint_reports_its_addresses_and_state(each_loop: Loop, peer: socket.socket) -> None:
    async def main() -> None:
        async with (
            endpoint(each_loop, Datagrams(), local_addr=HERE) as bound,
            endpoint(each_loop, Datagrams(), remote_addr=peer.getsockname()) as connected,
        ):
            assert isinstance(bound, asyncio.BaseTransport)
            if sys.version_info >= (3, 13):
                assert isinstance(bound, asyncio.DatagramTransport)
            assert bound.get_extra_info("peername") is None
            assert bound.get_extra_info("sockname")[0] == "127.0.0.1"
            assert connected.get_extra_info("peername") == peer.getsockname()
            held = bound.get_extra_info("socket")
            assert held.type == socket.SOCK_DGRAM
            await settled()
            assert repr(bound).split()[1:] == [
                f"fd={held.fileno()}",
                "read=polling",
                "write=<idle,",
                "bufsize=0>>",
            ]
            with pytest.raises(RuntimeError, match="is used by transport"):
                each_loop.add_reader(held.fileno(), nothing)
            number = held.fileno()
            bound.close()
            assert repr(bound).split()[1:3] == ["closing", f"fd={number}"]

    run(each_loop, main())


@pytest.mark.parametrize("allow", [True, False])
def test_broadcasts_are_sent_if_they_are_allowed(each_loop: Loop, allow: bool) -> None:
    async def main() -> None:
        protocol = Datagrams()
        async with endpoint(
            each_loop, protocol, local_addr=HERE, allow_broadcast=allow
        ) as transport:
            held = transport.get_extra_info("socket")
            assert bool(held.getsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST)) is allow
            transport.sendto(b"all", ("127.255.255.255", 9))
            assert [type(error) for error in protocol.errors] == [PermissionError] * (not allow)

    run(each_loop, main())


def test_addresses_over_ipv6_have_four_parts(each_loop: Loop) -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as peer:
        try:
            peer.bind(("::1", 0))
        except OSError:
            pytest.skip("no IPv6 here")
        peer.setblocking(False)

        async def main() -> None:
            protocol = Datagrams()
            async with endpoint(each_loop, protocol, local_addr=("::1", 0)) as transport:
                name = transport.get_extra_info("sockname")
                assert name == ("::1", name[1], 0, 0)
                peer.sendto(b"one", name)
                await protocol.got(1)
                assert protocol.senders == [peer.getsockname()]
                assert len(peer.getsockname()) == 4
                # Two parts are accepted.
                transport.sendto(b"two", peer.getsockname()[:2])
                transport.sendto(b"three", protocol.senders[0])
                assert await take(each_loop, peer, 2) == [b"two", b"three"]

        run(each_loop, main())


def test_name_that_cannot_be_looked_up_is_an_error(each_loop: Loop) -> None:
    async def main() -> None:
        protocol = Datagrams()
        async with endpoint(each_loop, protocol, local_addr=HERE) as transport:
            transport.sendto(b"data", ("no such name", 9))
            (error,) = protocol.errors
            assert isinstance(error, socket.gaierror)
            assert not transport.is_closing()

    run(each_loop, main())
