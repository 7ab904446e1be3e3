"""The chart of the results: each peer's time as a multiple of qtloop's, on a log axis."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

from tables import Table

ROWS = {
    "call_soon, 0 args": "call_soon",
    "sleep(0), 1 task": "sleep(0), one task",
    "sleep(0), 100 tasks": "sleep(0), 100 tasks",
    "create_task": "create_task",
    "call_soon_threadsafe, own thread": "call_soon_threadsafe",
    "call_later + cancel": "call_later + cancel",
    "10,000 timers set and fired": "a timer set and fired",
    "one event beside 0 idle descriptors": "a readable descriptor",
    "one event beside 1,000 idle descriptors": "the same beside 1,000 idle ones",
    "TCP Protocol, 1 KiB, 1 connection": "TCP echo, 1 KiB",
    "TCP Protocol, 1 KiB, 100 connections": "TCP echo, 1 KiB, 100 connections",
    "TCP streams, 100 KiB, 1 connection": "TCP echo, 100 KiB, streams",
    "TLS Protocol, 1 KiB, 1 connection": "TLS echo, 1 KiB",
    "aiohttp, 64 connections": "aiohttp, 64 connections",
}
PANELS = (
    ("loops without Qt", {"asyncio": "#7f8fa6", "uvloop": "#e1a730", "rloop": "#b5533c"}),
    ("loops inside Qt", {"qasync": "#5b8c5a", "qtinter": "#4a7fb5", "QtAsyncio": "#8a6bb1"}),
)
INK = "#333333"
TICKS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200)


def draw(groups: dict[str, Table], file: Path) -> None:
    """Draws the rows that were measured."""
    matplotlib = importlib.import_module("matplotlib")
    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "qtloop"  # the same figures give the same file
    pyplot = importlib.import_module("matplotlib.pyplot")
    measured = {name: row for table in groups.values() for name, row in table["rows"].items()}
    rows = [name for name in ROWS if name in measured]
    peers = {peer for name in rows for peer in measured[name]["loops"]}
    panels = [(title, colours) for title, colours in PANELS if peers & set(colours)]
    if not panels:
        return

    figure, (axes,) = pyplot.subplots(
        1,
        len(panels),
        figsize=(2 + 4.5 * len(panels), 0.9 + 0.5 * len(rows)),
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for axis, (title, colours) in zip(axes, panels, strict=True):
        for place, (peer, colour) in enumerate(colours.items()):
            for number, name in enumerate(rows):
                cell = measured[name]["loops"].get(peer)
                if cell is None or not cell["ratio"]:
                    continue
                y = number + (place - 1) * 0.27
                times = 1 / cell["ratio"]
                axis.barh(y, times - 1, 0.24, left=1, color=colour)
                write(axis, times, y)
            axis.barh(0, 0, left=1, color=colour, label=peer)  # for the legend
        dress(axis, title, rows)
    axes[0].set_yticks(range(len(rows)), [ROWS[name] for name in rows], color=INK)
    figure.supxlabel(
        "time as a multiple of qtloop's, which is the line; right of it, qtloop is the faster one",
        fontsize=10,
        color=INK,
    )
    figure.savefig(file, metadata={"Date": None} if file.suffix == ".svg" else None, dpi=150)
    pyplot.close(figure)


def write(axis: Any, times: float, y: float) -> None:
    """Writes the number at the end of a bar."""
    text = f"{times:.0f}" if times >= 10 else f"{times:.1f}" if times >= 2 else f"{times:.2f}"
    left = times < 1
    axis.annotate(
        text,
        (times, y),
        (-3 if left else 3, 0),
        textcoords="offset points",
        ha="right" if left else "left",
        va="center",
        fontsize=7,
        color=INK,
    )


def dress(axis: Any, title: str, rows: list[str]) -> None:
    """Draws the scale, grid and legend of a panel."""
    axis.set_xscale("log")
    low, high = axis.get_xlim()
    axis.set_xlim(min(0.5, low / 1.2), max(4, high * 1.6))
    axis.axvline(1, color=INK, linewidth=1.2)
    low, high = axis.get_xlim()
    axis.set_xticks([tick for tick in TICKS if low <= tick <= high])
    axis.set_xticks([], minor=True)
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:g}×")  # noqa: RUF001
    axis.grid(axis="x", which="major", color="#dddddd", linewidth=0.8)
    axis.set_axisbelow(True)
    axis.tick_params(axis="y", length=0)
    axis.tick_params(axis="x", colors=INK, labelsize=9)
    for side in ("top", "right", "left"):
        axis.spines[side].set_visible(False)
    for number in range(1, len(rows), 2):
        axis.axhspan(number - 0.5, number + 0.5, color="#f6f6f4", zorder=0)
    axis.set_ylim(len(rows) - 0.5, -0.5)
    axis.set_title(title, fontsize=11, color=INK, loc="left")
    axis.legend(
        loc="lower right", bbox_to_anchor=(1, 1), ncols=3, frameon=False, fontsize=9, handlelength=1
    )


if __name__ == "__main__":
    here = Path(__file__)
    results = json.loads(here.with_name("results.json").read_text())
    draw(results["groups"], here.parents[2] / "docs" / "benchmarks.svg")
