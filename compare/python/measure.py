"""The definition and the measurement of a workload: groups, rows, steps and percentiles."""

from __future__ import annotations

import importlib
import inspect
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from peers import BARE, BENCHED, SCHEDULERS, Peer

SECONDS, BYTES, COUNT = "s", "B", ""  # the units of a row
GROUPS = (
    "scheduling",
    "timers",
    "readiness",
    "echo",
    "crowd",
    "http",
    "process",
    "window",
    "flood",
    "priorities",
    "instruments",
    "footprint",
)
BATCH = 1000  # the minimum number of steps; each number of steps is a multiple of it

CPU = time.process_time  # of all threads: some loops have helper threads
WALL = time.perf_counter

Figures = dict[str, float]  # by row
Clock = Callable[[], float]
Steps = Callable[[Any, int], Awaitable[None]]


class Unsuitable(Exception):
    """The loop does not support this workload, which is no error."""


class Client:
    """The client process, which sends the requests; it ends when this process does."""

    def __init__(self, cores: Sequence[int]) -> None:
        program = str(Path(__file__).with_name("client.py"))
        command = [sys.executable, program, *map(str, cores)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)

    def ask(self, command: dict[str, Any]) -> Any:
        """Sends a command to the client, and waits for the result."""
        assert self.process.stdin and self.process.stdout
        print(json.dumps(command), file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError("the client process has ended")
        return json.loads(line)


@dataclass
class Bench:
    """The arguments of a workload: the peer, its running loop, and how long to measure."""

    peer: Peer
    loop: Any
    seconds: float
    quick: bool
    cores: Sequence[int] = ()  # the client's cores, if it has its own
    client: Client | None = None

    async def ask(self, action: str, **details: object) -> Any:
        """Sends a command to the client process, while the loop runs."""
        if self.client is None:
            self.client = Client(self.cores)
        command = {"do": action, **details}
        return await self.loop.run_in_executor(None, self.client.ask, command)

    async def per_step(self, run: Steps, clock: Clock, least: int = BATCH) -> float:
        """Returns the seconds per step, for as many steps as take long enough."""
        steps = least
        await run(self.loop, steps)  # not timed: modules that are loaded at first use
        while True:
            start = clock()
            await run(self.loop, steps)
            took = clock() - start
            if took >= self.seconds:
                return took / steps
            steps *= min(10, int(self.seconds / max(took, 1e-6)) + 1)


@dataclass(frozen=True)
class Workload:
    """One operation of a loop, which gives one or several rows of the table."""

    name: str
    rows: dict[str, str]  # the unit of each
    run: Callable[[Bench], Awaitable[Figures]]
    limit: float = 30  # seconds after which it counts as hanging


@dataclass
class Group:
    """The workloads of one file, which share a table and a process."""

    loops: Sequence[str] = tuple(name for name in BENCHED if name not in (BARE, *SCHEDULERS))
    slow: Sequence[str] = ("qasync", "qtinter", "QtAsyncio")  # too slow for a quick look
    workloads: list[Workload] = field(default_factory=list)
    pinned: bool = False  # the loop to one core and the client to the others: less noise
    title: str = ""

    def figures(
        self, name: str, rows: dict[str, str], limit: float = 30
    ) -> Callable[[Callable[[Bench], Awaitable[Figures]]], Callable[[Bench], Awaitable[Figures]]]:
        """Adds a workload that measures itself."""

        def add(
            run: Callable[[Bench], Awaitable[Figures]],
        ) -> Callable[[Bench], Awaitable[Figures]]:
            self.workloads.append(Workload(name, rows, run, limit))
            return run

        return add

    def steps(self, name: str, clock: Clock, least: int = BATCH) -> Callable[[Steps], Steps]:
        """Adds a workload that is a number of equal steps."""

        def add(run: Steps) -> Steps:
            async def figures(bench: Bench) -> Figures:
                return {name: await bench.per_step(run, clock, least)}

            self.workloads.append(Workload(name, {name: SECONDS}, figures))
            return run

        return add


def load(name: str) -> Group:
    """Returns the group of that file."""
    module = importlib.import_module(f"workloads.{name}")
    group: Group = module.group
    group.title = (inspect.getdoc(module) or "").partition("\n")[0]
    return group


def nothing(*_args: object) -> None:
    """Costs as little as a callback can."""


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
