"""The clock of the plots: the longest time between two frames."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from conftest import needs_binding

import qtloop
from qtloop._binding import binding

if TYPE_CHECKING:
    from qtloop.inspector._plot import FrameClock

pytestmark = needs_binding


@pytest.fixture
def clock(loop: qtloop.QEventLoop) -> Iterator[FrameClock]:
    from qtloop.inspector._plot import FrameClock

    assert binding is not None
    parent = binding.QtCore.QObject()
    clock = FrameClock(parent)
    clock.start()
    yield clock
    clock.stop()


async def frame(clock: FrameClock) -> int:
    """Waits for a timer event of the clock, and returns the longest gap since the last call."""
    before = clock._last
    while clock._last == before:
        await asyncio.sleep(0.001)
    return clock.take_longest()


def test_gap_is_about_the_time_that_a_callback_took(
    loop: qtloop.QEventLoop, clock: FrameClock
) -> None:
    async def main() -> int:
        await frame(clock)
        time.sleep(0.2)
        return await frame(clock)

    # The callback can begin right after a timer event, or right before the next one.
    assert loop.run_until_complete(main()) >= (0.2 - 0.033) * 1e9


def test_gap_is_measured_while_it_lasts(loop: qtloop.QEventLoop, clock: FrameClock) -> None:
    async def main() -> int:
        await frame(clock)
        time.sleep(0.2)
        return clock.take_longest()

    assert loop.run_until_complete(main()) >= (0.2 - 0.033) * 1e9


def test_forgotten_work_is_no_gap(loop: qtloop.QEventLoop, clock: FrameClock) -> None:
    async def main() -> int:
        await frame(clock)
        time.sleep(0.2)
        clock.forget_last()
        return clock.take_longest()

    assert loop.run_until_complete(main()) < 0.1e9
