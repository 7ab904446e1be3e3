"""set_protocol(): a connection moves to another protocol; asyncio's behaviour on both loops."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from support.connections import LOTS, Buffered, Loop, Notes, Recorder, connected, receive, run
from support.running import Pair

pytest_plugins = ["support.each_loop"]


@pytest.mark.parametrize(
    "kinds", [(Recorder, Recorder), (Recorder, Buffered), (Buffered, Recorder)]
)
def test_protocol_can_be_changed_between_two_messages(
    each_loop: Loop, wire: Pair, kinds: tuple[type[Notes], type[Notes]]
) -> None:
    async def main() -> None:
        one, other = (kind() for kind in kinds)
        async with connected(each_loop, wire, one) as transport:
            assert transport.get_protocol() is one
            wire[1].send(b"one")
            await one.received(3)
            transport.set_protocol(other)
            assert transport.get_protocol() is other
            wire[1].send(b"other")
            await other.received(5)
            transport.set_protocol(one)
            wire[1].send(b"again")
            await one.received(8)
            transport.set_protocol(other)
            wire[1].close()
            assert await other.lost() is None
        assert (one.calls, one.data) == (["made", "data"], b"oneagain")
        assert (other.calls, other.data) == (["data", "eof", "lost"], b"other")

    run(each_loop, main())


@pytest.mark.parametrize(
    "kinds", [(Recorder, Recorder), (Recorder, Buffered), (Buffered, Recorder)]
)
def test_protocol_can_be_replaced_in_data_received(
    each_loop: Loop, wire: Pair, kinds: tuple[Any, Any]
) -> None:
    kind: Any = kinds[0]

    class First(kind):  # type: ignore[misc]
        def note(self, call: str) -> None:
            super().note(call)
            if call == "data":
                self.transport.set_protocol(second)

    second = kinds[1]()

    async def main() -> None:
        first = First()
        async with connected(each_loop, wire, first):
            sending = asyncio.create_task(each_loop.sock_sendall(wire[1], LOTS))
            await second.until(lambda: len(first.data) + len(second.data) == len(LOTS))
            await sending
        assert first.calls == ["made", "data"]
        assert first.data + second.data == LOTS

    run(each_loop, main())


def test_changed_protocol_is_paused_and_resumed(each_loop: Loop, wire: Pair) -> None:
    async def main() -> None:
        one, other = Recorder(), Recorder()
        async with connected(each_loop, wire, one) as transport:
            transport.write(LOTS)
            assert one.calls == ["made", "pause"]
            transport.set_protocol(other)
            await receive(each_loop, wire[1], len(LOTS))
            await other.until(lambda: other.calls == ["resume"])
            assert one.calls == ["made", "pause"]

    run(each_loop, main())
