"""Datagrams that are refused, empty, too long or too many: asyncio's behaviour on both loops."""

from __future__ import annotations

import errno
import socket
import sys
from typing import Any

import pytest
from support.connections import HERE, Loop, run, seen, since_3_11
from support.datagrams import Datagrams, endpoint, take
from support.running import Errors

pytest_plugins = ["support.each_loop"]


# Sending and receiving


def test_thousand_datagrams_arrive_in_order(each_loop: Loop, peer: socket.socket) -> None:
    expected = [b"%d" % number for number in range(1000)]

    async def main() -> None:
        protocol = Datagrams()
        async with endpoint(each_loop, protocol, local_addr=HERE) as transport:
            address = transport.get_extra_info("sockname")
            for start in range(0, 1000, 100):
                # Few enough to fit into the socket's buffer.
                for each in expected[start : start + 100]:
                    peer.sendto(each, address)
                await protocol.got(start + 100)
            assert protocol.came == expected
            assert set(protocol.senders) == {peer.getsockname()}
            for start in range(0, 1000, 100):
                part = expected[start : start + 100]
                for each in part:
                    transport.sendto(each, peer.getsockname())
                assert await take(each_loop, peer, 100) == part
        assert protocol.calls == ["made", "data", "lost"]

    run(each_loop, main())


def test_connected_endpoint_sends_to_its_peer_only(each_loop: Loop, peer: socket.socket) -> None:
    name = peer.getsockname()

    async def main() -> None:
        async with endpoint(each_loop, Datagrams(), remote_addr=name) as transport:
            transport.sendto(b"one")
            transport.sendto(b"two", None)
            transport.sendto(b"three", name)
            with pytest.raises(ValueError, match="Invalid address: must be None or"):
                transport.sendto(b"four", ("127.0.0.1", 9))
            transport.sendto(b"five")
            assert await take(each_loop, peer, 4) == [b"one", b"two", b"three", b"five"]

    run(each_loop, main())


def test_connected_endpoint_receives_from_its_peer_only(
    each_loop: Loop, peer: socket.socket
) -> None:
    async def main() -> None:
        protocol = Datagrams()
        async with endpoint(each_loop, protocol, remote_addr=peer.getsockname()) as transport:
            address = transport.get_extra_info("sockname")
            with socket.socket(type=socket.SOCK_DGRAM) as stranger:
                stranger.sendto(b"stranger", address)
            peer.sendto(b"peer", address)
            assert await protocol.got(1) == [b"peer"]

    run(each_loop, main())


def test_unconnected_endpoint_needs_an_address(
    each_loop: Loop, peer: socket.socket, errors: Errors
) -> None:
    async def main() -> None:
        protocol = Datagrams()
        async with endpoint(each_loop, protocol, local_addr=HERE) as transport:
            transport.sendto(b"to nobody")
            error = await protocol.lost()
            assert isinstance(error, TypeError)
        (context,) = errors
        assert context == {
            "message": "Fatal write error on datagram transport",
            "exception": error,
            "transport": transport,
            "protocol": protocol,
        }

    run(each_loop, main())


def test_one_endpoint_answers_many(each_loop: Loop) -> None:
    class Echo(Datagrams):
        def datagram_received(self, data: bytes, address: Any) -> None:
            self.transport.sendto(data[::-1], address)

    async def main() -> None:
        async with endpoint(each_loop, Echo(), local_addr=HERE) as server:
            address = server.get_extra_info("sockname")
            for number in range(50):
                client = Datagrams()
                async with endpoint(each_loop, client, remote_addr=address) as transport:
                    transport.sendto(b"%03d" % number)
                    assert await client.got(1) == [(b"%03d" % number)[::-1]]
                    assert client.senders == [address]

    run(each_loop, main())


def test_empty_datagrams_are_sent_and_received(each_loop: Loop, peer: socket.socket) -> None:
    async def main() -> None:
        protocol = Datagrams()
        async with endpoint(each_loop, protocol, remote_addr=peer.getsockname()) as transport:
            for data in (b"", b"x", b""):
                peer.sendto(data, transport.get_extra_info("sockname"))
            assert await protocol.got(3) == [b"", b"x", b""]
            for data in (b"", b"x"):
                transport.sendto(data)
            is_old = sys.version_info < (3, 13)
            drops = is_old and type(transport).__module__.startswith("asyncio")
            expected = [b"x"] if drops else [b"", b"x"]
            assert await take(each_loop, peer, len(expected)) == expected

    run(each_loop, main())


