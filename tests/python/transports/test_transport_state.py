"""Transports: their information, the ownership of descriptors, and freed memory."""

from __future__ import annotations

import asyncio
import gc
import socket
import sys
import weakref
from asyncio import trsock
from typing import Any

import pytest
from support.connections import (
    DATA,
    LOTS,
    Loop,
    Recorder,
    connected,
    each_protocol,
    kept,
    receive,
    receive_all,
    reset,
    run,
    settled,
    since_3_11,
    skip_asyncio,
    stuff,
)
from support.running import Pair, nothing

pytest_plugins = ["support.each_loop"]


# Information


def test_transport_is_an_instance_of_asyncios_classes(each_loop: Loop, wire: Pair) -> None:
    async def main() -> None:
        async with connected(each_loop, wire, Recorder()) as transport:
            for kind in (
                asyncio.BaseTransport,
                asyncio.ReadTransport,
                asyncio.WriteTransport,
                asyncio.Transport,
            ):
                assert isinstance(transport, kind)
            assert not isinstance(transport, asyncio.SubprocessTransport)

    run(each_loop, main())


def test_extra_information_outlives_the_connection(each_loop: Loop, tcp: Pair) -> None:
    one, other = tcp[0].getsockname(), tcp[1].getsockname()
    number = tcp[0].fileno()

    async def main() -> None:
        protocol = Recorder()
        async with connected(each_loop, tcp, protocol) as transport:
            assert transport.get_extra_info("sockname") == one
            assert transport.get_extra_info("peername") == other
            assert transport.get_extra_info("nonsense") is None
            assert transport.get_extra_info("nonsense", 7) == 7
            assert transport.get_extra_info("sslcontext") is None
            held = transport.get_extra_info("socket")
            assert isinstance(held, trsock.TransportSocket)
            assert held.fileno() == number
            transport.close()
            await protocol.lost()
            await settled()
            assert held.fileno() == -1
            assert transport.get_extra_info("sockname") == one
            assert transport.get_extra_info("peername") == other
            assert transport.get_extra_info("socket") is held

    run(each_loop, main())


@since_3_11
def test_socket_of_a_transport_has_options_and_no_io_methods(each_loop: Loop, tcp: Pair) -> None:
    async def main() -> None:
        async with connected(each_loop, tcp, Recorder()) as transport:
            held = transport.get_extra_info("socket")
            assert held.family == socket.AF_INET
            assert held.type == socket.SOCK_STREAM
            assert held.getpeername() == tcp[1].getsockname()
            assert held.gettimeout() == 0
            # asyncio turns this on, too.
            assert held.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            held.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            assert held.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            with pytest.raises(ValueError):
                held.setblocking(True)
            for name in ("recv", "send", "close", "detach"):
                assert not hasattr(held, name)
            assert f"fd={tcp[0].fileno()}" in repr(held)

    run(each_loop, main())


def test_extra_info_of_a_closed_peer_has_no_peername(each_loop: Loop, tcp: Pair) -> None:
    name = tcp[0].getsockname()
    reset(tcp[1])

    async def main() -> None:
        protocol = Recorder()
        async with connected(each_loop, tcp, protocol) as transport:
            assert transport.get_extra_info("peername") is None
            assert transport.get_extra_info("sockname") == name
            assert isinstance(await protocol.lost(), ConnectionResetError)

    run(each_loop, main())


def test_names_over_ipv6_have_four_parts(each_loop: Loop) -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    try:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("no IPv6 here")

    async def main() -> None:
        served, protocol = Recorder(), Recorder()
        server = await each_loop.create_server(lambda: served, sock=listener)
        port = listener.getsockname()[1]
        transport, _ = await each_loop.create_connection(lambda: protocol, "::1", port)
        transport.write(b"data")
        assert await served.received(4) == b"data"
        name = transport.get_extra_info("sockname")
        assert name == ("::1", name[1], 0, 0)
        assert transport.get_extra_info("peername") == ("::1", port, 0, 0)
        assert served.transport.get_extra_info("peername") == name
        assert served.transport.get_extra_info("sockname") == ("::1", port, 0, 0)
        transport.close()
        await served.lost()
        server.close()
        await server.wait_closed()

    run(each_loop, main())


