"""The latencies and pressures of the last seconds of one control loop."""

from __future__ import annotations

import time
from collections import deque

SLOT = 0.1  # seconds
SLOTS = 200  # 20 seconds


class Trace:
    """The newest readings, and the highest latency of each slot of 0.1 s."""

    def __init__(self) -> None:
        self.pressures: deque[float] = deque(maxlen=100)  # of a second
        self.latencies: deque[float] = deque(maxlen=3000)  # of half a minute
        self.slots: deque[tuple[int, float]] = deque(maxlen=SLOTS)
        self.jobs = 0
        self.rate = 0.0  # jobs per second
        self._last = (time.monotonic(), 0)

    def add(self, sent: float, latency: float, pressure: float) -> None:
        """Adds a reading: its time, its latency in seconds and its pressure in bar."""
        self.latencies.append(latency)
        self.pressures.append(pressure)
        slot = int(sent / SLOT)
        if self.slots and self.slots[-1][0] == slot:
            slot, highest = self.slots.pop()
            latency = max(highest, latency)
        self.slots.append((slot, latency))

    def clear(self) -> None:
        """Begins the figures again, which then are those of one setting."""
        self.latencies.clear()

    def count(self, jobs: int) -> None:
        """Takes the number of jobs that have run, for the rate."""
        now = time.monotonic()
        before, had = self._last
        self.jobs = jobs
        if now - before >= 0.5:
            self.rate = (jobs - had) / (now - before)
            self._last = (now, jobs)

    def figures(self) -> tuple[float, float, float]:
        """Returns the median, the 99th percentile and the highest latency, in milliseconds."""
        ordered = sorted(self.latencies) or [0.0]
        last = len(ordered) - 1
        return ordered[last // 2] * 1000, ordered[round(last * 0.99)] * 1000, ordered[last] * 1000
