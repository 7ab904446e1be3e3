"""Wall-clock time: `sleep_until()` and `loop.call_at_datetime()`.

The loop's other timers use the monotonic clock, which cannot be set and stops during suspend. Here
one timerfd per loop, on the system's clock, wakes the loop for the earliest deadline and when the
clock was set. Each wake-up reads the clock, and calls only what is due by it.

In a loop with a virtual clock, that clock is the wall clock, in seconds since 1970 UTC.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import os
import sys
from collections.abc import Callable
from contextvars import Context
from datetime import datetime, timedelta, timezone
from heapq import heapify, heappop, heappush
from typing import Any

from ._asyncio_private import set_result_unless_cancelled
from ._base import BaseLoop
from ._native import WallTimer
from ._native import nanoseconds as loop_nanoseconds

# Seconds after which the clock is read again where no timerfd reports that it was set.
RECHECK = 1.0

# Below this number of stale entries of the heap, a rebuild costs more than it frees.
STALE = 64

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MICROSECOND = timedelta(microseconds=1)


async def sleep_until(when: datetime) -> None:
    """Waits until the wall clock has reached `when`, also if the clock is set during the wait:

        await qtloop.sleep_until(datetime.now() + timedelta(hours=8))

    A naive datetime is local time, as in `datetime.timestamp()`; an aware one is used with its time
    zone. If `when` is past, this returns after the callbacks that are ready. If the system is
    suspended at `when`, this returns when the system resumes. RuntimeError is raised if the running
    loop is no `QEventLoop`.

    Source: https://man7.org/linux/man-pages/man2/timerfd_create.2.html
    """
    loop = asyncio.get_running_loop()
    if not isinstance(loop, WallClockMixin):
        raise RuntimeError(
            f"sleep_until() needs a qtloop.QEventLoop, but {loop!r} is running: "
            "start the program with `qtloop.run(main())`"
        )
    done = loop.create_future()
    handle = loop._call_at_wall_time(
        when, nanoseconds(when, "sleep_until"), set_result_unless_cancelled, (done, None), None
    )
    try:
        await done
    finally:
        handle.cancel()


class DatetimeHandle(asyncio.TimerHandle):
    """A call of `call_at_datetime()`, which may be cancelled."""

    __slots__ = ("_clock", "_nanoseconds", "_priority", "_sequence", "deadline")

    deadline: datetime
    """The datetime that was given."""

    def __init__(
        self,
        clock: WallClock,
        deadline: datetime,
        nanoseconds: int,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        context: Context | None,
    ) -> None:
        self._clock = clock
        self._nanoseconds = nanoseconds
        self._priority = clock.loop._running_priority()
        self._sequence = next(clock.sequence)
        self.deadline = deadline
        super().__init__(self.when(), callback, args, clock.loop, context)

    def when(self) -> float:
        """Returns the deadline in the time of `loop.time()`, estimated from both clocks now."""
        return self._clock.loop.time() + (self._nanoseconds - self._clock.now()) / 1e9

    def cancel(self) -> None:
        """Cancels the call. Idempotent."""
        super().cancel()
        self._clock.discard(self._sequence)


class WallClock:
    """The handles of one loop that wait for the wall clock."""

    def __init__(self, loop: BaseLoop) -> None:
        self.loop = loop
        self.sequence = itertools.count()
        # Cancelled handles stay in the heap as (deadline, sequence number), which is cheaper than
        # finding them.
        self._heap: list[tuple[int, int]] = []
        self._waiting: dict[int, DatetimeHandle] = {}
        self._alarm: _TimerfdAlarm | _RecheckingAlarm
        if loop._clock is not None:
            self._alarm = _RecheckingAlarm(loop, self._woken, self.now, math.inf)
        elif _has_timerfd():
            self._alarm = _TimerfdAlarm(loop, self._woken)
        else:
            self._alarm = _RecheckingAlarm(loop, self._woken, self.now, RECHECK)
        self._set: int | None = None

    def now(self) -> int:
        """Returns the wall-clock time in nanoseconds since 1970-01-01 UTC."""
        return WallTimer.now() if self.loop._clock is None else loop_nanoseconds(self.loop)

    def add(self, handle: DatetimeHandle) -> None:
        """Adds a handle, and queues it at its deadline, which may be past."""
        self._waiting[handle._sequence] = handle
        heappush(self._heap, (handle._nanoseconds, handle._sequence))
        self._serve()

    def discard(self, sequence: int) -> None:
        """Removes a handle that was cancelled, if it waits."""
        if self._waiting.pop(sequence, None) is None:
            return
        stale = len(self._heap) - len(self._waiting)
        if stale > STALE and stale > len(self._waiting):
            self._heap = [entry for entry in self._heap if entry[1] in self._waiting]
            heapify(self._heap)
        self._set_alarm()

    def count(self) -> int:
        """Returns the number of handles that wait."""
        return len(self._waiting)

    def watches(self) -> int:
        """Returns the number of file descriptors that the clock watches."""
        return self._alarm.watches

    def own_timer(self) -> asyncio.TimerHandle | None:
        """Returns the loop's timer by which the clock wakes, if it uses one."""
        return self._alarm.timer

    def handles(self) -> list[DatetimeHandle]:
        """Returns the handles that wait, by deadline."""
        entries = sorted(self._heap)
        return [self._waiting[each] for _, each in entries if each in self._waiting]

    def after_fork(self) -> None:
        """Replaces the timer in a forked child, which shares it with its parent."""
        self._alarm.after_fork()
        self._alarm.set(self._set)

    def close(self) -> None:
        """Drops the handles and closes the descriptor."""
        self._waiting.clear()
        self._heap.clear()
        self._set = None
        self._alarm.close()

    def _woken(self) -> None:
        # The alarm must be set again even for the same deadline: that makes it unreadable.
        self._set = -1
        self._serve()

    def _serve(self) -> None:
        """Queues the handles that are due, by deadline."""
        now = self.now()
        while (deadline := self._next()) is not None and deadline <= now:
            _, sequence = heappop(self._heap)
            handle = self._waiting.pop(sequence)
            self.loop._add_callback(handle, handle._priority)
        self._set_alarm()

    def _next(self) -> int | None:
        while self._heap and self._heap[0][1] not in self._waiting:
            heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def _set_alarm(self) -> None:
        deadline = self._next()
        if deadline != self._set:
            self._set = deadline
            self._alarm.set(deadline)


