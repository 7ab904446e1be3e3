"""Debug mode: slow callbacks, coroutines as callbacks, calls from wrong threads; as in asyncio."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from typing import Any

import pytest
from support.running import Pipe, nothing, refused_elsewhere, run_once

pytest_plugins = ["support.each_loop"]

Loop = asyncio.SelectorEventLoop


def test_slow_callbacks_are_logged_in_debug_mode(
    each_loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    async def slow_task() -> None:
        time.sleep(0.03)

    def slow_callback() -> None:
        time.sleep(0.03)

    each_loop.set_debug(True)
    each_loop.slow_callback_duration = 0.02
    each_loop.call_soon(slow_callback)
    each_loop.run_until_complete(slow_task())
    texts = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    # asyncio's message; for the step of a task it names the task.
    assert any(t.startswith("Executing <Handle ") and "slow_callback() " in t for t in texts)
    assert any(t.startswith("Executing <Task ") and "slow_task() " in t for t in texts)
    assert all(" took 0." in text and " seconds" in text for text in texts)
    caplog.clear()
    each_loop.set_debug(False)
    each_loop.call_soon(slow_callback)
    run_once(each_loop)
    assert caplog.records == []


def test_coroutines_are_refused_as_callbacks_in_debug_mode(each_loop: Any) -> None:
    async def function() -> None: ...

    coroutine = function()
    each_loop.set_debug(True)
    for wrong in (coroutine, function):
        with pytest.raises(TypeError, match="coroutines cannot be used with call_soon"):
            each_loop.call_soon(wrong)
        with pytest.raises(TypeError, match="coroutines cannot be used with"):
            each_loop.call_later(0, wrong)
        with pytest.raises(TypeError, match="coroutines cannot be used with call_at"):
            each_loop.call_at(0, wrong)
        with pytest.raises(TypeError, match="cannot be used with call_soon_threadsafe"):
            each_loop.call_soon_threadsafe(wrong)
    coroutine.close()
    with pytest.raises(TypeError, match="callable object was expected by call_soon"):
        each_loop.call_soon(5)


def test_calls_from_a_wrong_thread_are_refused_in_debug_mode(each_loop: Loop) -> None:
    each_loop.set_debug(True)

    async def main() -> list[str]:
        return refused_elsewhere(
            lambda: each_loop.call_soon(nothing),
            lambda: each_loop.call_later(1, nothing),
            lambda: each_loop.call_at(1, nothing),
        )

    failures = each_loop.run_until_complete(main())
    assert len(failures) == 3
    assert all(failure.startswith("Non-thread-safe operation invoked") for failure in failures)


def test_debug_mode_can_be_switched_while_the_loop_runs(each_loop: Loop) -> None:
    async def main() -> None:
        for on in (True, False, True):
            each_loop.set_debug(on)
            assert each_loop.get_debug() is on
            await asyncio.sleep(0.001)  # asyncio switches the tracking with a callback
            assert (sys.get_coroutine_origin_tracking_depth() > 0) is on
            handle: Any = each_loop.call_soon(nothing)
            assert (handle._source_traceback is not None) is on

    before = sys.get_coroutine_origin_tracking_depth()
    each_loop.run_until_complete(main())
    assert sys.get_coroutine_origin_tracking_depth() == before


def test_callbacks_timers_and_readers_work_in_debug_mode(each_loop: Loop, pipe: Pipe) -> None:
    each_loop.set_debug(True)
    reading, writing = pipe
    seen: list[str] = []

    async def main() -> str:
        each_loop.add_reader(reading, lambda: seen.append(os.read(reading, 1).decode()))
        os.write(writing, b"abc")
        seen.append(await asyncio.to_thread(lambda: "thread"))
        async with asyncio.timeout(5) if sys.version_info >= (3, 11) else asyncio.Lock():
            await asyncio.sleep(0.005)
        return "done"

    assert each_loop.run_until_complete(main()) == "done"
    each_loop.run_until_complete(each_loop.shutdown_default_executor())
    assert sorted(seen) == ["a", "b", "c", "thread"]
