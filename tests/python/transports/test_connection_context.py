"""The context of a connection: from Python 3.15 on asyncio passes one to each transport."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import socket
import sys
import weakref
from typing import Any

import pytest
from support.connections import HERE, LOTS, Loop, Notes, Recorder, receive, run, seen, settled
from support.running import Pair
from support.tls import for_client, for_server

pytest_plugins = ["support.each_loop"]

variable = contextvars.ContextVar("variable", default="default")

hands_on_contexts = pytest.mark.skipif(
    sys.version_info < (3, 15), reason="asyncio's servers hand on a context from Python 3.15 on"
)


class Contextual(Recorder):
    """A protocol that records a context variable in each callback, and sets it for the next."""

    def __init__(self) -> None:
        super().__init__()
        self.saw: list[tuple[str, str]] = []

    def note(self, call: str) -> None:
        self.saw.append((call, variable.get()))
        variable.set(f"of {call}")
        super().note(call)

    def pause_writing(self) -> None:
        # It is called by write(), in the context of the caller.
        Notes.note(self, "pause")


class ContextualBuffered(Contextual, asyncio.BufferedProtocol):
    """A Contextual that provides the buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.buffer = bytearray(1000)

    def get_buffer(self, sizehint: int) -> bytearray:
        return self.buffer

    def buffer_updated(self, count: int) -> None:
        self.data += self.buffer[:count]
        self.note("data")


def context_of(value: str) -> contextvars.Context:
    """Makes a context in which the variable has a value."""
    context = contextvars.copy_context()
    context.run(variable.set, value)
    return context


def transport_in(
    loop: Any, sock: socket.socket, protocol: Any, context: Any, **options: Any
) -> Any:
    """Makes a transport as asyncio's own functions do from Python 3.15 on."""
    if type(loop) is asyncio.SelectorEventLoop and sys.version_info < (3, 15):
        pytest.skip("asyncio's own transports take a context from Python 3.15 on")
    return loop._make_socket_transport(sock, protocol, context=context, **options)


@pytest.mark.parametrize("kind", [Contextual, ContextualBuffered])
def test_callbacks_of_a_transport_share_the_context_it_was_given(
    each_loop: Loop, wire: Pair, kind: type[Contextual]
) -> None:
    async def main() -> None:
        protocol, context = kind(), context_of("given")
        transport = transport_in(each_loop, wire[0], protocol, context)
        variable.set("of the caller")
        await protocol.until(lambda: protocol.calls)
        wire[1].send(b"data")
        await protocol.received(4)
        transport.write(LOTS)
        assert await receive(each_loop, wire[1], len(LOTS)) == LOTS
        await protocol.until(lambda: "resume" in protocol.calls)
        wire[1].shutdown(socket.SHUT_WR)
        await protocol.lost()
        assert protocol.saw == [
            ("made", "given"),
            ("data", "of made"),
            ("resume", "of data"),
            ("eof", "of resume"),
            ("lost", "of eof"),
        ]
        assert variable.get() == "of the caller"
        assert context[variable] == "of lost"

    run(each_loop, main())


def test_resumed_reading_keeps_the_context_of_the_connection(each_loop: Loop, wire: Pair) -> None:
    async def main() -> None:
        protocol = Contextual()
        transport = transport_in(each_loop, wire[0], protocol, context_of("given"))
        await protocol.until(lambda: protocol.calls)
        transport.pause_reading()
        variable.set("of the caller")
        transport.resume_reading()
        wire[1].send(b"data")
        await protocol.received(4)
        transport.abort()
        await protocol.lost()
        assert protocol.saw == [("made", "given"), ("data", "of made"), ("lost", "of data")]

    run(each_loop, main())


@pytest.mark.parametrize("end", ["close", "abort"])
def test_connection_lost_runs_in_the_connections_context_however_it_ends(
    each_loop: Loop, wire: Pair, end: str
) -> None:
    async def main() -> None:
        protocol = Contextual()
        transport = transport_in(each_loop, wire[0], protocol, context_of("given"))
        await protocol.until(lambda: protocol.calls)
        variable.set("of the caller")
        getattr(transport, end)()
        await protocol.lost()
        assert protocol.saw == [("made", "given"), ("lost", "of made")]

    run(each_loop, main())


