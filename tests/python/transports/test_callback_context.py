"""The context and task in which a protocol's callbacks run: the same as in asyncio.

From Python 3.15 on, a connection has one context for all of them: see test_connection_context.py.
"""

from __future__ import annotations

import asyncio
import contextvars
import socket
import sys
from typing import Any

import pytest
from support.connections import (
    HERE,
    LOTS,
    Loop,
    Recorder,
    connected,
    receive,
    run,
)
from support.running import Pair

pytest_plugins = ["support.each_loop"]


class Contextual(Recorder):
    """A protocol that records a context variable and the current task in each callback."""

    def __init__(self) -> None:
        super().__init__()
        self.saw: list[tuple[str, str]] = []
        self.tasks: list[Any] = []

    def note(self, call: str) -> None:
        self.saw.append((call, variable.get()))
        self.tasks.append(asyncio.current_task())
        super().note(call)


variable = contextvars.ContextVar("variable", default="default")

of_two_contexts = pytest.mark.skipif(
    sys.version_info >= (3, 15), reason="connections have one context from Python 3.15 on"
)


def test_callbacks_run_in_the_connecting_tasks_context_and_in_no_task(
    each_loop: Loop, wire: Pair
) -> None:
    async def main() -> None:
        protocol = Contextual()
        variable.set("connected")
        transport, _ = await each_loop.create_connection(lambda: protocol, sock=wire[0])
        variable.set("later")
        wire[1].send(b"data")
        await protocol.received(4)
        wire[1].close()
        await protocol.lost()
        assert protocol.saw == [(call, "connected") for call in ("made", "data", "eof", "lost")]
        assert set(protocol.tasks) == {None}
        transport.close()

    run(each_loop, main())


@of_two_contexts
def test_context_of_reads_is_kept_until_reading_is_resumed(each_loop: Loop, wire: Pair) -> None:
    class Sets(Contextual):
        def note(self, call: str) -> None:
            super().note(call)
            variable.set(call)

    async def main() -> None:
        protocol = Sets()
        variable.set("connected")
        async with connected(each_loop, wire, protocol) as transport:
            for count in (1, 2):
                wire[1].send(b"x")
                await protocol.received(count)
            variable.set("resumed")
            transport.pause_reading()
            transport.resume_reading()
            wire[1].send(b"x")
            await protocol.received(3)
            variable.set("closed")
            transport.close()
            variable.set("later")
            await protocol.lost()
        assert protocol.saw == [
            ("made", "connected"),
            ("data", "connected"),
            ("data", "data"),
            ("data", "resumed"),
            ("lost", "closed"),
        ]

    run(each_loop, main())


@of_two_contexts
def test_resume_writing_runs_in_the_context_of_the_write(each_loop: Loop, wire: Pair) -> None:
    async def main() -> None:
        protocol = Contextual()
        variable.set("connected")
        async with connected(each_loop, wire, protocol) as transport:
            variable.set("wrote")
            transport.write(LOTS)
            variable.set("later")
            await receive(each_loop, wire[1], len(LOTS))
            await protocol.until(lambda: "resume" in protocol.calls)
            assert protocol.saw == [
                ("made", "connected"),
                ("pause", "wrote"),
                ("resume", "wrote"),
            ]

    run(each_loop, main())


def test_accepted_connections_have_the_context_of_the_server(each_loop: Loop) -> None:
    async def main() -> None:
        protocol = Contextual()
        variable.set("served")
        server = await each_loop.create_server(lambda: protocol, *HERE)
        variable.set("later")
        with socket.create_connection(server.sockets[0].getsockname()) as client:
            client.send(b"data")
            await protocol.received(4)
        await protocol.lost()
        assert protocol.saw == [(call, "served") for call in ("made", "data", "eof", "lost")]
        assert set(protocol.tasks) == {None}
        server.close()
        await server.wait_closed()

    run(each_loop, main())