def test_largest_datagram_arrives_whole(each_loop: Loop, peer: socket.socket) -> None:
    data = bytes(range(256)) * 256

    async def main() -> None:
        protocol = Datagrams()
        async with endpoint(each_loop, protocol, remote_addr=peer.getsockname()) as transport:
            peer.sendto(data[:65507], transport.get_extra_info("sockname"))
            assert await protocol.got(1) == [data[:65507]]
            transport.sendto(data[:65507])
            assert await take(each_loop, peer, 1) == [data[:65507]]

    run(each_loop, main())


def test_too_long_datagram_is_an_error_that_keeps_the_endpoint_open(
    each_loop: Loop, peer: socket.socket, errors: Errors
) -> None:
    async def main() -> None:
        protocol = Datagrams()
        async with endpoint(each_loop, protocol, remote_addr=peer.getsockname()) as transport:
            transport.sendto(bytes(65508))
            # In the call itself.
            (error,) = protocol.errors
            assert isinstance(error, OSError) and error.errno == errno.EMSGSIZE
            assert transport.get_write_buffer_size() == 0
            transport.sendto(b"short")
            assert await take(each_loop, peer, 1) == [b"short"]
        assert protocol.calls == ["made", "error", "lost"]

    run(each_loop, main())
    assert errors == []


def test_refused_datagram_is_an_error_that_keeps_the_endpoint_open(
    each_loop: Loop, peer: socket.socket
) -> None:
    name = peer.getsockname()
    peer.close()

    async def main() -> None:
        protocol = Datagrams()
        async with endpoint(each_loop, protocol, remote_addr=name) as transport:
            for count in (1, 2, 3):
                transport.sendto(b"anybody?")
                await protocol.until(lambda count=count: len(protocol.errors) == count)  # type: ignore[misc]
            assert {type(error) for error in protocol.errors} == {ConnectionRefusedError}
            assert not transport.is_closing()
            with socket.socket(type=socket.SOCK_DGRAM) as again:
                again.bind(name)
                again.setblocking(False)
                transport.sendto(b"now")
                assert await take(each_loop, again, 1) == [b"now"]

    run(each_loop, main())


def test_refusal_is_noticed_by_the_next_sending(each_loop: Loop, peer: socket.socket) -> None:
    name = peer.getsockname()
    peer.close()

    async def main() -> None:
        protocol = Datagrams()
        async with endpoint(each_loop, protocol, remote_addr=name) as transport:
            transport.sendto(b"one")
            transport.sendto(b"two")
            # Before the loop polled: the second one was not sent.
            (error,) = protocol.errors
            assert isinstance(error, ConnectionRefusedError)

    run(each_loop, main())


@pytest.mark.parametrize("data", ["text", None, 7, [b"list"]])
def test_sendto_refuses_data_that_is_not_bytes_like(
    each_loop: Loop, peer: socket.socket, data: Any
) -> None:
    async def main() -> None:
        async with endpoint(each_loop, Datagrams(), remote_addr=peer.getsockname()) as transport:
            with pytest.raises(TypeError, match="data argument must be a bytes-like object, not"):
                transport.sendto(data)
            transport.sendto(bytearray(b"one"))
            transport.sendto(memoryview(b"two"))
            assert await take(each_loop, peer, 2) == [b"one", b"two"]

    run(each_loop, main())


@since_3_11
def test_reading_of_datagrams_can_be_paused(each_loop: Loop, peer: socket.socket) -> None:
    async def main() -> None:
        protocol = Datagrams()
        async with endpoint(each_loop, protocol, local_addr=HERE) as transport:
            transport.pause_reading()
            peer.sendto(b"one", transport.get_extra_info("sockname"))
            peer.sendto(b"two", transport.get_extra_info("sockname"))
            await seen(each_loop)
            assert protocol.came == [] and not transport.is_reading()
            transport.resume_reading()
            assert await protocol.got(2) == [b"one", b"two"]

    run(each_loop, main())


