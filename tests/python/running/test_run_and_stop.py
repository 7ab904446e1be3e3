"""Running, stopping and closing a loop, and running it again."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from conftest import needs_binding
from support.running import nothing, run_once

import qtloop
from qtloop._binding import binding

pytest_plugins = ["support.each_loop"]

Loop = asyncio.SelectorEventLoop


async def answer() -> int:
    await asyncio.sleep(0)
    return 42


def test_stop_before_run_runs_one_batch(each_loop: Loop) -> None:
    seen: list[str] = []
    reading, writing = os.pipe()
    os.write(writing, b"x")
    each_loop.add_reader(reading, seen.append, "reader")
    each_loop.call_at(each_loop.time() - 1, seen.append, "timer")
    each_loop.call_later(60, seen.append, "too late")
    each_loop.call_soon(lambda: [seen.append("soon"), each_loop.call_soon(seen.append, "next")])
    each_loop.stop()
    each_loop.run_forever()
    assert seen == ["soon", "reader", "timer"]
    each_loop.remove_reader(reading)
    run_once(each_loop)
    assert seen == ["soon", "reader", "timer", "next"]
    os.close(reading)
    os.close(writing)


def test_stop_ends_the_run_after_its_batch(each_loop: Loop) -> None:
    seen: list[str] = []
    each_loop.call_soon(lambda: [each_loop.stop(), each_loop.call_soon(seen.append, "left")])
    each_loop.call_soon(seen.append, "same batch")
    each_loop.call_soon(each_loop.stop)
    each_loop.run_forever()
    assert seen == ["same batch"]
    assert not each_loop.is_running()
    run_once(each_loop)
    assert seen == ["same batch", "left"]


def test_eager_tasks_run_at_once(each_loop: Loop) -> None:
    if sys.version_info < (3, 12):
        pytest.skip("asyncio has eager tasks since 3.12")
    seen: list[str] = []

    async def work(word: str) -> None:
        seen.append(word)
        assert asyncio.current_task() is not None
        await asyncio.sleep(0.001)
        seen.append(word + " later")

    async def main() -> None:
        task = asyncio.current_task()
        tasks = [asyncio.create_task(work(word)) for word in ("one", "two")]
        seen.append("main")
        assert asyncio.current_task() is task
        await asyncio.gather(*tasks)

    each_loop.set_task_factory(asyncio.eager_task_factory)
    each_loop.run_until_complete(main())
    assert seen == ["one", "two", "main", "one later", "two later"]


def test_loop_runs_again_and_again(each_loop: Loop) -> None:
    for _ in range(50):
        run_once(each_loop)
        assert each_loop.run_until_complete(answer()) == 42


def test_stop_has_no_effect_on_a_later_run(each_loop: Loop) -> None:
    each_loop.stop()
    each_loop.run_forever()
    assert each_loop.run_until_complete(answer()) == 42


def test_run_until_complete_raises_the_coroutines_exception(each_loop: Loop) -> None:
    async def fail() -> None:
        await asyncio.sleep(0)
        raise LookupError("on purpose")

    with pytest.raises(LookupError, match="on purpose"):
        each_loop.run_until_complete(fail())


def test_stop_during_run_until_complete_is_an_error(each_loop: Loop) -> None:
    future = each_loop.create_future()
    each_loop.call_soon(each_loop.stop)
    with pytest.raises(RuntimeError, match=r"^Event loop stopped before Future completed\.$"):
        each_loop.run_until_complete(future)
    each_loop.call_soon(future.set_result, 5)
    assert each_loop.run_until_complete(future) == 5


def test_loop_is_running_in_every_callback(each_loop: Loop) -> None:
    seen: dict[str, bool] = {}
    reading, writing = os.pipe()
    os.write(writing, b"x")

    def note(where: str) -> None:
        seen[where] = each_loop.is_running() and asyncio.get_running_loop() is each_loop

    async def main() -> None:
        note("task")
        each_loop.call_soon(note, "soon")
        each_loop.call_soon_threadsafe(note, "threadsafe")
        each_loop.call_later(0, note, "timer")
        each_loop.add_reader(reading, note, "reader")
        each_loop.add_writer(writing, note, "writer")
        each_loop.add_signal_handler(signal.SIGUSR1, note, "signal")
        os.kill(os.getpid(), signal.SIGUSR1)
        while len(seen) < 7:
            await asyncio.sleep(0.001)
        each_loop.remove_reader(reading)
        each_loop.remove_writer(writing)
        each_loop.remove_signal_handler(signal.SIGUSR1)

    note("before")
    assert seen.pop("before") is False
    each_loop.run_until_complete(main())
    assert seen == dict.fromkeys(
        ["task", "soon", "threadsafe", "timer", "reader", "writer", "signal"], True
    )
    assert not each_loop.is_running()
    os.close(reading)
    os.close(writing)


@needs_binding
def test_loop_is_running_in_a_slot(loop: qtloop.QEventLoop) -> None:
    assert binding
    seen: list[bool] = []
    binding.QtCore.QTimer.singleShot(
        0, lambda: [seen.append(loop.is_running()), loop.call_soon(loop.stop)]
    )
    loop.run_forever()
    assert seen == [True]


def test_running_loop_refuses_to_run_again(loop: qtloop.QEventLoop) -> None:
    # Not on asyncio's own loop: in Python 3.13 a refused run_forever() resets its thread.
    async def main() -> None:
        coroutine = answer()
        with pytest.raises(RuntimeError, match=r"^This event loop is already running$"):
            loop.run_forever()
        with pytest.raises(RuntimeError, match=r"^This event loop is already running$"):
            loop.run_until_complete(coroutine)
        coroutine.close()
        assert loop.is_running()
        await asyncio.sleep(0.001)  # and goes on unharmed

    loop.run_until_complete(main())


def test_second_loop_does_not_run_inside_the_first(app: Any, loop: qtloop.QEventLoop) -> None:
    second = qtloop.QEventLoop(app)

    async def main() -> None:
        with pytest.raises(RuntimeError, match="while another loop is running"):
            second.run_forever()
        assert asyncio.get_running_loop() is loop
        await asyncio.sleep(0.001)

    loop.run_until_complete(main())
    assert second.run_until_complete(answer()) == 42
    second.close()


def test_run_until_complete_refuses_values_that_are_not_awaitable(each_loop: Loop) -> None:
    wrong: Any
    for wrong in (None, 5, nothing):
        with pytest.raises(TypeError):
            each_loop.run_until_complete(wrong)


# Closing


def test_close_may_be_called_twice(each_loop: Loop) -> None:
    each_loop.close()
    assert each_loop.is_closed()
    each_loop.close()


def test_running_loop_refuses_to_close(each_loop: Loop) -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match=r"^Cannot close a running event loop$"):
            each_loop.close()
        await asyncio.sleep(0)

    each_loop.run_until_complete(main())
    assert not each_loop.is_closed()


CLOSED: dict[str, Callable[[Loop], object]] = {
    "run_forever": lambda loop: loop.run_forever(),
    "run_until_complete": lambda loop: loop.run_until_complete(refused()),
    "call_soon": lambda loop: loop.call_soon(nothing),
    "call_soon_threadsafe": lambda loop: loop.call_soon_threadsafe(nothing),
    "call_later": lambda loop: loop.call_later(1, nothing),
    "call_at": lambda loop: loop.call_at(1, nothing),
    "add_reader": lambda loop: loop.add_reader(0, nothing),
    "add_writer": lambda loop: loop.add_writer(1, nothing),
    "add_signal_handler": lambda loop: loop.add_signal_handler(signal.SIGUSR2, nothing),
    "run_in_executor": lambda loop: loop.run_in_executor(None, nothing),
    "create_task": lambda loop: loop.create_task(refused()),
}


def refused() -> Coroutine[Any, Any, int]:
    """Makes a coroutine that is not awaited."""
    refusals.append(answer())
    return refusals[-1]


refusals: list[Coroutine[Any, Any, int]] = []


@pytest.mark.parametrize("use", CLOSED.values(), ids=CLOSED.keys())
def test_closed_loop_refuses_to_be_used(each_loop: Loop, use: Callable[[Loop], object]) -> None:
    each_loop.close()
    with pytest.raises(RuntimeError, match=r"^Event loop is closed$"):
        use(each_loop)
    while refusals:
        refusals.pop().close()


def test_closed_loop_still_returns_its_state(each_loop: Loop) -> None:
    each_loop.close()
    assert each_loop.remove_reader(0) is False
    assert each_loop.remove_writer(1) is False
    assert each_loop.is_running() is False
    assert each_loop.get_debug() in (True, False)
    assert each_loop.time() > 0
    assert "closed=True" in repr(each_loop)
    each_loop.stop()


def test_close_drops_queued_callbacks(each_loop: Loop) -> None:
    seen: list[str] = []
    handles = [
        each_loop.call_soon(seen.append, "late"),
        each_loop.call_soon_threadsafe(seen.append, "late"),
        each_loop.call_later(0, seen.append, "late"),
    ]
    each_loop.close()
    assert seen == []
    for handle in handles:
        handle.cancel()
        assert handle.cancelled()