def test_repr_of_a_transport_shows_its_state(each_loop: Loop, wire: Pair) -> None:
    number = wire[0].fileno()

    async def main() -> None:
        protocol = Recorder()
        async with connected(each_loop, wire, protocol) as transport:
            await settled()

            def words() -> list[str]:
                return repr(transport).strip("<>").replace("write=<", "write=").split()[1:]

            idle = [f"fd={number}", "read=polling", "write=idle,", "bufsize=0"]
            assert words() == idle
            transport.pause_reading()
            assert words() == [idle[0], "read=idle", *idle[2:]]
            transport.resume_reading()
            stuff(transport)
            full = ["write=polling,", f"bufsize={transport.get_write_buffer_size()}"]
            assert words() == [*idle[:2], *full]
            transport.close()
            assert words() == ["closing", idle[0], "read=idle", *full]
            transport.abort()
            assert words() == ["closing", idle[0], "read=idle", *idle[2:]]
            await protocol.lost()
            await settled()
            assert words()[:2] == ["closed", idle[0]]

    run(each_loop, main())


# Ownership of the descriptor


def test_descriptor_of_a_transport_cannot_be_watched_by_others(each_loop: Loop, wire: Pair) -> None:
    async def main() -> None:
        protocol = Recorder()
        async with connected(each_loop, wire, protocol) as transport:
            held = transport.get_extra_info("socket")
            for file in (wire[0], wire[0].fileno(), held):
                for attempt in (
                    lambda file=file: each_loop.add_reader(file, nothing),
                    lambda file=file: each_loop.add_writer(file, nothing),
                    lambda file=file: each_loop.remove_reader(file),
                    lambda file=file: each_loop.remove_writer(file),
                ):
                    with pytest.raises(RuntimeError, match="is used by transport"):
                        attempt()
            # The transport still works.
            wire[1].send(b"data")
            assert await protocol.received(4) == b"data"
            transport.write(LOTS)
            assert await receive(each_loop, wire[1], len(LOTS)) == LOTS

    run(each_loop, main())


def test_socket_of_a_transport_cannot_be_waited_for_by_others(each_loop: Loop, wire: Pair) -> None:
    async def main() -> None:
        async with connected(each_loop, wire, Recorder()) as transport:
            buffer = bytearray(9)
            stuff(transport)
            for attempt in (
                each_loop.sock_recv(wire[0], 9),
                each_loop.sock_recv_into(wire[0], buffer),
                each_loop.sock_sendall(wire[0], DATA),
            ):
                with pytest.raises(RuntimeError, match="is used by transport"):
                    await attempt
            skip_asyncio(transport, (3, 14), "it closes the socket that another transport uses")
            if sys.version_info >= (3, 12):
                with pytest.raises(RuntimeError, match="is used by transport"):
                    await each_loop.create_connection(Recorder, sock=wire[0])

    run(each_loop, main())


def test_descriptor_is_free_again_after_the_close(each_loop: Loop, wire: Pair) -> None:
    async def main() -> None:
        number = wire[0].fileno()
        copy = wire[0].dup()
        protocol = Recorder()
        async with connected(each_loop, wire, protocol) as transport:
            transport.close()
            await protocol.lost()
            await settled()
        with copy, socket.socket(fileno=copy.detach()) as again:
            # The system reuses the number for the next socket.
            with again.dup() as same:
                same.setblocking(False)
                assert same.fileno() == number
                read = each_loop.create_future()
                each_loop.add_reader(same, read.set_result, None)
                wire[1].send(b"x")
                await read
                assert each_loop.remove_reader(same)
                assert await each_loop.sock_recv(same, 9) == b"x"

    run(each_loop, main())


def test_transports_work_on_reused_descriptor_numbers(each_loop: Loop) -> None:
    async def main() -> None:
        for number in range(200):
            mine, peer = socket.socketpair()
            peer.setblocking(False)
            with peer:
                protocol = Recorder()
                async with connected(each_loop, (mine, peer), protocol) as transport:
                    text = b"%03d" % number
                    peer.send(text)
                    assert await protocol.received(3) == text
                    transport.write(text)
                    assert await receive(each_loop, peer, 3) == text
                    getattr(transport, "close" if number % 2 else "abort")()
                assert protocol.calls == ["made", "data", "lost"]

    run(each_loop, main())


