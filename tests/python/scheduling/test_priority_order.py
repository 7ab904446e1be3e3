"""The order of jobs: by priority, first in, first out in each, and asyncio's without priorities."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import random
from collections.abc import Callable
from typing import Any

import pytest
from support.priorities import settle

import qtloop
from qtloop import Priority

HIGH, NORMAL, LOW = Priority.HIGH, Priority.NORMAL, Priority.LOW


def run_long(loop: qtloop.QEventLoop, main: Any) -> Any:
    """Runs a coroutine in one turn, which Qt's events do not end."""
    loop.turn_budget = 3600
    return loop.run_until_complete(main)


def test_names_of_priorities() -> None:
    assert [(each.name, int(each)) for each in Priority] == [
        ("HIGH", -100),
        ("NORMAL", 0),
        ("LOW", 100),
    ]


def test_smaller_numbers_run_first(loop: qtloop.QEventLoop) -> None:
    log: list[int] = []

    async def main() -> None:
        priorities = list(range(-100, 101))
        random.Random(1).shuffle(priorities)
        for priority in priorities:
            loop.call_soon_priority(priority, log.append, priority)
        while len(log) < 201:
            await asyncio.sleep(0.001)

    run_long(loop, main())
    assert log == list(range(-100, 101))
    loop.run_until_complete(settle())
    assert not loop._uses_priorities()


def test_callbacks_of_one_priority_run_in_the_order_of_the_calls(
    loop: qtloop.QEventLoop,
) -> None:
    log: list[tuple[int, int]] = []

    async def main() -> None:
        for number in range(300):
            priority = (HIGH, LOW, 3)[number % 3]
            loop.call_soon_priority(priority, log.append, (priority, number))
        while len(log) < 300:
            await asyncio.sleep(0.001)

    run_long(loop, main())
    assert log == sorted(log)


def test_tasks_of_one_priority_take_turns(loop: qtloop.QEventLoop) -> None:
    log: list[str] = []

    async def work(name: str) -> None:
        for number in range(3):
            log.append(f"{name}{number}")
            await asyncio.sleep(0)

    async def main() -> None:
        await asyncio.gather(
            loop.create_task(work("low"), priority=LOW),
            loop.create_task(work("a"), priority=HIGH),
            loop.create_task(work("b"), priority=HIGH),
            loop.create_task(work("c")),
        )

    run_long(loop, main())
    assert log == "a0 b0 a1 b1 a2 b2 c0 c1 c2 low0 low1 low2".split()


def test_callback_gets_its_arguments_and_context(loop: qtloop.QEventLoop) -> None:
    variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable")
    context = contextvars.copy_context()
    context.run(variable.set, 3)
    seen: list[Any] = []

    def note(*args: Any) -> None:
        seen.append((args, variable.get(None)))

    async def main() -> None:
        handle = loop.call_soon_priority(HIGH, note, 1, 2, context=context)
        assert isinstance(handle, asyncio.Handle)
        loop.call_soon_priority(HIGH, note)
        loop.call_soon_priority(HIGH, note, 4).cancel()
        await asyncio.sleep(0)

    loop.run_until_complete(main())
    assert seen == [((1, 2), 3), ((), None)]


@pytest.mark.parametrize("arguments", [(), (1,)])
def test_missing_arguments_raise_type_error(
    loop: qtloop.QEventLoop, arguments: tuple[Any, ...]
) -> None:
    with pytest.raises(TypeError, match="call_soon_priority"):
        loop.call_soon_priority(*arguments)


def test_timer_of_a_higher_priority_runs_first_if_both_are_due(loop: qtloop.QEventLoop) -> None:
    log: list[str] = []

    async def main() -> None:
        now = loop.time()
        loop.call_soon_priority(LOW, lambda: loop.call_at(now, log.append, "low"))
        await asyncio.sleep(0)
        loop.call_at(now, log.append, "normal")
        loop.call_soon_priority(HIGH, lambda: loop.call_at(now + 1e-6, log.append, "high"))
        while len(log) < 3:
            await asyncio.sleep(0.001)

    run_long(loop, main())
    assert log.index("high") < log.index("low")


# Random programs, the same on asyncio's own loop


class Program:
    """A random program of callbacks, timers, futures and tasks; its log is the order of all steps."""

    def __init__(self, loop: asyncio.AbstractEventLoop, seed: int) -> None:
        self.loop = loop
        self.random = random.Random(seed)
        self.log: list[str] = []
        self.left = 300
        self.tasks: set[asyncio.Task[None]] = set()
        self.futures: list[asyncio.Future[None]] = []

    def step(self, name: str) -> None:
        """Logs a step, and schedules up to two more things."""
        self.log.append(name)
        for _ in range(self.random.choice([1, 2, 2, 3])):
            if self.left > 0:
                self.left -= 1
                self.random.choice(
                    [self.soon, self.handle, self.future, self.complete, self.task, self.cancel]
                )(str(self.left))

    def soon(self, name: str) -> None:
        self.loop.call_soon(self.step, f"soon {name}")

    def handle(self, name: str) -> None:
        handle = self.loop.call_soon(self.step, f"cancelled {name}")
        if self.random.random() < 0.5:
            handle.cancel()

    def future(self, name: str) -> None:
        future = self.loop.create_future()
        future.add_done_callback(lambda _: self.step(f"future {name}"))
        self.futures.append(future)

    def complete(self, name: str) -> None:
        if self.futures:
            future = self.futures.pop(self.random.randrange(len(self.futures)))
            if not future.done():
                future.set_result(None)

    def cancel(self, name: str) -> None:
        tasks = sorted(self.tasks, key=lambda task: task.get_name())
        if tasks:
            self.random.choice(tasks).cancel()

    def task(self, name: str) -> None:
        task = self.loop.create_task(self.run(name), name=f"{name:>4}")
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def run(self, name: str) -> None:
        try:
            for number in range(self.random.randrange(4)):
                self.step(f"task {name} {number}")
                if self.random.random() < 0.5:
                    await asyncio.sleep(0)
                else:
                    future = self.loop.create_future()
                    self.futures.append(future)
                    await future
        except asyncio.CancelledError:
            self.step(f"task {name} cancelled")
            await asyncio.sleep(0)
            self.step(f"task {name} has cleaned up")

    async def main(self) -> None:
        for number in range(30):
            self.step(f"begin {number}")
            await asyncio.sleep(0)
        for _ in range(200):
            self.complete("")
            await asyncio.sleep(0)
        for task in list(self.tasks):
            task.cancel()
        while self.tasks:
            self.complete("")
            await asyncio.sleep(0)


