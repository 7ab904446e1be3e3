"""Medians, spreads and ratios of the measurements, as text tables and as JSON data."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import statistics
from pathlib import Path
from typing import NotRequired, TypedDict

from measure import BYTES, COUNT, SECONDS, Group

OWN = "qtloop"

Measured = dict[str, dict[str, dict[int, float]]]  # by loop, row and round
Reasons = dict[str, dict[str, str]]  # by loop and workload


class Figure(TypedDict):
    """One loop's cell: half the interquartile range is the spread, relative to the median."""

    median: float
    spread: float
    ratio: float | None  # qtloop's figure / this one, the median over the rounds
    ratio_spread: float | None


class Row(TypedDict):
    unit: str
    loops: dict[str, Figure]


class Table(TypedDict):
    title: str
    rows: dict[str, Row]
    reasons: Reasons
    machine: NotRequired[dict[str, str]]  # if it was measured later than the other groups


class Results(TypedDict):
    machine: dict[str, str]
    versions: dict[str, str]
    rounds: int
    groups: dict[str, Table]


def spread(values: list[float]) -> float:
    middle = statistics.median(values)
    if len(values) < 2 or not middle:
        return 0.0
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return abs((high - low) / 2 / middle)


def figure(own: dict[int, float], peer: dict[int, float]) -> Figure:
    values = list(peer.values())
    # Compare round by round: a slow round is slow for both loops.
    ratios = [own[number] / peer[number] for number in own if peer.get(number, 0) > 0]
    return {
        "median": statistics.median(values),
        "spread": spread(values),
        "ratio": statistics.median(ratios) if ratios else None,
        "ratio_spread": spread(ratios) if ratios else None,
    }


def table(group: Group, measured: Measured, reasons: Reasons) -> Table:
    rows: dict[str, Row] = {}
    for workload in group.workloads:
        for name, unit in workload.rows.items():
            own = measured.get(OWN, {}).get(name, {})
            loops = {
                loop: figure(own, figures[name])
                for loop, figures in measured.items()
                if name in figures
            }
            rows[name] = {"unit": unit, "loops": loops}
    return {"title": group.title, "rows": rows, "reasons": reasons}


def quantity(value: float, unit: str) -> str:
    """Returns a figure with three digits and its unit."""
    if unit == SECONDS:
        scales = (("s", 1.0), ("ms", 1e-3), ("us", 1e-6), ("ns", 1e-9))
    elif unit == BYTES:
        scales = (("MiB", 2.0**20), ("KiB", 2.0**10), ("B", 1.0), ("B", 1.0))
    else:
        return f"{value:g}"
    name, scale = next((pair for pair in scales if abs(value) >= pair[1]), scales[-1])
    scaled = value / scale
    return f"{scaled:.{max(0, 2 - len(str(int(abs(scaled)))) + 1)}f} {name}"


def percent(value: float) -> str:
    return f"±{value * 100:.0f}%"


def cell(loop: str, row: Row) -> str:
    if loop not in row["loops"]:
        return "-"
    figure = row["loops"][loop]
    text = quantity(figure["median"], row["unit"])
    if row["unit"] == COUNT:
        return text
    if loop == OWN:
        return f"{text} {percent(figure['spread'])}"
    if figure["ratio"] is None or figure["ratio_spread"] is None:
        return text
    return f"{figure['ratio']:.2f} {percent(figure['ratio_spread'])}"


def align(lines: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            text.ljust(width) if number == 0 else text.rjust(width)
            for number, (text, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def show(name: str, table: Table) -> str:
    """Returns the table as text: qtloop's figures, and its ratios to the other loops."""
    loops = list(dict.fromkeys(loop for row in table["rows"].values() for loop in row["loops"]))
    order = [OWN] if OWN in loops else []
    order += [loop for loop in loops if loop != OWN]
    peers = [loop if loop == OWN else f"/ {loop}" for loop in order]
    lines = [["", *peers]]
    lines += [[row, *(cell(loop, data) for loop in order)] for row, data in table["rows"].items()]
    return "\n".join([f"{name}: {table['title']}", align(lines), *excuses(table["reasons"])])


def excuses(reasons: Reasons) -> list[str]:
    """Returns a line for each reason why loops have no figures."""
    loops: dict[tuple[str, str], list[str]] = {}
    for loop, by_workload in reasons.items():
        for reason in dict.fromkeys(by_workload.values()):
            names = [name for name, each in by_workload.items() if each == reason]
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            loops.setdefault((names[0] + more, reason), []).append(loop)
    return [f"  - {', '.join(names)}: {what}: {why}" for (what, why), names in loops.items()]


def machine() -> dict[str, str]:
    """Returns the machine and the versions, without anything that identifies the owner."""
    text = Path("/proc/cpuinfo").read_text()
    models = [line.partition(":")[2].strip() for line in text.splitlines() if "model name" in line]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": models[0] if models else platform.machine(),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{memory / 2**30:.0f} GiB",
        "system": platform.freedesktop_os_release().get("PRETTY_NAME", "Linux"),
        "kernel": platform.release(),
    }


def versions() -> dict[str, str]:
    found = {"Python": platform.python_version()}
    source = (Path(__file__).parents[2] / "Cargo.toml").read_text()
    found[OWN] = source.partition('version = "')[2].partition('"')[0]
    libraries = ("uvloop", "rloop", "asynkit", "trio", "qasync", "qtinter", "PySide6", "aiohttp")
    return found | {name: version for name in libraries if (version := version_of(name))}


def version_of(library: str) -> str:
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return ""


def heading(results: Results) -> str:
    machine = results["machine"]
    of = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    return (
        f"{machine['processor']}, {machine['cores']} cores; {machine['system']}; {of}.\n"
        "The column of qtloop has its own figure. The others have qtloop's / theirs: below 1,\n"
        "qtloop is faster (or smaller). Where a ratio would say nothing they have their own.\n"
        "All are medians of the rounds; ± is half of the interquartile range."
    )