# Freed memory and descriptors


@each_protocol
@pytest.mark.parametrize("way", ["close", "abort", "peer", "flush"])
def test_closed_connection_is_freed(each_loop: Loop, wire: Pair, kind: Any, way: str) -> None:
    async def main() -> list[weakref.ref[Any]]:
        protocol = kind()
        transport, _ = await each_loop.create_connection(lambda: protocol, sock=wire[0])
        if way == "flush":
            written = stuff(transport)
            transport.close()
            await receive(each_loop, wire[1], len(written))
        elif way == "peer":
            wire[1].close()
        else:
            getattr(transport, way)()
        await protocol.lost()
        return [weakref.ref(protocol), weakref.ref(transport)]

    assert kept(each_loop, main()) == []
    assert wire[0].fileno() == -1


def test_closed_transport_drops_its_protocol(each_loop: Loop, wire: Pair) -> None:
    async def main() -> None:
        transport, protocol = await each_loop.create_connection(Recorder, sock=wire[0])
        transport.close()
        assert transport.get_protocol() is protocol
        await protocol.lost()
        await settled()
        assert transport.get_protocol() is None
        ref = weakref.ref(protocol)
        del protocol
        gc.collect()
        assert ref() is None
        assert transport.is_closing()

    run(each_loop, main())


def test_open_connection_is_kept_alive_by_the_loop(each_loop: Loop, wire: Pair) -> None:
    async def main() -> None:
        protocol = Recorder()
        transport, _ = await each_loop.create_connection(lambda: protocol, sock=wire[0])
        ref = weakref.ref(transport)
        protocol.transport = None
        del transport
        gc.collect()
        wire[1].send(b"data")
        assert await protocol.received(4) == b"data"
        wire[1].close()
        await protocol.lost()
        await settled()
        gc.collect()
        assert ref() is None

    run(each_loop, main())


def test_dropped_open_transport_warns_and_is_closed(each_loop: Loop, wire: Pair) -> None:
    async def main() -> None:
        transport, _ = await each_loop.create_connection(asyncio.Protocol, sock=wire[0])
        await settled()
        transport.pause_reading()
        await settled()
        words = repr(transport)
        with pytest.warns(ResourceWarning) as seen:
            del transport
            gc.collect()
        assert [str(each.message) for each in seen] == [f"unclosed transport {words}"]
        assert await receive_all(each_loop, wire[1]) == b""

    run(each_loop, main())
    assert wire[0].fileno() == -1


def test_transport_of_a_closed_loop_warns_and_is_closed(each_loop: Loop, wire: Pair) -> None:
    async def main() -> Any:
        transport, _ = await each_loop.create_connection(asyncio.Protocol, sock=wire[0])
        await settled()
        return transport

    transport = run(each_loop, main())
    each_loop.close()
    assert f"fd={wire[0].fileno()}" in repr(transport)
    with pytest.warns(ResourceWarning, match="unclosed transport <"):
        del transport
        gc.collect()
    assert wire[0].fileno() == -1


def test_closed_loop_makes_no_more_transports(each_loop: Loop, wire: Pair) -> None:
    async def main() -> Any:
        protocol = Recorder()
        async with connected(each_loop, wire, protocol) as transport:
            transport.close()
            await protocol.lost()
            await settled()
            return transport

    transport = run(each_loop, main())
    each_loop.close()
    # These calls still have no effect.
    transport.close()
    assert "closed" in repr(transport)
    assert transport.is_closing()


@pytest.mark.skipif(not hasattr(sys, "getrefcount"), reason="counts references")
def test_sent_data_is_freed(each_loop: Loop, wire: Pair) -> None:
    async def main() -> None:
        protocol = Recorder()
        async with connected(each_loop, wire, protocol) as transport:
            data = bytes(LOTS)
            before = sys.getrefcount(data)
            transport.write(data)
            assert await receive(each_loop, wire[1], len(data)) == data
            await protocol.until(lambda: "resume" in protocol.calls)
            await settled()
            assert transport.get_write_buffer_size() == 0
            gc.collect()
            assert sys.getrefcount(data) == before

    run(each_loop, main())
