"""Texts of numbers, times and places, which have the same width while they change slowly."""

from __future__ import annotations

from typing import NamedTuple

MINUTE = 60_000_000_000
HOUR = 60 * MINUTE


class Place(NamedTuple):
    """A code location. C code has no file, and the line is 0."""

    file: str
    line: int
    function: str

    def short(self) -> str:
        """Returns the name of the file and the line: `app.py:12`."""
        return f"{self.file.rpartition('/')[2]}:{self.line}" if self.file else ""

    def full(self) -> str:
        """Returns the path and the line, as compilers and editors write them."""
        return f"{self.file}:{self.line}" if self.file else ""


def duration(nanoseconds: int) -> str:
    """Formats a time: `38 µs`, `4.1 ms`, `230 ms`, `4.2 s`, `2 min 05 s`, `3 h 05 min`."""
    if nanoseconds < 1000:
        return "0" if nanoseconds <= 0 else "< 1 µs"
    for unit, scale, end in (("µs", 1e3, 999.5), ("ms", 1e6, 999.5), ("s", 1e9, 59.5)):
        value = nanoseconds / scale
        if value < 9.95 and unit != "µs":
            return f"{value:.1f} {unit}"
        if value < end:
            return f"{value:.0f} {unit}"
    if nanoseconds < HOUR:
        minutes, seconds = divmod(round(nanoseconds / 1e9), 60)
        return f"{minutes} min {seconds:02d} s"
    hours, minutes = divmod(nanoseconds // MINUTE, 60)
    return f"{hours} h {minutes:02d} min"


def number(value: int) -> str:
    """Formats a count: `1,234,567`, and from ten millions on `12.3 M`."""
    return f"{value:,}" if value < 10_000_000 else f"{value / 1e6:.1f} M"


def counted(value: int, noun: str) -> str:
    """Formats a count with its noun: `1 task`, `2 tasks`."""
    return f"{value:,} {noun}" if value == 1 else f"{value:,} {noun}s"
