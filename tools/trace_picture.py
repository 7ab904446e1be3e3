"""Draws a trace that `Recording.save()` has written, or a part of it, from and to a time in ms.

    python tools/trace_picture.py trace.json docs/images/trace.svg 0 20

A row for each level of nesting of a track, an arrow from the job that has queued another one to it.
"""

from __future__ import annotations

import gzip
import json
import sys
from collections import defaultdict
from html import escape
from pathlib import Path
from typing import Any

WIDTH, LEFT, ROW, GAP = 960, 110, 22, 12
COLORS = {
    "qt": "#b39ddb",
    "turn": "#cfd8dc",
    "poll": "#78909c",
    "step": "#26a69a",
    "timer": "#ffb74d",
}
OTHER_COLOR = "#64b5f6"

Event = dict[str, Any]


def read(path: Path) -> list[Event]:
    """Returns the events of a trace."""
    opened: Any = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt") as file:
        events: list[Event] = json.load(file)["traceEvents"]
    return events


def levels(spans: list[Event]) -> list[tuple[int, Event]]:
    """Returns the spans of a track with the number of spans around each."""
    found, ends = [], list[float]()
    for span in sorted(spans, key=lambda span: (span["ts"], -span["dur"])):
        while ends and ends[-1] <= span["ts"] + 0.001:
            ends.pop()
        found.append((len(ends), span))
        ends.append(span["ts"] + span["dur"])
    return found


class Picture:
    """An SVG picture of the events between two times, in microseconds."""

    def __init__(self, events: list[Event], begin: float, end: float) -> None:
        self.begin, self.end = begin, end
        self.parts: list[str] = []
        self.y_of: dict[tuple[int, float], float] = {}  # of spans, by track and begin
        self.top: dict[int, float] = {}
        names = {e["tid"]: e["args"]["name"] for e in events if e["name"] == "thread_name"}
        spans = defaultdict(list)
        for event in events:
            if event["ph"] == "X" and event["ts"] < end and event["ts"] + event["dur"] > begin:
                spans[event["tid"]].append(event)
        self.height: float = 30
        for track in sorted(spans):
            self._track(names[track], track, levels(spans[track]))
        self._axis()
        self._arrows(events)

    def x(self, time: float) -> float:
        share = (min(max(time, self.begin), self.end) - self.begin) / (self.end - self.begin)
        return LEFT + share * (WIDTH - LEFT - 10)

    def _text(self, x: float, y: float, text: str, more: str = "") -> None:
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" {more}>{escape(text)}</text>')

    def _track(self, name: str, track: int, spans: list[tuple[int, Event]]) -> None:
        self.top[track] = self.height
        rows = 1 + max(level for level, _ in spans)
        self._text(10, self.height + 15, name, 'font-weight="600"')
        for level, span in spans:
            y = self.height + level * ROW
            left, right = self.x(span["ts"]), self.x(span["ts"] + span["dur"])
            color = COLORS.get(span["cat"], OTHER_COLOR)
            width = max(right - left, 1)
            self.parts.append(
                f'<rect x="{left:.1f}" y="{y}" width="{width:.1f}" height="{ROW - 2}" '
                f'fill="{color}"><title>{escape(span["name"])}, {span["dur"]:.0f} µs</title></rect>'
            )
            if width > 7 * len(span["name"]) + 4:
                self._text(left + 4, y + 14, span["name"], 'font-size="11"')
            self.y_of[track, span["ts"]] = y
        self.height += rows * ROW + GAP

    def _axis(self) -> None:
        step = next(
            s for s in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50) if (self.end - self.begin) / s < 12_000
        )
        time = 0.0
        while self.begin + time * 1000 <= self.end:
            x = self.x(self.begin + time * 1000)
            self.parts.insert(
                0, f'<line x1="{x:.1f}" x2="{x:.1f}" y1="22" y2="{self.height}" stroke="#e0e0e0"/>'
            )
            self._text(x, 16, f"{time:g} ms", 'font-size="11" fill="#616161" text-anchor="middle"')
            time += step

    def _arrows(self, events: list[Event]) -> None:
        starts = {e["id"]: e for e in events if e["ph"] == "s"}
        for event in events:
            start = starts.get(event.get("id"))
            if event["ph"] != "f" or start is None or (event["tid"], event["ts"]) not in self.y_of:
                continue
            if start["ts"] < self.begin or start["tid"] not in self.top:
                continue
            x1, y1 = self.x(start["ts"]), self._y_at(start)
            x2, y2 = self.x(event["ts"]), self.y_of[event["tid"], event["ts"]] + ROW / 2 - 1
            middle = (x1 + x2) / 2
            self.parts.append(
                f'<path d="M{x1:.1f} {y1:.1f} C{middle:.1f} {y1:.1f} {middle:.1f} {y2:.1f} '
                f'{x2:.1f} {y2:.1f}" fill="none" stroke="#37474f" stroke-opacity="0.55" '
                'marker-end="url(#arrow)"/>'
            )

    def _y_at(self, start: Event) -> float:
        """Returns where an arrow begins: at the lowest row of its track."""
        of_track = [
            y for (track, ts), y in self.y_of.items() if track == start["tid"] and ts <= start["ts"]
        ]
        return max(of_track, default=self.top[start["tid"]]) + ROW / 2 - 1

    def svg(self) -> str:
        marker = (
            '<defs><marker id="arrow" viewBox="0 0 6 6" refX="6" refY="3" markerWidth="6" '
            'markerHeight="6" orient="auto"><path d="M0 0 L6 3 L0 6 z" fill="#37474f"/>'
            "</marker></defs>"
        )
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{self.height:.0f}" '
            f'viewBox="0 0 {WIDTH} {self.height:.0f}" font-family="sans-serif" font-size="13">\n'
            f'{marker}<rect width="100%" height="100%" fill="white"/>\n'
            + "\n".join(self.parts)
            + "\n</svg>\n"
        )


def main(trace: str, out: str, begin: float | None = None, end: float | None = None) -> None:
    events = read(Path(trace))
    spans = [event for event in events if event["ph"] == "X"]
    first = min(span["ts"] for span in spans) if begin is None else begin * 1000
    last = max(span["ts"] + span["dur"] for span in spans) if end is None else end * 1000
    Path(out).write_text(Picture(events, first, last).svg(), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:3], *map(float, sys.argv[3:]))
