"""call_soon_threadsafe() from other threads and from signal handlers: no call is lost."""

from __future__ import annotations

import asyncio
import contextvars
import os
import signal
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

from conftest import needs_binding
from support.running import in_thread, nothing, run_once, run_until

import qtloop
from qtloop._binding import binding

pytest_plugins = ["support.each_loop"]

Loop = asyncio.SelectorEventLoop
word: contextvars.ContextVar[str] = contextvars.ContextVar("word", default="")


# Nothing is lost


def test_eight_threads_with_twenty_thousand_calls_each_lose_nothing(each_loop: Loop) -> None:
    threads, calls = 8, 20_000
    came: list[list[int]] = [[] for _ in range(threads)]
    left = [threads]

    def end() -> None:
        left[0] -= 1
        if left[0] == 0:
            each_loop.stop()

    def send(thread: int) -> None:
        call, append = each_loop.call_soon_threadsafe, came[thread].append
        for number in range(calls):
            call(append, number)
        call(end)

    workers = [in_thread(lambda thread=thread: send(thread)) for thread in range(threads)]
    each_loop.run_forever()
    for worker in workers:
        worker.join()
    # All there, and each thread's in its order.
    assert came == [list(range(calls))] * threads


def test_calls_from_a_thread_always_wake_an_idle_loop(each_loop: Loop) -> None:
    # Each call waits until the previous one has run: a lost wake-up would leave the loop asleep.
    def ping() -> None:
        answered = threading.Event()
        for _ in range(2000):
            answered.clear()
            each_loop.call_soon_threadsafe(answered.set)
            assert answered.wait(20)
        each_loop.call_soon_threadsafe(each_loop.stop)

    worker = in_thread(ping)
    each_loop.run_forever()
    worker.join()


def test_calls_from_a_thread_before_a_run_are_run_by_it(each_loop: Loop) -> None:
    seen: list[int] = []

    def send() -> None:
        for number in range(100):
            each_loop.call_soon_threadsafe(seen.append, number)

    for _ in range(3):
        in_thread(send).join()
        run_once(each_loop)
    assert seen == list(range(100)) * 3


def test_calls_from_a_thread_at_the_end_of_a_run_are_run_by_the_next_one(each_loop: Loop) -> None:
    seen: list[int] = []
    done = threading.Event()

    def send() -> None:
        for number in range(5000):
            each_loop.call_soon_threadsafe(seen.append, number)
        done.set()

    worker = in_thread(send)
    while not done.is_set():
        run_once(each_loop)
    worker.join()
    run_until(each_loop, lambda: len(seen) == 5000)
    assert seen == list(range(5000))


def test_calls_from_the_loops_own_thread_keep_their_order_with_call_soon(each_loop: Loop) -> None:
    seen: list[int] = []

    def schedule() -> None:
        for number in range(10):
            (each_loop.call_soon_threadsafe if number % 2 else each_loop.call_soon)(
                seen.append, number
            )
        each_loop.call_soon(each_loop.stop)

    each_loop.call_soon(schedule)
    each_loop.run_forever()
    assert seen == list(range(10))


# Handles and contexts


def test_call_from_a_thread_returns_a_handle_that_can_be_cancelled(each_loop: Loop) -> None:
    seen: list[str] = []
    handles: list[asyncio.Handle] = []

    def send() -> None:
        for name in ("kept", "cancelled", "kept"):
            handles.append(each_loop.call_soon_threadsafe(seen.append, name))
        handles[1].cancel()
        each_loop.call_soon_threadsafe(each_loop.stop)

    each_loop.call_soon(lambda: in_thread(send).join())
    each_loop.run_forever()
    assert all(isinstance(handle, asyncio.Handle) for handle in handles)
    assert [handle.cancelled() for handle in handles] == [False, True, False]
    assert seen == ["kept", "kept"]


def test_call_from_a_thread_runs_in_the_context_it_was_given(each_loop: Loop) -> None:
    seen: list[str] = []
    context = contextvars.copy_context()
    context.run(word.set, "given")

    def note() -> None:
        seen.append(word.get())

    def send() -> None:
        word.set("the thread's")
        each_loop.call_soon_threadsafe(note, context=context)
        each_loop.call_soon_threadsafe(note)
        each_loop.call_soon_threadsafe(each_loop.stop)

    worker = in_thread(send)
    each_loop.run_forever()
    worker.join()
    assert seen == ["given", "the thread's"]


def test_call_from_a_thread_frees_its_callback_whether_it_runs_or_not(each_loop: Loop) -> None:
    import weakref

    class Payload:
        pass

    def send(keep: Callable[[Any], object]) -> None:
        payload = Payload()
        refs.append(weakref.ref(payload))
        keep(payload)

    refs: list[weakref.ref[Payload]] = []
    in_thread(lambda: send(lambda p: each_loop.call_soon_threadsafe(nothing, p))).join()
    in_thread(lambda: send(lambda p: each_loop.call_soon_threadsafe(nothing, p).cancel())).join()
    assert refs[1]() is None
    run_once(each_loop)
    assert refs[0]() is None


