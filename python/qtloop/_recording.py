"""`loop.record()`: records what a loop does, as a trace and as a list of the longest callbacks."""

from __future__ import annotations

import os
from dataclasses import dataclass
from types import TracebackType
from typing import Literal

from . import _native
from ._base import BaseLoop


@dataclass(frozen=True)
class Quantiles:
    """Quantiles of a time, in seconds. The error is below 1 %, or half a microsecond."""

    p50: float
    p90: float
    p99: float


@dataclass(frozen=True)
class PlaceTimes:
    """The times of the callbacks and task steps of one code location, in seconds.

    A run time excludes the jobs that ran inside of the job, in a nested Qt event loop, and the time
    for which that loop waited. The latency of a job is the time from when it was ready to its
    begin.
    """

    file: str
    """The path of the source file; empty for code that is written in C."""
    line: int
    """The line at which the function is defined; 0 if it is unknown."""
    function: str
    """The qualified name of the function."""
    count: int
    """The number of jobs."""
    total: float
    """The sum of their run times."""
    worst: float
    """The longest run time."""
    worst_at: float
    """When the job with the longest run time began, in seconds after the begin of the recording."""
    worst_latency: float
    """The longest latency."""
    run: Quantiles | None
    """The quantiles of the run time; None beyond the first 512 locations."""
    latency: Quantiles | None
    """The quantiles of the latency; None if it is never known."""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line} " if self.file else ""
        times = f"{self.total:.6f} s in {self.count}, at most {self.worst:.6f} s"
        return f"{where}({self.function}): {times}"


class Recording:
    """A recording of a loop, made by `loop.record()`. Use it on the loop's thread.

    It ends at `stop()`, at the end of its `with` block, or when the program drops it. Its data can
    be read during the recording and after its end.
    """

    def __init__(self, recording: _native.Recording) -> None:
        self._recording = recording

    def __enter__(self) -> Recording:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Ends the recording. Idempotent."""
        self._recording.stop()

    @property
    def events(self) -> int:
        """The number of events that are kept."""
        return self._recording.events()

    @property
    def dropped(self) -> int:
        """The number of events that newer ones have overwritten."""
        return self._recording.dropped()

    @property
    def duration(self) -> float:
        """The seconds from the begin of the recording to its end, or until now."""
        return self._recording.duration()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the events as a Chrome trace: JSON, compressed if the path ends in `.gz`.

        Perfetto (https://ui.perfetto.dev), chrome://tracing and Qt Creator open it. OSError if it
        cannot be written; then an older file at the path is unchanged.
        """
        self._recording.save(os.fspath(path))

    def top(self, n: int = 10, by: Literal["total", "worst"] = "total") -> list[PlaceTimes]:
        """Returns the `n` code locations with the longest time in total, or in one job.

        The times are those of all jobs that have ended in the recording, also of those whose events
        were overwritten. ValueError for another order.
        """
        if by not in ("total", "worst"):
            raise ValueError(f'by must be "total" or "worst", not {by!r}')
        return [_place_times(*row) for row in self._recording.top(max(n, 0), by == "worst")]

    def __repr__(self) -> str:
        return f"<Recording events={self.events} dropped={self.dropped}>"


def _place_times(
    place: tuple[str, int, str],
    times: tuple[int, float, float, float, float],
    run: tuple[float, float, float] | None,
    latency: tuple[float, float, float] | None,
) -> PlaceTimes:
    file, line, function = place
    count, total, worst, worst_at, worst_latency = times
    return PlaceTimes(
        file=file,
        line=line,
        function=function,
        count=count,
        total=total,
        worst=worst,
        worst_at=worst_at,
        worst_latency=worst_latency,
        run=None if run is None else Quantiles(*run),
        latency=None if latency is None else Quantiles(*latency),
    )


class RecordingMixin(BaseLoop):
    """The part of the loop that records."""

    def record(self, events: int = 1_000_000) -> Recording:
        """Begins to record what the loop does, and returns the recording.

            with loop.record() as recording:
                await work()
            recording.save("trace.json.gz")

        Each job, turn and poll, each event that Qt delivers, and each task that begins or ends is
        an event of 48 bytes. The last `events` events are kept.

        RuntimeError if the loop is being recorded already or is closed, ValueError if `events` is
        not from 1 to 2**31. Call it on the loop's thread.
        """
        if not 1 <= events <= 2**31:
            raise ValueError(f"events must be from 1 to 2**31, not {events}")
        return Recording(_native.start_recording(self, events))
