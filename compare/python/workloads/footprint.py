"""The cost of importing each library in a fresh process: wall time and memory."""

from __future__ import annotations

import json
import subprocess
import sys

from measure import BYTES, SECONDS, Bench, Figures, Group, Unsuitable
from peers import PLAIN_LOOPS, QT_LOOPS

group = Group()
PROGRAM = """
import importlib, json, sys, time
def resident():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS:"))
*before, module = sys.argv[1:]
for name in before:
    importlib.import_module(name)
memory, start = resident(), time.perf_counter()
importlib.import_module(module)
print(json.dumps([time.perf_counter() - start, resident() - memory]))
"""


def sample(command: list[str]) -> list[float]:
    figures: list[float] = json.loads(subprocess.run(command, capture_output=True).stdout)
    return figures


def add(what: str, before: tuple[str, ...]) -> None:
    rows = [f"import{what}, time", f"import{what}, memory"]

    @group.figures(f"import{what}", dict(zip(rows, (SECONDS, BYTES), strict=True)))
    async def footprint(bench: Bench) -> Figures:
        if before and type(bench.peer) in PLAIN_LOOPS.values():
            raise Unsuitable("it has nothing to do with Qt")
        command = [sys.executable, "-c", PROGRAM, *before, bench.peer.module]
        best = min(sample(command) for _ in range(3))  # the first one fills the caches
        return dict(zip(rows, best, strict=True))


add("", ())
add(" after asyncio and QtWidgets", ("asyncio", f"{QT_LOOPS['qtloop'].binding}.QtWidgets"))
