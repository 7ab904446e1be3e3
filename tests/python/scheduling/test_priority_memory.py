"""A priority is in use only as long as a task, job, timer or watch has it; nothing is kept."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import warnings
import weakref
from typing import Any

import pytest
from support.priorities import own_and_running, run_with, settle
from support.running import nothing

import qtloop
from qtloop import Priority, get_priority, set_priority

HIGH, NORMAL, LOW = Priority.HIGH, Priority.NORMAL, Priority.LOW


def quietly(task: asyncio.Task[Any]) -> asyncio.Task[Any]:
    task._log_destroy_pending = False  # type: ignore[attr-defined]
    return task


async def waits(future: asyncio.Future[None]) -> None:
    await future


@pytest.mark.parametrize("priority", [HIGH, LOW])
@pytest.mark.parametrize("state", ["new", "waiting", "queued"])
def test_pending_task_that_is_collected_ends_the_use(
    loop: qtloop.QEventLoop, priority: int, state: str
) -> None:
    async def main() -> None:
        future = loop.create_future()

        task = quietly(loop.create_task(waits(future), priority=priority))
        if state != "new":
            while not getattr(future, "_callbacks", None):
                await asyncio.sleep(0.001)
        if state == "queued":
            future.set_result(None)
        assert loop._uses_priorities()
        del task, future
        gc.collect()
        while loop._uses_priorities():
            await asyncio.sleep(0.001)
            gc.collect()

    loop.run_until_complete(asyncio.wait_for(main(), 20))


def test_each_kind_of_use_ends(loop: qtloop.QEventLoop) -> None:
    one, other = socket.socketpair()

    async def main() -> None:
        assert not loop._uses_priorities()
        handle = loop.call_soon_priority(HIGH, nothing)
        assert loop._uses_priorities()
        handle.cancel()
        await asyncio.sleep(0.002)
        assert not loop._uses_priorities()
        made: list[Any] = []
        loop.call_soon_priority(LOW, lambda: made.append(loop.call_later(60, nothing)))
        await asyncio.sleep(0.002)
        assert loop._uses_priorities()
        made[0].cancel()
        await asyncio.sleep(0)
        assert not loop._uses_priorities()
        loop.call_soon_priority(LOW, loop.add_reader, one, nothing)
        await asyncio.sleep(0.002)
        assert loop._uses_priorities()
        loop.add_reader(one, nothing)
        assert not loop._uses_priorities()
        loop.remove_reader(one)

    with one, other:
        loop.run_until_complete(main())


def test_task_is_kept_neither_by_its_loop_nor_by_its_priority(loop: qtloop.QEventLoop) -> None:
    async def main() -> weakref.ref[Any]:
        task = loop.create_task(own_and_running(), priority=HIGH)
        set_priority(task, LOW)
        await task
        return weakref.ref(task)

    assert loop.run_until_complete(main())() is None


@pytest.mark.parametrize("closed", [False, True])
def test_loop_with_prioritised_tasks_is_collected(app: Any, closed: bool) -> None:
    loop = qtloop.QEventLoop(app)
    task = quietly(loop.create_task(asyncio.sleep(60), priority=HIGH))
    waiting = quietly(loop.create_task(asyncio.sleep(60), priority=LOW))
    loop.run_until_complete(asyncio.sleep(0.005))
    loop.call_later(60, set_priority, waiting, HIGH)
    set_priority(waiting, 5)
    reference = weakref.ref(loop)
    if closed:
        loop.close()
    del loop, task, waiting
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
    assert reference() is None


def test_many_short_tasks_keep_memory_flat(loop: qtloop.QEventLoop) -> None:
    def memory() -> int:
        gc.collect()
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    async def work() -> None:
        await asyncio.sleep(0)

    async def some(count: int) -> None:
        for number in range(count // 100):
            priority = (HIGH, LOW, number % 201 - 100)[number % 3]
            tasks = [loop.create_task(work(), priority=priority) for _ in range(100)]
            await asyncio.gather(*tasks)

    loop.run_until_complete(some(20_000))
    before = memory()
    loop.run_until_complete(some(100_000))
    assert memory() - before < 2_000_000
    loop.run_until_complete(settle())
    assert not loop._uses_priorities()


def test_tasks_of_all_priorities_at_once_keep_their_own(loop: qtloop.QEventLoop) -> None:
    async def main() -> None:
        tasks = [loop.create_task(own_and_running(), priority=each) for each in range(-100, 101)]
        assert [get_priority(task) for task in tasks] == list(range(-100, 101))
        for task, seen in zip(tasks, await asyncio.gather(*tasks), strict=True):
            assert len(set(seen)) == 1, task

    run_with(loop, main(), 42)
    loop.run_until_complete(settle())
    assert not loop._uses_priorities()


def test_many_collected_tasks_take_linear_time(loop: qtloop.QEventLoop) -> None:
    async def main() -> None:
        futures = [loop.create_future() for _ in range(30_000)]
        tasks: list[Any] = []
        for future in futures:
            tasks.append(quietly(loop.create_task(starts(future), priority=HIGH)))
        while started < len(futures):
            await asyncio.sleep(0.001)
        began = loop.time()
        del future
        tasks.clear()
        futures.clear()
        gc.collect()
        # A third of a second; with a search of the whole table per task it would be twelve.
        assert loop.time() - began < 5

    started = 0

    async def starts(future: asyncio.Future[None]) -> None:
        nonlocal started
        started += 1
        await future

    loop.run_until_complete(main())
    loop.run_until_complete(settle())
    assert not loop._uses_priorities()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork()")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_forked_child_can_read_and_set_priorities(loop: qtloop.QEventLoop) -> None:
    async def main() -> None:
        child = loop.create_task(own_and_running())
        loop.call_soon_priority(LOW, nothing)
        pid = os.fork()
        if pid == 0:
            try:
                same = get_priority(child) == HIGH and loop._uses_priorities()
                set_priority(child, LOW)
                same = same and get_priority(child) == LOW
                os._exit(0 if same else 3)
            finally:
                os._exit(4)
        _, status = await asyncio.to_thread(os.waitpid, pid, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        assert set(await child) == {HIGH}

    run_with(loop, main())
