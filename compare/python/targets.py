"""The targets for the measured ratios: a table of which are reached or missed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from measure import load
from peers import BARE
from tables import OWN, Row, Table, align, quantity
from workloads import crowd, flood, instruments, priorities, timers, window

Rows = dict[str, Row]
KIB = "1 KiB"


@dataclass(frozen=True)
class Target:
    """A figure that must not be above `must`."""

    what: str
    must: float
    measured: Callable[[Rows], float | None]
    unit: str | None = None  # None for a ratio


def median(rows: Rows, row: str, loop: str = OWN) -> float | None:
    figure = rows[row]["loops"].get(loop) if row in rows else None
    return figure["median"] if figure else None


def ratio(row: str, peer: str, must: float) -> Target:
    """Makes a target for qtloop's figure / the peer's."""

    def measured(rows: Rows) -> float | None:
        figure = rows[row]["loops"].get(peer) if row in rows else None
        return figure["ratio"] if figure else None

    return Target(f"{row} / {peer}", must, measured)


def limit(row: str, must: float, unit: str) -> Target:
    """Makes a target for a figure of qtloop."""
    return Target(row, must, lambda rows: median(rows, row), unit)


def beyond(row: str, peer: str, must: float, unit: str) -> Target:
    """Makes a target for the difference between qtloop and the peer."""

    def measured(rows: Rows) -> float | None:
        own, other = median(rows, row), median(rows, row, peer)
        return None if own is None or other is None else own - other

    return Target(f"{row}, beyond {peer}", must, measured, unit)


def growth(row: str, than: str, must: float) -> Target:
    """Makes a target for one row of qtloop / another one."""

    def measured(rows: Rows) -> float | None:
        own, other = median(rows, row), median(rows, than)
        return own / other if own and other else None

    return Target(f"{row} / {than}", must, measured)


def added(row: str, than: str, must: float) -> Target:
    """Makes a target for the seconds that one row of qtloop takes longer than another one."""

    def measured(rows: Rows) -> float | None:
        own, other = median(rows, row), median(rows, than)
        return None if own is None or other is None else own - other

    return Target(f"{row} - {than}", must, measured, "s")


def targets() -> Iterable[Target]:
    steps = [row for each in load("scheduling").workloads for row in each.rows]
    timed = ["call_later + cancel", "10,000 timers set and fired"]
    for row in steps[:3]:
        yield ratio(row, "uvloop", 0.35)
        yield ratio(row, "rloop", 0.7)
    yield ratio("sleep(0), 1 task", "uvloop", 0.55)
    yield ratio("sleep(0), 100 tasks", "uvloop", 0.9)
    yield ratio("create_task", "uvloop", 0.9)
    yield ratio("call_soon_threadsafe, own thread", "uvloop", 0.8)
    yield ratio("call_soon_threadsafe, round trip", "uvloop", 0.8)
    for row in timed:
        yield ratio(row, "uvloop", 0.6)
    for row in steps + timed:
        yield ratio(row, "qasync", 0.1)
        yield ratio(row, "QtAsyncio", 0.1)
    yield limit(timers.P50, 100e-6, "s")
    yield limit(timers.EARLY, 0, "")

    for way in ("TCP Protocol", "TCP BufferedProtocol", "TCP streams", "TCP sock_*"):
        one = 1.0 if way == "TCP streams" else 1.05
        yield ratio(f"{way}, {KIB}, 1 connection", "uvloop", one)
        yield ratio(f"{way}, {KIB}, 100 connections", "uvloop", 1.0)
    for row in ("Unix Protocol, 1 KiB, 1 connection", "Unix Protocol, 1 KiB, 100 connections"):
        yield ratio(row, "uvloop", 1.0)
    yield ratio("UDP, 1 KiB, 1 connection", "uvloop", 1.0)
    yield ratio("UDP, 1 KiB, 50 connections", "uvloop", 1.0)
    for way in (
        "TCP Protocol",
        "TCP BufferedProtocol",
        "TCP streams",
        "TCP sock_*",
        "Unix Protocol",
    ):
        for connections in ("1 connection", "100 connections"):
            yield ratio(f"{way}, 100 KiB, {connections}", "uvloop", 1.0)
    for size in (KIB, "100 KiB"):
        for connections in ("1 connection", "100 connections"):
            yield ratio(f"TLS Protocol, {size}, {connections}", "uvloop", 1.1)
            yield ratio(f"TLS Protocol, {size}, {connections}", "asyncio", 0.8)

    yield growth(crowd.BESIDE, crowd.ALONE, 1.1)
    yield ratio(crowd.MEMORY, "asyncio", 1.0)
    yield ratio("aiohttp, 1 connection", "uvloop", 1.0)
    yield ratio("aiohttp, 64 connections", "uvloop", 1.0)
    for load_name in window.LOADS:
        yield limit(f"QTimer, {load_name}, p99", 4e-3, "s")
    yield beyond(window.IDLE_CPU, BARE, 1e-3, "s")  # a CPU clock resolves no less in 5 s
    yield beyond(window.IDLE_SWITCHES, BARE, 0, "")

    for row in flood.COUNTS:
        yield limit(row, 100, "")
    for row in flood.TIMES:
        yield limit(row, 2.5e-3, "s")
    for row in (priorities.LOW, priorities.NORMAL):
        yield limit(row, 0.01, "s")  # 100 jobs a second
    yield limit(priorities.TIMER, 4e-3, "s")
    yield growth(priorities.IN_USE, priorities.PLAIN, 1.1)
    yield growth(priorities.YIELD, priorities.SLEEP, 0.25)
    for rows in (instruments.CALL_SOON, instruments.SLEEP_ZERO):
        yield added(rows[instruments.RECORDED], rows[instruments.OFF], 100e-9)
    yield limit(instruments.SAVE, 3, "s")
    yield limit(instruments.WINDOW, 0.02, "s")
    yield limit(instruments.UPDATE, 0.01, "s")
    yield limit(instruments.CHANGING, 0.01, "s")


def show(groups: dict[str, Table]) -> str:
    """Returns the targets for which there are figures."""
    rows: Rows = {}
    for table in groups.values():
        rows |= table["rows"]
    lines = [["target", "must be at most", "measured", ""]]
    reached = 0
    for target in targets():
        measured = target.measured(rows)
        if measured is None:
            continue
        good = measured <= target.must
        reached += good
        if target.unit is None:
            texts = [f"{target.must:.2f}", f"{measured:.2f}"]
        else:
            texts = [quantity(value, target.unit) for value in (target.must, measured)]
        lines.append([target.what, *texts, "reached" if good else "MISSED"])
    if len(lines) == 1:
        return "There is no target for what was measured."
    return f"{align(lines)}\n{reached} of {len(lines) - 1} targets are reached."


if __name__ == "__main__":
    file = Path(__file__).with_name("results.json")
    print(show(json.loads(file.read_text())["groups"]))
