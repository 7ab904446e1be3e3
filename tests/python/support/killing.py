"""Signals that are sent to this process while its loop is idle."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator

import pytest

# Seconds within which a signal must take effect while Qt is idle.
IDLE = 0.1
LATE = 0.5  # it takes tens of microseconds; the bound leaves room for a busy machine


@pytest.fixture
def kill() -> Iterator[Callable[[int], list[float]]]:
    """Sends a signal to the process after a delay; adds the time to the list."""
    threads: list[threading.Thread] = []

    def kill(number: int) -> list[float]:
        moment: list[float] = []

        def later() -> None:
            time.sleep(IDLE)
            moment.append(time.monotonic())
            os.kill(os.getpid(), number)

        threads.append(threading.Thread(target=later))
        threads[-1].start()
        return moment

    yield kill
    for thread in threads:
        thread.join()
