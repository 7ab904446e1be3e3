"""`loop.stats()`: counts and times of a loop."""

from __future__ import annotations

import asyncio
import dataclasses

from . import _native
from ._monitors import MonitorsMixin


@dataclasses.dataclass(frozen=True)
class Stats:
    """A snapshot of a `QEventLoop`: what waits in it, and its counts and times since it was made.

    A *job* is a callback: also a step of a task, a timer, and an event of a file descriptor. A
    *turn* is one call from Qt: the loop runs jobs until none is ready, or `turn_budget` is spent.
    Times are seconds of the monotonic clock.
    """

    ready: dict[int, int]
    """The number of jobs that are ready, by priority, from the highest one. Priorities without a
    ready job are missing. Jobs of other threads count at the highest priority in use."""
    timers: int
    """The number of timers that wait for their deadlines, as in `len(loop._scheduled)`."""
    watched_fds: int
    """The number of file descriptors that are watched, without those of the loop itself."""
    tasks: int
    """The number of tasks of the loop that are not done."""
    turns: int
    """The number of turns. Includes turns inside jobs, such as those of a modal dialog."""
    jobs: int
    """The number of jobs that have begun."""
    wakeups: int
    """The number of turns that an event or a deadline has begun. Qt begins the other turns at once,
    because jobs were ready."""
    polls: int
    """The number of times that a turn has asked the operating system for events."""
    lingers: int
    """The number of times that a turn has waited for the next event: see `linger`."""
    linger_hits: int
    """The number of these waits that an event has ended."""
    time_in_turns: float
    """Seconds in turns, including their polls and waits. While a job runs a Qt event loop, such as
    that of a dialog, only the turns inside that loop count. A turn reads the clock after up to 16
    quick jobs, so each can be too short by a few microseconds."""
    longest_turn: float
    """Seconds of the longest turn: for so long, Qt could not process its events. If turns have run
    inside a job, the parts of its turn before and after them count separately."""
    timers_fired: int
    """The number of timers that have become ready, without those of `call_at_datetime()`."""
    mean_timer_lateness: float
    """The mean of the seconds from the deadline of a timer to the poll that has made it ready; 0.0
    if there was none. A long job before the timer makes it late."""
    max_timer_lateness: float
    """The most of these seconds."""
    time_polling: float | None = None
    """Seconds in which turns have asked the operating system for events, or have lingered, or None.
    It is a part of `time_in_turns`; the rest is that of jobs. Measured while an instrument is on:
    an added instrument, a recording, the watchdog or the inspector."""
    time_in_qt: float | None = None
    """Seconds in which Qt has processed its own events on this thread, or None. Measured as
    `time_polling` is."""
    time_waiting: float | None = None
    """Seconds in which this thread has waited for events in Qt's event loops, or None. Measured as
    `time_polling` is."""


class StatsMixin(MonitorsMixin):
    """The part of the loop that counts."""

    def stats(self) -> Stats:
        """Returns the counts and times of the loop, which are always on.

        Callable on any thread. The cost grows with the number of tasks and of watched file
        descriptors, because they are counted one by one. RuntimeError if the loop is closed.
        """
        fields = _native.stats(self)
        clock = self._wall_clock
        fields["timers"] = len(self._scheduled)
        fields["watched_fds"] -= 1 + (clock.watches() if clock else 0)  # the first is the self-pipe
        return Stats(tasks=len(asyncio.all_tasks(self)), **fields)
