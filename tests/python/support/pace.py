"""Paced functions that record their runs, for the tests of `throttle` and `debounce`."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest

import qtloop
from support.slots import QObject, Slot

FOREVER = 1000.0  # seconds: a timer that does not fire during a test


class Log:
    """A function that records its arguments, with a wait for a number of runs."""

    def __init__(self) -> None:
        self.runs: list[Any] = []
        self._ran = asyncio.Event()

    def __call__(self, *args: Any) -> None:
        self.runs.append(args[0] if len(args) == 1 else args)
        self._ran.set()

    async def until(self, count: int) -> list[Any]:
        while len(self.runs) < count:
            self._ran.clear()
            await self._ran.wait()
        return self.runs


@pytest.fixture
def no_excepthook(monkeypatch: pytest.MonkeyPatch) -> None:
    """Removes a hook that a library has set, such as exceptiongroup on Python 3.10."""
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)


async def quiet(paced: Any) -> None:
    """Waits until the function has no timer: its next call is a first one."""
    while paced._state._timer is not None:
        await asyncio.sleep(0)


def burst(paced: Any, count: int = 5) -> None:
    for number in range(count):
        paced(number)


class Meter(QObject):  # type: ignore[misc]
    """A QObject with paced methods."""

    def __init__(self) -> None:
        super().__init__()
        self.log = Log()

    @qtloop.throttle(FOREVER)
    def throttled(self, *args: Any) -> None:
        self.log(*args)

    @qtloop.debounce(0.001)
    def debounced(self, value: bool) -> None:
        self.log(value)

    @qtloop.debounce(0.001)
    def takes_none(self) -> None:
        self.log()

    @Slot(str)  # type: ignore[untyped-decorator]
    @qtloop.debounce(0.001)
    def slot_above(self, text: str) -> None:
        self.log(text)

    @qtloop.debounce(0.001)
    @Slot(str)  # type: ignore[untyped-decorator]
    def slot_below(self, text: str) -> None:
        self.log(text)
