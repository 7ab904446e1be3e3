"""Echo servers asked by another process: wall time per request."""

from __future__ import annotations

from measure import SECONDS, Bench, Figures, Group
from servers import SERVERS

group = Group(pinned=True)
KIB = 1024


def add(way: str, size: int, connections: int) -> None:
    kind, server = SERVERS[way]
    plural = "" if connections == 1 else "s"
    name = f"{way}, {size // KIB} KiB, {connections} connection{plural}"

    @group.figures(name, {name: SECONDS})
    async def echo(bench: Bench) -> Figures:
        async with server() as address:
            answer = await bench.ask(
                "echo",
                kind=kind,
                address=address,
                size=size,
                connections=connections,
                seconds=bench.seconds,
            )
        return {name: answer["seconds"]}


for way in SERVERS:
    for size in (KIB, 100 * KIB):
        for connections in (1, 100):
            if way != "UDP":
                add(way, size, connections)
            elif size == KIB:
                # A datagram has 64 KiB at most, and more of them at a time would be lost.
                add(way, size, min(connections, 50))
