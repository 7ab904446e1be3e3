"""Thousands of idle connections: their cost for a busy one, and in memory."""

from __future__ import annotations

import gc
from pathlib import Path

from measure import BYTES, SECONDS, Bench, Figures, Group
from servers import protocol

group = Group(pinned=True)
CROWD = 5000
ALONE = "1 KiB echo beside no idle connection"
BESIDE = f"1 KiB echo beside {CROWD:,} idle connections"
MEMORY = f"memory per idle connection, of {CROWD:,}"


def resident() -> int:
    """Bytes of memory that this process has in use."""
    gc.collect()
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("the system does not tell VmRSS")


@group.figures("idle connections", {ALONE: SECONDS, BESIDE: SECONDS, MEMORY: BYTES}, 60)
async def idle_connections(bench: Bench) -> Figures:
    async with protocol() as address:

        async def echo() -> float:
            answer = await bench.ask(
                "echo",
                kind="tcp",
                address=address,
                size=1024,
                connections=1,
                seconds=bench.seconds * 3,
            )
            seconds: float = answer["seconds"]
            return seconds

        alone = await echo()
        before = resident()
        await bench.ask("crowd", address=address, count=CROWD)
        beside = await echo()  # by now all connections are accepted
        return {ALONE: alone, BESIDE: beside, MEMORY: (resident() - before) / CROWD}
