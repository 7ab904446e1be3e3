"""Writes the saved results of the benchmarks as tables into pages of the documentation site.

A page names the file and the group: `<!-- figures: compare/python/results.json scheduling -->`.
The first column of figures is qtloop's; the others are multiples of it, as in the chart.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
MARKER = re.compile(r"^<!-- figures: (?P<path>\S+) (?P<group>\S+) -->$", re.MULTILINE)
OWN = "qtloop"
SCALES = {
    "s": (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6), ("ns", 1e-9)),
    "B": (("MiB", 2.0**20), ("KiB", 2.0**10), ("B", 1.0)),
    "B/s": (("GB/s", 1e9), ("MB/s", 1e6)),
}
# The units of compare/rust by their names in compare/python.
UNITS = {"seconds": "s", "bytes-per-second": "B/s", "count": "", "ratio": ""}


def quantity(value: float, unit: str) -> str:
    """Returns a figure with three digits and its unit."""
    unit = UNITS.get(unit, unit)
    if unit not in SCALES:
        return f"{value:.3g}"
    if not value:
        return "0"
    name, scale = next((pair for pair in SCALES[unit] if abs(value) >= pair[1]), SCALES[unit][-1])
    scaled = value / scale
    return f"{scaled:.{max(0, 3 - len(str(int(abs(scaled)))))}f} {name}"


def cell(figure: dict[str, Any] | None, peer: str, unit: str) -> str:
    """Returns qtloop's figure, or another loop's as a multiple of it; a count is not compared."""
    if figure is None:
        return "-"
    ratio = figure["ratio"]
    if peer == OWN or not ratio or UNITS.get(unit, unit) == "":
        return quantity(figure["median"], unit)
    times = 1 / ratio
    return f"{times:.{2 if times < 10 else 1 if times < 100 else 0}f} ×"  # noqa: RUF001


def table(results: dict[str, Any], group: str) -> str:
    """Returns one group of workloads as a Markdown table."""
    if "groups" in results:
        rows = [
            (name, row["unit"], row["loops"])
            for name, row in results["groups"][group]["rows"].items()
        ]
    else:
        rows = [
            (row["name"], row["unit"], row["peers"]) for row in results["workloads"][group]["rows"]
        ]
    peers = list(dict.fromkeys(peer for _, _, figures in rows for peer in figures))
    lines = ["|  | " + " | ".join(peers) + " |", "|---|" + "--:|" * len(peers)]
    for name, unit, figures in rows:
        cells = [cell(figures.get(peer), peer, unit) for peer in peers]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Replaces the markers of one page by tables."""

    def replace(marker: re.Match[str]) -> str:
        text = (ROOT / marker["path"]).read_text(encoding="utf-8")
        return table(json.loads(text), marker["group"])

    return MARKER.sub(replace, markdown)
