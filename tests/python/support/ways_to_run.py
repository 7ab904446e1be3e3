"""The ways to run a coroutine on a loop of its own."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

import qtloop
from qtloop import QEventLoop
from qtloop._binding import binding

QtCore: Any = binding.QtCore if binding else None

Main = Coroutine[Any, Any, Any]
Run = Callable[[Main], Any]
Exec = Callable[[], int]


def soon(function: Callable[[], object], msec: int = 0) -> None:
    """Makes Qt call the function."""
    QtCore.QTimer.singleShot(msec, function)


@pytest.fixture
def execute(app: Any) -> Exec:
    """The program's own exec(); it returns -1 if it is not exited in time."""
    if binding is None:
        pytest.skip("a program without a binding cannot call exec()")

    def execute() -> int:
        limit = QtCore.QTimer()
        limit.timeout.connect(lambda: app.exit(-1))
        limit.start(10_000)
        code: int = app.exec()
        limit.stop()
        return code

    return execute


def no_loop_runs() -> bool:
    return asyncio._get_running_loop() is None


def by_with_block(main: Main) -> Any:
    with QEventLoop() as loop:
        return loop.run_until_complete(main)


def by_runner(main: Main) -> Any:
    with asyncio.Runner(loop_factory=QEventLoop) as runner:
        return runner.run(main)


def by_asyncio_run(main: Main) -> Any:
    return asyncio.run(main, loop_factory=QEventLoop)


from_3_11 = pytest.mark.skipif(sys.version_info < (3, 11), reason="asyncio.Runner came with 3.11")
from_3_12 = pytest.mark.skipif(sys.version_info < (3, 12), reason="loop_factory came with 3.12")
each_run = pytest.mark.parametrize(
    "run",
    [
        qtloop.run,
        by_with_block,
        pytest.param(by_runner, marks=from_3_11),
        pytest.param(by_asyncio_run, marks=from_3_12),
    ],
)
