"""Handles of call_soon_threadsafe() that other threads cancel, and when they are freed."""

from __future__ import annotations

import asyncio
import sys
import threading
import weakref

import pytest
from support.running import Errors, in_thread, nothing, run_once

pytest_plugins = ["support.each_loop"]

Loop = asyncio.SelectorEventLoop


locks_handles = pytest.mark.skipif(
    sys.version_info < (3, 14), reason="asyncio's handles have a lock from Python 3.14 on"
)


@locks_handles
@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize("method", ["cancel", "cancelled"])
def test_thread_that_cancels_a_running_handle_waits_until_its_callback_returns(
    each_loop: Loop, method: str, debug: bool
) -> None:
    each_loop.set_debug(debug)
    each_loop.slow_callback_duration = 30
    running, asking, asked = threading.Event(), threading.Event(), threading.Event()
    too_early = []

    def callback() -> None:
        running.set()
        assert asking.wait(30)
        too_early.append(asked.wait(0.1))

    def ask() -> None:
        handle = each_loop.call_soon_threadsafe(callback)
        assert running.wait(30)
        asking.set()
        getattr(handle, method)()
        asked.set()
        each_loop.call_soon_threadsafe(each_loop.stop)

    thread = in_thread(ask)
    each_loop.run_forever()
    thread.join()
    assert too_early == [False]


@pytest.mark.parametrize("debug", [False, True])
def test_handle_that_another_thread_cancels_before_it_runs_does_not_run(
    each_loop: Loop, debug: bool
) -> None:
    each_loop.set_debug(debug)
    each_loop.slow_callback_duration = 30
    seen: list[str] = []
    cancelled = threading.Event()

    def cancel() -> None:
        handle = each_loop.call_soon_threadsafe(seen.append, "ran")
        handle.cancel()
        assert handle.cancelled()
        each_loop.call_soon_threadsafe(each_loop.stop)
        cancelled.set()

    each_loop.call_soon(cancelled.wait, 30)
    thread = in_thread(cancel)
    each_loop.run_forever()
    thread.join()
    assert cancelled.is_set() and seen == []


def test_callback_that_cancels_its_own_handle_runs_to_its_end(each_loop: Loop) -> None:
    seen: list[object] = []

    def callback() -> None:
        handle.cancel()
        seen.append(handle.cancelled())
        each_loop.stop()

    handle = each_loop.call_soon_threadsafe(callback)
    each_loop.run_forever()
    assert seen == [True]


def test_handle_whose_callback_fails_can_be_cancelled_by_another_thread(
    each_loop: Loop, errors: Errors
) -> None:
    handle = each_loop.call_soon_threadsafe(divmod, 1, 0)
    run_once(each_loop)
    in_thread(handle.cancel).join()
    assert handle.cancelled()
    (report,) = errors
    assert isinstance(report["exception"], ZeroDivisionError)


def test_handles_of_calls_from_threads_are_freed(each_loop: Loop) -> None:
    class Token:
        pass

    refs = []
    for _ in range(3000):
        token = Token()
        refs.append(weakref.ref(token))
        each_loop.call_soon_threadsafe(nothing, token)
    del token
    run_once(each_loop)
    assert [ref for ref in refs if ref() is not None] == []
