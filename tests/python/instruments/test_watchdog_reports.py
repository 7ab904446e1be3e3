"""The watchdog reports what blocks the loop: where, in which task, while it blocks and at its end."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import needs_binding
from support.stalls import LATE, QUICK, Stalls, line_of

import qtloop
from qtloop import QEventLoop, Stall

pytest_plugins = ["support.stalls"]
pytestmark = pytest.mark.timeout(60, method="thread")


def block(stalls: Stalls) -> Stall:
    """Blocks in C code without the GIL, as `time.sleep()` does, until there is a report."""
    return stalls.queue.get(timeout=LATE)  # the line that blocks


def block_in_python(stalls: Stalls) -> Stall:
    """Blocks in Python code until there is a report."""
    queue = stalls.queue
    while queue.empty():
        pass
    return queue.get()


def is_here(stall: Stall, function: Callable[..., object]) -> bool:
    """Returns whether the stall is in a function of this file."""
    return (
        stall.location is not None
        and stall.location.name == function.__name__
        and Path(stall.location.filename).name == Path(__file__).name
    )


@pytest.mark.parametrize("function", [block, block_in_python])
def test_blocked_task_is_reported_while_it_blocks_and_at_its_end(
    loop: QEventLoop, stalls: Stalls, function: Callable[[Stalls], Stall]
) -> None:
    async def main() -> Stall:
        await asyncio.sleep(0)
        return function(stalls)

    task = loop.create_task(main(), name="refresh")
    stall = loop.run_until_complete(task)
    end = stalls.next()
    assert (stall.is_over, end.is_over) == (False, True)
    assert QUICK <= stall.seconds <= end.seconds
    for each in (stall, end):
        assert is_here(each, function)
        assert each.task == "refresh"
        assert each.thread is None
        assert [frame.name for frame in each.await_chain] == ["main"]
    assert stalls.rest() == []


def block_in_library(stalls: Stalls) -> None:
    """Blocks in the standard library's Python code until there is a report."""
    reported = threading.Event()
    waiting = threading.Thread(target=lambda: (stalls.next(), reported.set()))
    waiting.start()
    reported.wait(LATE)  # the line that calls the library
    waiting.join()


@pytest.mark.parametrize("function", [block, block_in_library])
def test_report_names_the_line_of_the_program_that_calls_a_library(
    loop: QEventLoop, stalls: Stalls, function: Callable[[Stalls], object]
) -> None:
    loop.call_soon(lambda: (function(stalls), loop.stop()))
    loop.run_forever()
    stall = stalls.next()
    assert stall.is_over and is_here(stall, function)
    assert stall.location and stall.location.lineno == line_of(function, "# the line")
    is_innermost = stall.stack[-1] is stall.location
    assert is_innermost == (function is block)


def test_report_is_logged_as_a_warning_of_the_logger_qtloop(
    loop: QEventLoop, stalls: Stalls, caplog: pytest.LogCaptureFixture
) -> None:
    async def refresh() -> None:
        block(stalls)

    async def main() -> None:
        await loop.create_task(refresh(), name="refresh")

    with caplog.at_level(logging.WARNING, "qtloop"):
        loop.run_until_complete(main())
        stalls.next()
    records = [record for record in caplog.records if record.name == "qtloop"]
    assert {record.levelno for record in records} == {logging.WARNING}
    first, last = (record.getMessage() for record in records)
    place = f'in {Path(__file__).name}:{line_of(block, "# the line")} (block), task "refresh"'
    waiting = f"{Path(__file__).name}:{main.__code__.co_firstlineno + 1}"
    assert first.startswith("loop blocked for 0.0")
    assert last.startswith("loop was blocked for 0.")
    for text in (first, last):
        assert place in text
        assert text.endswith(f" <- {waiting}")


def test_stall_that_continues_is_reported_again_after_a_second(
    loop: QEventLoop, stalls: Stalls
) -> None:
    async def main() -> list[Stall]:
        return [stalls.next(), stalls.next()]

    first, second = loop.run_until_complete(main())
    assert not first.is_over and not second.is_over
    assert first.seconds < 1 <= second.seconds
    assert stalls.next().is_over


def test_each_of_two_stalls_is_reported_twice(loop: QEventLoop, stalls: Stalls) -> None:
    async def main() -> list[bool]:
        over = []
        for _ in range(2):
            over.append(block(stalls).is_over)
            await asyncio.sleep(0.001)
            over.append(stalls.next().is_over)
            await asyncio.sleep(0.001)
        return over

    assert loop.run_until_complete(main()) == [False, True, False, True]


def test_callback_without_a_task_is_reported_without_a_task(
    loop: QEventLoop, stalls: Stalls
) -> None:
    seen: list[Stall] = []
    loop.call_soon(lambda: (seen.append(block(stalls)), loop.stop()))
    loop.run_forever()
    assert seen[0].task is None
    assert seen[0].await_chain == ()


async def waits_directly(task: asyncio.Task[Stall]) -> Stall:
    return await task


async def waits_by_gather(task: asyncio.Task[Stall]) -> Stall:
    return (await asyncio.gather(task, asyncio.sleep(0)))[0]


async def waits_by_timeout(task: asyncio.Task[Stall]) -> Stall:
    return await asyncio.wait_for(task, 60)


