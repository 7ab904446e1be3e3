"""Fixtures for a wall clock that a test sets; the clock of the system is not touched."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import ClassVar

import pytest

from qtloop import _wall_clock
from qtloop._native import WallTimer


class ShiftedTimer:
    """A `WallTimer` on a clock that the test sets: the system's, shifted by an offset."""

    offset: ClassVar[int] = 0
    made: ClassVar[list[ShiftedTimer]] = []

    def __init__(self) -> None:
        self._timer = WallTimer()
        self.deadline: int | None = None
        self.times_set = 0
        self.made.append(self)

    @classmethod
    def now(cls) -> int:
        return WallTimer.now() + cls.offset

    def fileno(self) -> int:
        return self._timer.fileno()

    def set(self, deadline: int | None) -> None:
        self.deadline = deadline
        self.times_set += 1
        self._timer.set(None if deadline is None else deadline - self.offset)

    def clock_was_set(self) -> None:
        """Makes the descriptor readable, as the kernel does with `TFD_TIMER_CANCEL_ON_SET`."""
        self._timer.set(1)

    def close(self) -> None:
        self._timer.close()


class Clock:
    """The wall clock of a test."""

    def __init__(self) -> None:
        self.timers: list[ShiftedTimer] = []
        ShiftedTimer.offset = 0
        ShiftedTimer.made = self.timers

    def now(self) -> datetime:
        return datetime.fromtimestamp(0, timezone.utc) + timedelta(
            microseconds=ShiftedTimer.now() // 1000
        )

    def step(self, by: timedelta) -> None:
        """Sets the clock, as `settimeofday()` does, or a suspend as far as timers can see it."""
        ShiftedTimer.offset += by // timedelta(microseconds=1) * 1000
        for timer in self.timers:
            timer.clock_was_set()


@pytest.fixture(params=["timerfd", "recheck"])
def alarm(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Runs a test with a timerfd, and with a clock that is read again and again."""
    name: str = request.param
    monkeypatch.setenv("QTLOOP_TIMER", "qtimer" if name == "recheck" else "")
    return name


@pytest.fixture
def clock(alarm: str, monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock that the test sets, with each kind of alarm."""
    monkeypatch.setattr(_wall_clock, "WallTimer", ShiftedTimer)
    monkeypatch.setattr(_wall_clock, "RECHECK", 0.01)
    return Clock()


@pytest.fixture
def timerfd_clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock that the test sets, with a timerfd also where the environment forbids it."""
    monkeypatch.setenv("QTLOOP_TIMER", "")
    monkeypatch.setattr(_wall_clock, "WallTimer", ShiftedTimer)
    return Clock()