@pytest.mark.parametrize("seed", range(40))
def test_program_without_priorities_runs_as_on_asyncio(loop: qtloop.QEventLoop, seed: int) -> None:
    mine = Program(loop, seed)
    run_long(loop, mine.main())
    with contextlib.closing(asyncio.SelectorEventLoop()) as other:
        theirs = Program(other, seed)
        other.run_until_complete(theirs.main())
    assert mine.log == theirs.log
    assert len(mine.log) > 50


# Random programs with priorities, and a model of the rule


class Model:
    """A loop of callbacks with the rule and nothing else: a list of jobs, sorted at each step."""

    def __init__(self) -> None:
        self._jobs: list[tuple[int, int, Callable[[], None]]] = []
        self._count = 0
        self.running = 0

    def call_soon(self, callback: Callable[..., None], *args: Any) -> None:
        self.call_soon_priority(self.running, callback, *args)

    def call_soon_priority(self, priority: int, callback: Callable[..., None], *args: Any) -> None:
        self._count += 1
        self._jobs.append((priority, self._count, lambda: callback(*args)))

    def run(self) -> None:
        while self._jobs:
            job = min(self._jobs, key=lambda job: job[:2])
            self._jobs.remove(job)
            self.running = job[0]
            job[2]()


class Callbacks:
    """A random program of callbacks with and without an own priority."""

    def __init__(self, loop: Any, seed: int) -> None:
        self.loop = loop
        self.random = random.Random(seed)
        self.log: list[int] = []
        self.made = 0

    def step(self, number: int) -> None:
        self.log.append(number)
        for _ in range(self.random.choice([0, 1, 1, 2, 2])):
            if self.made < 400:
                self.made += 1
                if self.random.random() < 0.4:
                    priority = self.random.choice([-100, -3, 0, 3, 100])
                    self.loop.call_soon_priority(priority, self.step, self.made)
                else:
                    self.loop.call_soon(self.step, self.made)


@pytest.mark.parametrize("seed", range(40))
def test_callbacks_with_priorities_run_as_in_a_model(loop: qtloop.QEventLoop, seed: int) -> None:
    expected = Callbacks(Model(), seed)
    for number in range(-10, 0):
        expected.loop.call_soon(expected.step, number)
    expected.loop.run()
    mine = Callbacks(loop, seed)
    for number in range(-10, 0):
        loop.call_soon(mine.step, number)

    async def main() -> None:
        while len(mine.log) < len(expected.log):
            await asyncio.sleep(0.001)

    run_long(loop, main())
    assert mine.log == expected.log
    loop.run_until_complete(settle())
    assert not loop._uses_priorities()


@pytest.mark.parametrize("seed", range(40))
def test_tasks_with_priorities_run_as_callbacks_of_the_model(
    loop: qtloop.QEventLoop, seed: int
) -> None:
    """A task that yields is a callback that queues itself again, with the task's priority."""
    source = random.Random(seed)
    plan = [
        (
            source.choice([-100, -7, 0, 7, 100]),
            source.randrange(1, 6),
            source.choice([None, -50, 0, 50]),
        )
        for _ in range(40)
    ]
    log: list[tuple[int, int]] = []

    async def work(number: int, steps: int, changed: int | None) -> None:
        for step in range(steps):
            log.append((number, step))
            if step == 2 and changed is not None:
                task = asyncio.current_task()
                assert task is not None
                qtloop.set_priority(task, changed)
            await asyncio.sleep(0)

    async def main() -> None:
        tasks = [
            loop.create_task(work(number, steps, changed), priority=priority)
            for number, (priority, steps, changed) in enumerate(plan)
        ]
        await asyncio.gather(*tasks)

    run_long(loop, main())

    model = Model()
    expected: list[tuple[int, int]] = []

    def step(number: int, index: int, priority: int) -> None:
        _, steps, changed = plan[number]
        if index < steps:
            expected.append((number, index))
            if index == 2 and changed is not None:
                priority = changed
            model.call_soon_priority(priority, step, number, index + 1, priority)

    for number, (priority, _, _) in enumerate(plan):
        model.call_soon_priority(priority, step, number, 0, priority)
    model.run()
    assert log == expected
    loop.run_until_complete(settle())
    assert not loop._uses_priorities()