async def waits_in_a_group(task: asyncio.Task[Stall]) -> Stall:
    async def inner() -> Stall:
        return await task

    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(inner())
    return waiting.result()


in_group = pytest.param(
    waits_in_a_group,
    marks=pytest.mark.skipif(sys.version_info < (3, 11), reason="TaskGroup came with 3.11"),
)


@pytest.mark.parametrize("wait", [waits_directly, waits_by_gather, waits_by_timeout, in_group])
def test_await_chain_has_the_coroutines_of_the_task_and_the_tasks_that_await_it(
    loop: QEventLoop, stalls: Stalls, wait: Callable[[asyncio.Task[Stall]], Any]
) -> None:
    async def inner() -> Stall:
        await asyncio.sleep(0)
        return block(stalls)

    async def outer() -> Stall:
        return await inner()

    async def main() -> Stall:
        result: Stall = await wait(loop.create_task(outer()))
        return result

    stall = loop.run_until_complete(main())
    names = [frame.name for frame in stall.await_chain]
    assert names[:2] == ["inner", "outer"]
    assert wait.__name__ in names
    assert names[-1] == "main"


def test_stack_is_in_the_order_of_a_traceback(loop: QEventLoop, stalls: Stalls) -> None:
    async def main() -> Stall:
        return block(stalls)

    stall = loop.run_until_complete(main())
    names = [frame.name for frame in stall.stack]
    assert names.index("main") < names.index("block")


@pytest.mark.parametrize("error", [ValueError, SystemExit, KeyboardInterrupt])
def test_handler_is_called_on_the_reporters_thread_and_its_error_is_logged(
    loop: QEventLoop, caplog: pytest.LogCaptureFixture, error: type[BaseException]
) -> None:
    threads: list[str] = []
    called = threading.Event()

    def handler(stall: Stall) -> None:
        threads.append(threading.current_thread().name)
        if len(threads) == 2:
            called.set()
        raise error("a test")

    async def main() -> None:
        while not threads:
            pass

    loop.run_until_complete(asyncio.sleep(0))
    loop.set_stall_handler(handler)
    loop.watchdog = QUICK
    loop.run_until_complete(main())
    assert called.wait(20)
    loop.watchdog = 0  # waits for the handler
    assert threads == ["qtloop-reporter"] * 2
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 2
    assert all("stall handler" in error.getMessage() for error in errors)


def test_end_of_a_stall_that_stops_the_loop_is_reported_before_close_returns(app: Any) -> None:
    loop = QEventLoop(app)
    stalls = Stalls(loop)

    async def main() -> None:
        block(stalls)

    loop.run_until_complete(main())
    loop.close()
    assert [stall.is_over for stall in stalls.rest()] == [True]


def test_watchdog_turned_off_while_it_reports_says_that_the_stall_is_over(
    loop: QEventLoop, stalls: Stalls
) -> None:
    async def main() -> list[Stall]:
        block(stalls)
        loop.watchdog = 0
        return stalls.rest()

    assert [stall.is_over for stall in loop.run_until_complete(main())] == [True]


def test_watchdog_set_again_while_blocked_reports_by_the_new_threshold(
    loop: QEventLoop, stalls: Stalls
) -> None:
    async def main() -> list[bool]:
        block(stalls)
        loop.watchdog = 2 * QUICK
        return [stalls.next().is_over, block(stalls).is_over]

    assert loop.run_until_complete(main()) == [True, False]
    assert stalls.next().seconds >= 2 * QUICK


@pytest.mark.parametrize("is_thread_of_qt", [False, pytest.param(True, marks=needs_binding)])
def test_loop_of_another_thread_is_reported_with_the_name_of_the_thread(
    app: Any, is_thread_of_qt: bool
) -> None:
    seen: list[Stall] = []

    def work() -> None:
        loop = QEventLoop(app)
        stalls = Stalls(loop)

        async def main() -> None:
            await asyncio.sleep(0)
            seen.append(block(stalls))

        loop.run_until_complete(main())
        loop.close()

    if is_thread_of_qt:
        from qtloop._binding import binding

        assert binding

        class Worker(binding.QtCore.QThread):  # type: ignore[misc, name-defined]
            def run(self) -> None:
                work()

        worker = Worker()
        worker.setObjectName("worker")
        worker.start()
        worker.wait()
    else:
        thread = threading.Thread(target=work, name="worker")
        thread.start()
        thread.join()
    assert seen[0].thread == "worker"
    assert str(seen[0]).startswith('loop of thread "worker" blocked for ')


def test_two_loops_on_two_threads_report_their_own_stalls(app: Any) -> None:
    together = threading.Barrier(2)
    seen: dict[str, str | None] = {}

    def work(name: str) -> None:
        loop = QEventLoop(app)
        stalls = Stalls(loop)

        async def main() -> None:
            together.wait(20)
            seen[name] = block(stalls).task

        loop.run_until_complete(loop.create_task(main(), name=name))
        loop.close()

    threads = [threading.Thread(target=work, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {"one": "one", "two": "two"}


def test_attached_loop_is_watched_in_the_programs_own_exec(app: Any) -> None:
    with qtloop.attach() as loop:
        stalls = Stalls(loop)

        async def main() -> bool:
            await asyncio.sleep(0)
            return block(stalls).is_over

        assert loop.run_until_complete(main()) is False