class _TimerfdAlarm:
    """Wakes the loop at a time of the wall clock, and when the clock was set, by a timerfd."""

    watches = 1
    timer = None
    _LATEST = 2**62  # in the year 2116; the clock is read then

    def __init__(self, loop: BaseLoop, wake: Callable[[], None]) -> None:
        self._loop = loop
        self._wake = wake
        self._open()

    def _open(self) -> None:
        self._timer = WallTimer()
        # In an empty context: the watch lives as long as the loop.
        fd = self._timer.fileno()
        self._loop._watch(fd, False, False, self._wake, (), Context(), urgent=True)

    def set(self, deadline: int | None) -> None:
        self._timer.set(None if deadline is None else min(deadline, self._LATEST))

    def after_fork(self) -> None:
        self._loop._unwatch(self._timer.fileno(), False)
        self._timer.close()
        self._open()

    def close(self) -> None:
        self._timer.close()


class _RecheckingAlarm:
    """Wakes the loop at a time of the wall clock, by a timer of `recheck` seconds at most."""

    watches = 0

    def __init__(
        self, loop: BaseLoop, wake: Callable[[], None], now: Callable[[], int], recheck: float
    ) -> None:
        self._loop = loop
        self._wake = wake
        self._now = now
        self._recheck = recheck
        self.timer: asyncio.TimerHandle | None = None

    def set(self, deadline: int | None) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        if deadline is not None:
            seconds = min((deadline - self._now()) / 1e9, self._recheck)
            self.timer = self._loop.call_later(seconds, self._wake, context=Context())

    def after_fork(self) -> None:
        """Does nothing: the loop's timers belong to the child."""

    def close(self) -> None:
        """Does nothing: the loop has dropped its timers."""


class WallClockMixin(BaseLoop):
    """The part of the loop for wall-clock time."""

    def __init__(self, *args: Any) -> None:
        self._wall_clock: WallClock | None = None  # made when it is first used
        super().__init__(*args)

    def call_at_datetime(
        self,
        when: datetime,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> DatetimeHandle:
        """Calls callback(*args) when the wall clock has reached `when`, never earlier.

        A naive datetime is local time, as in `datetime.timestamp()`; an aware one is used with its
        time zone. After the clock was set, and after a suspend, the new time of the clock counts.
        If `when` is past, the callback is called after those that are ready. Call this on the
        loop's thread only.

        The handle is an `asyncio.TimerHandle` with an attribute `deadline`, the given datetime. Its
        `when()` is an estimate in the time of `loop.time()`, from both clocks as they are now.
        """
        self._check_callback(callback, "call_at_datetime")
        deadline = nanoseconds(when, "call_at_datetime")
        return self._call_at_wall_time(when, deadline, callback, args, context)

    def _call_at_wall_time(
        self,
        when: datetime,
        nanoseconds: int,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        context: Context | None,
    ) -> DatetimeHandle:
        self._check_closed()
        if self._debug:
            self._check_thread()
        clock = self._wall_clock
        if clock is None:
            clock = self._wall_clock = WallClock(self)
        handle = DatetimeHandle(clock, when, nanoseconds, callback, args, context)
        clock.add(handle)
        return handle

    def _after_fork(self) -> None:
        super()._after_fork()
        if self._wall_clock is not None and not self.is_closed():
            self._wall_clock.after_fork()


def nanoseconds(when: datetime, function: str) -> int:
    """Returns a datetime in nanoseconds since 1970-01-01 UTC; `function` is for error messages."""
    if not isinstance(when, datetime):
        raise TypeError(
            f"{function}() needs a datetime.datetime, not {type(when).__name__}: for a timestamp "
            "use datetime.fromtimestamp(seconds), for a duration datetime.now() + timedelta(...)"
        )
    # Integers: the float of `timestamp()` may be a quarter of a microsecond early.
    if when.utcoffset() is not None:
        return int((when - _EPOCH) // _MICROSECOND) * 1000
    try:
        seconds = int(when.replace(microsecond=0, tzinfo=None).timestamp())
    except (OSError, OverflowError, ValueError) as error:
        raise ValueError(
            f"{function}(): the system cannot convert the local time {when} ({error}): pass an "
            "aware datetime, such as datetime(..., tzinfo=timezone.utc)"
        ) from error
    return seconds * 1_000_000_000 + when.microsecond * 1000


def _has_timerfd() -> bool:
    return sys.platform == "linux" and os.environ.get("QTLOOP_TIMER") != "qtimer"