def test_call_after_close_is_an_error_in_any_thread(each_loop: Loop) -> None:
    failures: list[str] = []
    go, ended = threading.Event(), threading.Event()

    def send() -> None:
        assert go.wait(20)
        try:
            each_loop.call_soon_threadsafe(nothing)
        except RuntimeError as error:
            failures.append(str(error))
        ended.set()

    worker = in_thread(send)
    run_once(each_loop)
    each_loop.close()
    go.set()
    worker.join()
    assert failures == ["Event loop is closed"]


def test_calls_from_threads_while_the_loop_closes_succeed_or_raise(
    each_loop: Loop,
) -> None:
    failures: list[BaseException] = []

    def send() -> None:
        try:
            while True:
                each_loop.call_soon_threadsafe(nothing)
                time.sleep(0)  # or four of them would be faster than the loop
        except RuntimeError as error:
            failures.append(error)

    workers = [in_thread(send) for _ in range(4)]
    for _ in range(200):
        run_once(each_loop)
    each_loop.close()
    for worker in workers:
        worker.join()
    assert [str(failure) for failure in failures] == ["Event loop is closed"] * 4


# Signal handlers, futures, other loops


def test_signal_handler_may_call_the_loop(each_loop: Loop) -> None:
    seen: list[str] = []

    def handler(number: int, frame: object) -> None:
        each_loop.call_soon_threadsafe(seen.append, "from the handler")
        each_loop.call_soon_threadsafe(each_loop.stop)

    before = signal.signal(signal.SIGUSR1, handler)
    try:
        # The loop is idle when the signal comes.
        timer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGUSR1))
        timer.start()
        if isinstance(each_loop, qtloop.QEventLoop):
            each_loop.run_forever()
        else:
            # A signal wakes asyncio's own loop only if add_signal_handler() was called.
            each_loop.add_signal_handler(signal.SIGUSR2, nothing)
            each_loop.run_forever()
            each_loop.remove_signal_handler(signal.SIGUSR2)
        timer.join()
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert seen == ["from the handler"]


def test_futures_of_threads_wake_the_tasks_that_wait(each_loop: Loop) -> None:
    async def main() -> list[int]:
        calls = (each_loop.run_in_executor(None, pow, number, 2) for number in range(200))
        return await asyncio.gather(*calls)

    assert each_loop.run_until_complete(main()) == [number**2 for number in range(200)]
    each_loop.run_until_complete(each_loop.shutdown_default_executor())


def test_run_coroutine_threadsafe_gives_its_result_to_the_thread(each_loop: Loop) -> None:
    async def double(number: int) -> int:
        await asyncio.sleep(0.001)
        return number * 2

    results: list[int] = []

    def ask() -> None:
        for number in range(20):
            results.append(asyncio.run_coroutine_threadsafe(double(number), each_loop).result(20))
        each_loop.call_soon_threadsafe(each_loop.stop)

    worker = in_thread(ask)
    each_loop.run_forever()
    worker.join()
    assert results == [number * 2 for number in range(20)]


def test_two_loops_in_two_threads_call_each_other(app: Any, loop: qtloop.QEventLoop) -> None:
    rounds: list[int] = []
    ready = threading.Event()
    others: list[qtloop.QEventLoop] = []

    def run_other() -> None:
        others.append(qtloop.QEventLoop())
        others[0].call_soon(ready.set)
        others[0].run_forever()
        others[0].close()

    def ping(number: int) -> None:
        rounds.append(number)
        others[0].call_soon_threadsafe(pong, number)

    def pong(number: int) -> None:
        if number < 500:
            loop.call_soon_threadsafe(ping, number + 1)
        else:
            loop.call_soon_threadsafe(loop.stop)
            others[0].stop()

    worker = in_thread(run_other)
    assert ready.wait(20)
    loop.call_soon(ping, 0)
    loop.run_forever()
    worker.join()
    assert rounds == list(range(501))


@needs_binding
def test_slot_on_the_loops_thread_may_call_call_soon_threadsafe(loop: qtloop.QEventLoop) -> None:
    assert binding
    seen: list[str] = []
    binding.QtCore.QTimer.singleShot(
        10, lambda: loop.call_soon_threadsafe(lambda: [seen.append("ran"), loop.stop()])
    )
    loop.run_forever()
    assert seen == ["ran"]


def test_stop_from_another_thread_ends_an_idle_run(loop: qtloop.QEventLoop) -> None:
    # A common mistake, which asyncio's own loop notices only when something else wakes it.
    timer = threading.Timer(0.05, loop.stop)
    timer.start()
    loop.run_forever()
    timer.join()
    run_once(loop)