def test_connection_lost_after_a_flush_runs_in_the_connections_context(
    each_loop: Loop, wire: Pair
) -> None:
    async def main() -> None:
        protocol = Contextual()
        transport = transport_in(each_loop, wire[0], protocol, context_of("given"))
        await protocol.until(lambda: protocol.calls)
        transport.write(LOTS)
        transport.close()
        assert await receive(each_loop, wire[1], len(LOTS)) == LOTS
        await protocol.lost()
        assert protocol.saw[-1] == ("lost", "of resume")

    run(each_loop, main())


def test_tls_application_runs_in_the_context_of_the_connection(loop: Any, tcp: Pair) -> None:
    serving, trusting = for_server(), for_client()

    async def main() -> None:
        protocol, waiter = Contextual(), loop.create_future()
        transport = loop._make_ssl_transport(
            tcp[0], protocol, serving, waiter, server_side=True, context=context_of("given")
        )
        _, writer = await asyncio.open_connection(
            sock=tcp[1], ssl=trusting, server_hostname="localhost"
        )
        await waiter
        variable.set("of the caller")
        writer.write(b"data")
        assert await protocol.received(4) == b"data"
        writer.close()
        await writer.wait_closed()
        await protocol.lost()
        transport.close()  # on Python 3.10 the end of the peer does not
        values = {value for _, value in protocol.saw}
        assert protocol.saw[:2] == [("made", "given"), ("data", "of made")]
        assert "of the caller" not in values and "default" not in values

    run(loop, main())


@pytest.mark.parametrize("side", ["reader", "writer"])
def test_watch_of_a_descriptor_runs_in_the_context_it_was_given(
    loop: Any, pair: Pair, side: str
) -> None:
    async def main() -> None:
        saw: asyncio.Future[str] = loop.create_future()

        def ready() -> None:
            getattr(loop, f"remove_{side}")(pair[0])
            saw.set_result(variable.get())

        getattr(loop, f"_add_{side}")(pair[0], ready, context=context_of("given"))
        pair[1].send(b"x")
        assert await saw == "given"

    run(loop, main())


def test_context_of_a_connection_is_freed_with_it(each_loop: Loop, wire: Pair) -> None:
    class Value(str):
        pass

    async def main() -> weakref.ref[Any]:
        protocol, value = Contextual(), Value("given")
        context = contextvars.copy_context()
        context.run(other.set, value)
        transport = transport_in(each_loop, wire[0], protocol, context)
        await protocol.until(lambda: protocol.calls)
        transport.close()
        await protocol.lost()
        return weakref.ref(value)

    other: contextvars.ContextVar[Any] = contextvars.ContextVar("other")
    ref = run(each_loop, main())
    run(each_loop, settled())
    gc.collect()
    assert ref() is None


# Servers


@hands_on_contexts
def test_connections_of_a_server_have_a_copy_each_of_the_context_of_its_start(
    each_loop: Loop,
) -> None:
    async def main() -> None:
        protocols: list[Contextual] = []

        def factory() -> Contextual:
            protocols.append(Contextual())
            return protocols[-1]

        variable.set("served")
        server = await each_loop.create_server(factory, *HERE)
        variable.set("later")
        for count in (1, 2):
            with socket.create_connection(server.sockets[0].getsockname()) as client:
                client.send(b"data")
                await seen(each_loop)
                while len(protocols) < count:
                    await asyncio.sleep(0.001)
            await protocols[-1].lost()
        assert [protocol.saw for protocol in protocols] == 2 * [
            [("made", "served"), ("data", "of made"), ("eof", "of data"), ("lost", "of eof")]
        ]
        assert variable.get() == "later"
        server.close()
        await server.wait_closed()

    run(each_loop, main())


@hands_on_contexts
def test_callbacks_of_a_client_share_a_copy_of_the_callers_context(
    each_loop: Loop, wire: Pair
) -> None:
    async def main() -> None:
        protocol = Contextual()
        variable.set("connected")
        transport, _ = await each_loop.create_connection(lambda: protocol, sock=wire[0])
        assert variable.get() == "connected"
        variable.set("later")
        wire[1].send(b"data")
        await protocol.received(4)
        transport.close()
        await protocol.lost()
        assert protocol.saw == [("made", "connected"), ("data", "of made"), ("lost", "of data")]

    run(each_loop, main())
