"""No priority starves: a turn that is over ends with one job of each lower priority."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from conftest import needs_binding
from support.priorities import run_with, settle

import qtloop
from qtloop import Priority
from qtloop._binding import binding

HIGH, NORMAL, LOW = Priority.HIGH, Priority.NORMAL, Priority.LOW


class Spinner:
    """A task that never rests."""

    def __init__(self, loop: qtloop.QEventLoop, priority: int = HIGH) -> None:
        self.is_stopped = False
        self.steps = 0
        self.task = loop.create_task(self._spin(), priority=priority)

    async def _spin(self) -> None:
        while not self.is_stopped:
            self.steps += 1
            await asyncio.sleep(0)


@pytest.mark.parametrize("budget", [0, 0.0005, 0.002])
@pytest.mark.parametrize("debug", [False, True])
def test_lower_priorities_progress_beside_a_task_that_never_rests(
    loop: qtloop.QEventLoop, budget: float, debug: bool
) -> None:
    loop.turn_budget = budget
    loop.set_debug(debug)
    steps = dict.fromkeys([-1, NORMAL, 1, LOW], 0)
    done = loop.create_future()

    def chain(priority: int) -> None:
        steps[priority] += 1
        if min(steps.values()) >= 20 and not done.done():
            done.set_result(None)
        elif not done.done():
            loop.call_soon(chain, priority)

    async def main() -> None:
        spinner = Spinner(loop)
        for priority in steps:
            loop.call_soon_priority(priority, chain, priority)
        await done
        spinner.is_stopped = True
        await spinner.task

    began = time.monotonic()
    loop.run_until_complete(asyncio.wait_for(main(), 20))
    # 100 jobs per second of each are promised; the bound leaves room for a busy machine.
    assert time.monotonic() - began < 10
    assert min(steps.values()) >= 20


@needs_binding
def test_timers_of_qt_fire_beside_a_task_that_never_rests(loop: qtloop.QEventLoop) -> None:
    assert binding is not None
    timer = binding.QtCore.QTimer()
    fired = 0
    done = loop.create_future()

    def tick() -> None:
        nonlocal fired
        fired += 1
        if fired == 10:
            timer.stop()
            done.set_result(None)

    async def main() -> None:
        spinner = Spinner(loop)
        timer.timeout.connect(tick)
        timer.start(2)
        await done
        spinner.is_stopped = True
        await spinner.task

    loop.run_until_complete(asyncio.wait_for(main(), 20))
    assert fired == 10


def test_low_timers_and_events_are_served_beside_a_task_that_never_rests(
    loop: qtloop.QEventLoop,
) -> None:
    async def low() -> None:
        for _ in range(3):
            await asyncio.sleep(0.001)
        assert await asyncio.to_thread(int, "3") == 3
        await (await asyncio.create_subprocess_exec("/bin/true")).wait()

    async def main() -> None:
        spinner = Spinner(loop)
        await loop.create_task(low(), priority=LOW)
        spinner.is_stopped = True
        await spinner.task

    loop.run_until_complete(asyncio.wait_for(main(), 20))


def test_run_ends_although_a_high_task_never_rests(loop: qtloop.QEventLoop) -> None:
    spinner = Spinner(loop)
    assert loop.run_until_complete(asyncio.sleep(0.001, "done")) == "done"
    assert not spinner.task.done()
    loop.run_until_complete(asyncio.sleep(0))
    spinner.is_stopped = True
    loop.run_until_complete(spinner.task)


def test_stop_ends_the_run_after_the_jobs_that_are_ready(loop: qtloop.QEventLoop) -> None:
    log: list[str] = []

    def stop() -> None:
        loop.stop()
        loop.call_soon(log.append, "from the stopping job")

    spinner = Spinner(loop)
    loop.call_soon_priority(LOW, log.append, "low")
    loop.call_soon(stop)
    loop.run_forever()
    assert "low" in log
    assert not spinner.task.done()
    spinner.is_stopped = True
    loop.run_until_complete(spinner.task)
    loop.run_until_complete(settle())
    assert not loop._uses_priorities()


@pytest.mark.parametrize("budget", [0, 0.002])
def test_stop_in_a_high_task_that_never_rests_ends_the_run(
    loop: qtloop.QEventLoop, budget: float
) -> None:
    loop.turn_budget = budget
    steps = 0

    async def high() -> None:
        nonlocal steps
        while True:
            steps += 1
            if steps % 10 == 0:
                loop.stop()
            await asyncio.sleep(0)

    task = loop.create_task(high(), priority=HIGH)
    for _ in range(3):
        loop.run_forever()
    assert steps <= 40
    task.cancel()
    loop.run_until_complete(asyncio.wait([task]))


def test_run_cancels_prioritised_tasks_at_its_end(app: Any) -> None:
    ended: list[str] = []

    async def work(name: str, *, spins: bool) -> None:
        try:
            while True:
                await asyncio.sleep(0 if spins else 60)
        finally:
            await asyncio.sleep(0)
            ended.append(name)

    tasks: list[asyncio.Task[None]] = []

    async def main() -> None:
        loop: Any = asyncio.get_running_loop()
        for priority in (HIGH, LOW, 3):
            for spins in (False, True):
                work_of = work(f"{priority} {spins}", spins=spins)
                tasks.append(loop.create_task(work_of, priority=priority))
        await asyncio.sleep(0.005)

    qtloop.run(main())
    assert len(ended) == 6
    assert all(task.cancelled() for task in tasks)


def test_close_drops_jobs_of_all_priorities(app: Any) -> None:
    loop = qtloop.QEventLoop(app)
    log: list[int] = []
    task = loop.create_task(asyncio.sleep(60), priority=LOW)
    task._log_destroy_pending = False  # type: ignore[attr-defined]
    loop.run_until_complete(asyncio.sleep(0.005))
    for priority in (HIGH, NORMAL, LOW):
        loop.call_soon_priority(priority, log.append, priority)
        loop.call_soon_priority(priority, loop.call_later, 60, log.append, priority)
    loop.close()
    assert log == []
    assert qtloop.get_priority(task) == NORMAL
    with pytest.raises(RuntimeError, match="closed"):
        qtloop.set_priority(task, HIGH)
    with pytest.raises(RuntimeError, match="closed"):
        loop.call_soon_priority(HIGH, log.append, 1)
    coro = asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="closed"):
        loop.create_task(coro, priority=HIGH)
    coro.close()


def test_yield_if_needed_gives_way_to_a_higher_priority(loop: qtloop.QEventLoop) -> None:
    loop.turn_budget = 3600
    log: list[str] = []

    async def main() -> None:
        loop.call_soon_priority(LOW, log.append, "low")
        await qtloop.yield_if_needed()
        log.append("no wait")
        loop.call_soon_priority(HIGH, log.append, "high")
        await qtloop.yield_if_needed()
        log.append("waited")

    run_with(loop, main(), NORMAL)
    assert log[:3] == ["no wait", "high", "waited"]
