"""A connection closed under its own dialog: the next owner of the descriptor number is unaffected."""

from __future__ import annotations

import asyncio
import contextvars
import socket
from contextlib import suppress
from typing import Any

import pytest
from support.asking_protocol import Asks
from support.connections import LOTS, Buffered, Recorder, connected, receive, run, settled
from support.datagrams import Datagrams, endpoint, fill, take
from support.modal import Modal
from support.running import Pair

import qtloop

pytest_plugins = ["support.each_loop"]
pytestmark = pytest.mark.usefixtures("reports")


class Replaced:
    """A callback opens a dialog; while it is open, another transport gets the descriptor's number."""

    def __init__(self, loop: qtloop.QEventLoop) -> None:
        self._loop = loop
        self.next: Any = None
        self.protocol = Recorder()
        self.peer: Any = None
        self._is_over = asyncio.Event()

    def happens(self, transport: Any) -> None:
        if self.next is None:
            modal = Modal()
            replacing = asyncio.ensure_future(self._replace(transport, modal))
            modal.exec()
            replacing.result()
            self._loop.call_soon(self._is_over.set)

    async def _replace(self, transport: Any, modal: Modal) -> None:
        number = transport.get_extra_info("socket").fileno()
        transport.abort()
        await settled()
        one, self.peer = socket.socketpair()
        if self.peer.fileno() == number:
            one, self.peer = self.peer, one
        assert one.fileno() == number
        for end in (one, self.peer):
            end.setblocking(False)
        self.next, _ = await self._loop.create_connection(lambda: self.protocol, sock=one)
        modal.close()

    async def works(self) -> None:
        """Checks that the new connection has lost no data."""
        await self._is_over.wait()
        self.peer.send(b"question")
        assert await self.protocol.received(8) == b"question"
        self.next.write(LOTS)
        assert await receive(self._loop, self.peer, len(LOTS)) == LOTS
        self.next.abort()
        await settled()
        self.peer.close()


def test_next_owner_of_the_number_is_read_after_a_dialog_in_eof_received(
    loop: qtloop.QEventLoop, pair: Pair
) -> None:
    class Ends(Recorder):
        def eof_received(self) -> bool:
            replaced.happens(self.transport)
            return True

    replaced = Replaced(loop)

    async def main() -> None:
        async with connected(loop, pair, Ends()):
            pair[1].shutdown(socket.SHUT_WR)
            await replaced.works()

    run(loop, main())


def test_next_owner_of_the_number_is_written_to_after_a_dialog_in_resume_writing(
    loop: qtloop.QEventLoop, pair: Pair
) -> None:
    class Resumes(Recorder):
        def resume_writing(self) -> None:
            replaced.happens(self.transport)

    replaced = Replaced(loop)

    async def main() -> None:
        async with connected(loop, pair, Resumes()) as transport:
            transport.write(LOTS)
            await receive(loop, pair[1], len(LOTS))
            await replaced.works()

    run(loop, main())


def test_next_owner_of_the_number_keeps_its_data_after_a_dialog_in_get_buffer(
    loop: qtloop.QEventLoop, pair: Pair
) -> None:
    class Asked(Buffered):
        def get_buffer(self, size_hint: int) -> bytearray:
            replaced.happens(self.transport)
            # They arrive before the old transport could read.
            with suppress(BlockingIOError):
                replaced.peer.send(b"question")
            return super().get_buffer(size_hint)

    replaced = Replaced(loop)

    async def main() -> None:
        protocol = Asked()
        async with connected(loop, pair, protocol):
            pair[1].send(b"ask")
            assert await replaced.protocol.received(8) == b"question"
            assert protocol.data == b""
            replaced.next.abort()
            await settled()
            replaced.peer.close()

    run(loop, main())


def test_next_owner_of_the_number_is_sent_from_after_a_dialog_of_datagrams(
    loop: qtloop.QEventLoop, full: Pair
) -> None:
    class Resumes(Datagrams):
        def resume_writing(self) -> None:
            replaced.happens(self.transport)

    replaced = Replaced(loop)

    async def main() -> None:
        async with endpoint(loop, Resumes(), sock=full[0]) as transport:
            transport.set_write_buffer_limits(0)
            await take(loop, full[1], len(fill(transport)))
            await replaced.works()

    run(loop, main())


class AsksInItsContext(Asks):
    """A protocol that records a context variable in each callback, and sets it for the next."""

    def __init__(self) -> None:
        super().__init__("data")
        self.saw: list[tuple[str, str]] = []

    def note(self, call: str) -> None:
        if call != "pause":  # called by write(), in the context of the caller
            self.saw.append((call, variable.get()))
            variable.set(f"of {call}")
        super().note(call)


variable = contextvars.ContextVar("variable", default="default")


@pytest.mark.parametrize("debug", [False, True])
def test_connection_is_lost_in_a_copy_of_its_context_while_its_dialog_is_open(
    loop: qtloop.QEventLoop, wire: Pair, debug: bool
) -> None:
    async def main() -> None:
        loop.set_debug(debug)
        loop.slow_callback_duration = 30
        protocol, context = AsksInItsContext(), contextvars.copy_context()
        context.run(variable.set, "given")
        transport = loop._make_socket_transport(wire[0], protocol, context=context)
        wire[1].send(b"ask")
        await protocol.asked()
        transport.write(LOTS)
        assert await receive(loop, wire[1], len(LOTS)) == LOTS
        await protocol.until(lambda: "resume" in protocol.calls)
        transport.abort()
        assert await protocol.lost() is None
        assert protocol.modal.is_open
        protocol.modal.close()
        await protocol.until(lambda: "back" in protocol.calls)
        assert protocol.saw == [
            ("made", "given"),
            ("data", "of made"),
            ("resume", "of data"),
            ("lost", "of data"),
        ]
        assert context[variable] == "of data"

    run(loop, main())
