"""`yield_if_needed()`: a long computation yields when the turn has used up its time."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from conftest import needs_binding

import qtloop
from qtloop._binding import binding


def spin(seconds: float) -> None:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def test_it_returns_at_once_while_the_turn_has_time(loop: qtloop.QEventLoop) -> None:
    loop.turn_budget = 3600
    log: list[str] = []

    async def main() -> None:
        loop.call_soon(log.append, "callback")
        for _ in range(1000):
            await qtloop.yield_if_needed()
        log.append("computed")
        await asyncio.sleep(0)

    loop.run_until_complete(main())
    assert log == ["computed", "callback"]


def test_it_lets_queued_callbacks_run_when_the_time_is_used_up(loop: qtloop.QEventLoop) -> None:
    loop.turn_budget = 0.001
    log: list[str] = []

    async def main() -> None:
        loop.call_soon(log.append, "callback")
        spin(0.002)
        await qtloop.yield_if_needed()
        log.append("computed")

    loop.run_until_complete(main())
    assert log == ["callback", "computed"]


def test_next_turn_has_its_own_time(loop: qtloop.QEventLoop) -> None:
    loop.turn_budget = 0.3
    log: list[str] = []

    async def main() -> None:
        spin(0.31)
        await qtloop.yield_if_needed()
        loop.call_soon(log.append, "callback")
        await qtloop.yield_if_needed()
        log.append("computed")
        await asyncio.sleep(0)

    loop.run_until_complete(main())
    assert log == ["computed", "callback"]


@needs_binding
def test_qt_processes_its_events_during_a_computation(loop: qtloop.QEventLoop) -> None:
    assert binding is not None
    timer = binding.QtCore.QTimer()
    fired: list[float] = []
    timer.timeout.connect(lambda: fired.append(time.perf_counter()))

    async def main() -> None:
        timer.start(1)
        while len(fired) < 3:
            spin(0.0005)
            await qtloop.yield_if_needed()
        timer.stop()

    loop.run_until_complete(main())
    assert len(fired) == 3


@needs_binding
def test_it_yields_in_the_first_step_of_a_slot(loop: qtloop.QEventLoop) -> None:
    log: list[str] = []

    assert binding is not None
    QObject: Any = binding.QtCore.QObject

    class Sender(QObject):  # type: ignore[misc]
        @qtloop.asyncSlot()
        async def work(self) -> None:
            log.append("in the emission")
            await qtloop.yield_if_needed()
            log.append("in a turn")
            loop.stop()

    sender = Sender()

    def emit() -> None:
        sender.work()
        log.append("emitted")

    binding.QtCore.QTimer.singleShot(0, emit)
    loop.run_forever()
    assert log == ["in the emission", "emitted", "in a turn"]


def test_turn_of_a_nested_wait_does_not_change_the_time_of_the_outer_one(
    loop: qtloop.QEventLoop,
) -> None:
    loop.turn_budget = 3600
    log: list[str] = []

    async def inner() -> None:
        loop.turn_budget = 0.0005
        await asyncio.sleep(0.002)
        spin(0.001)
        await qtloop.yield_if_needed()
        log.append("inner")

    async def main() -> None:
        qtloop.block_on(inner())
        loop.call_soon(log.append, "callback")
        await qtloop.yield_if_needed()
        log.append("outer")
        await asyncio.sleep(0)

    loop.run_until_complete(main())
    assert log == ["inner", "outer", "callback"]


def test_it_always_yields_in_other_loops() -> None:
    log: list[str] = []

    async def main() -> None:
        asyncio.get_running_loop().call_soon(log.append, "callback")
        await qtloop.yield_if_needed()
        log.append("computed")

    asyncio.run(main())
    assert log == ["callback", "computed"]


def test_turn_without_a_budget_always_yields(loop: qtloop.QEventLoop) -> None:
    loop.turn_budget = 0
    log: list[str] = []

    async def main() -> None:
        loop.call_soon(log.append, "callback")
        await qtloop.yield_if_needed()
        log.append("computed")

    loop.run_until_complete(main())
    assert log == ["callback", "computed"]


@pytest.mark.filterwarnings("error")
def test_result_that_is_not_awaited_gives_no_warning(loop: qtloop.QEventLoop) -> None:
    async def main() -> Any:
        return qtloop.yield_if_needed()

    loop.run_until_complete(main())
