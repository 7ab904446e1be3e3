"""The reports of a loop's watchdog."""

from __future__ import annotations

import inspect
import queue
from collections.abc import Callable, Iterator

import pytest

from qtloop import QEventLoop, Stall

# Seconds: a threshold that a test reaches quickly, and one that nothing reaches by accident.
QUICK = 0.05
LONG = 0.3

# Seconds within which a report must come; it takes some milliseconds.
LATE = 20


class Stalls:
    """Collects the stalls of a loop whose watchdog it sets.

    It omits those of other functions than `next()` and the ones whose names begin with "block": on
    a busy machine, an import or a garbage collection takes longer than a quick threshold.
    """

    def __init__(self, loop: QEventLoop, seconds: float = QUICK) -> None:
        self.queue: queue.SimpleQueue[Stall] = queue.SimpleQueue()
        loop.set_stall_handler(self._add)
        loop.watchdog = seconds

    def _add(self, stall: Stall) -> None:
        if any(frame.name == "next" or frame.name.startswith("block") for frame in stall.stack):
            self.queue.put(stall)

    def next(self) -> Stall:
        """Blocks this thread until there is a report."""
        return self.queue.get(timeout=LATE)

    def rest(self) -> list[Stall]:
        """Returns the reports so far."""
        return [self.next() for _ in range(self.queue.qsize())]


@pytest.fixture
def stalls(loop: QEventLoop) -> Iterator[Stalls]:
    """The stalls of the loop of this test, whose watchdog is quick."""
    yield Stalls(loop)
    loop.set_stall_handler(None)
    loop.watchdog = 0


def line_of(function: Callable[..., object], text: str) -> int:
    """Returns the number of the line of a function that contains the text."""
    lines, first = inspect.getsourcelines(function)
    return first + next(index for index, line in enumerate(lines) if text in line)