def test_datagram_protocol_can_be_replaced_in_datagram_received(
    each_loop: Loop, peer: socket.socket
) -> None:
    class First(Datagrams):
        def datagram_received(self, data: bytes, address: Any) -> None:
            super().datagram_received(data, address)
            self.transport.set_protocol(second)

    second = Datagrams()

    async def main() -> None:
        first = First()
        async with endpoint(each_loop, first, local_addr=HERE) as transport:
            for data in (b"one", b"two", b"three"):
                peer.sendto(data, transport.get_extra_info("sockname"))
            assert await second.got(2) == [b"two", b"three"]
            assert transport.get_protocol() is second
        assert first.came == [b"one"]
        assert second.calls == ["data", "lost"]

    run(each_loop, main())


@since_3_11
def test_endpoint_that_is_paused_in_a_burst_receives_no_more_of_it(
    each_loop: Loop, peer: socket.socket
) -> None:
    class Pausing(Datagrams):
        def datagram_received(self, data: bytes, address: Any) -> None:
            super().datagram_received(data, address)
            self.transport.pause_reading()

    async def main() -> None:
        protocol = Pausing()
        async with endpoint(each_loop, protocol, local_addr=HERE) as transport:
            for data in (b"one", b"two", b"three"):
                peer.sendto(data, transport.get_extra_info("sockname"))
            for count in (1, 2, 3):
                await protocol.got(count)
                await seen(each_loop)
                assert len(protocol.came) == count
                transport.resume_reading()

    run(each_loop, main())


def test_burst_of_datagrams_does_not_delay_other_callbacks(
    each_loop: Loop, peer: socket.socket
) -> None:
    class Asking(Datagrams):
        def datagram_received(self, data: bytes, address: Any) -> None:
            super().datagram_received(data, address)
            if len(self.came) == 1:
                each_loop.call_soon(lambda: others.append(len(self.came)))

    others: list[int] = []

    async def main() -> None:
        protocol = Asking()
        async with endpoint(each_loop, protocol, local_addr=HERE) as transport:
            for _ in range(60):
                peer.sendto(b"x", transport.get_extra_info("sockname"))
            await protocol.got(60)
        assert others[0] < 60

    run(each_loop, main())


# Callbacks that raise


def test_error_of_datagram_received_is_reported_and_the_endpoint_stays_open(
    each_loop: Loop, peer: socket.socket, errors: Errors
) -> None:
    class Raises(Datagrams):
        def datagram_received(self, data: bytes, address: Any) -> None:
            super().datagram_received(data, address)
            if data == b"bad":
                raise ZeroDivisionError

    async def main() -> None:
        protocol = Raises()
        async with endpoint(each_loop, protocol, local_addr=HERE) as transport:
            for data in (b"bad", b"good"):
                peer.sendto(data, transport.get_extra_info("sockname"))
            assert await protocol.got(2) == [b"bad", b"good"]
            assert not transport.is_closing()
        (context,) = errors
        assert context["message"].startswith("Exception in callback ")
        assert isinstance(context["exception"], ZeroDivisionError)
        assert set(context) == {"message", "exception", "handle"}

    run(each_loop, main())


def test_error_of_error_received_is_raised_by_sendto(
    each_loop: Loop, peer: socket.socket, errors: Errors
) -> None:
    class Raises(Datagrams):
        def error_received(self, error: Exception) -> None:
            raise ZeroDivisionError

    async def main() -> None:
        protocol = Raises()
        async with endpoint(each_loop, protocol, remote_addr=peer.getsockname()) as transport:
            with pytest.raises(ZeroDivisionError):
                transport.sendto(bytes(65508))
            assert not transport.is_closing()

    run(each_loop, main())
    assert errors == []


def test_interrupt_in_datagram_received_is_raised_by_run_forever(
    each_loop: Loop, peer: socket.socket
) -> None:
    class Raises(Datagrams):
        def datagram_received(self, data: bytes, address: Any) -> None:
            super().datagram_received(data, address)
            if data == b"stop":
                raise KeyboardInterrupt

    protocol = Raises()
    transport, _ = run(each_loop, each_loop.create_datagram_endpoint(lambda: protocol, HERE))
    for data in (b"stop", b"more"):
        peer.sendto(data, transport.get_extra_info("sockname"))
    limit = each_loop.call_later(30, each_loop.stop)
    with pytest.raises(KeyboardInterrupt):
        each_loop.run_forever()
    limit.cancel()
    assert run(each_loop, protocol.got(2)) == [b"stop", b"more"]
    transport.close()
    run(each_loop, protocol.lost())
