"""Callbacks and timers, and the states of a loop: stopped, run again, closed."""

from __future__ import annotations

import asyncio
import contextvars
import random
import threading
import time
from collections.abc import AsyncIterator
from typing import Any

from peers import Peer

from .registry import Questions, check

QUESTIONS = Questions()
asks = QUESTIONS.asks


@asks("timers that came early, of 1,000")
async def early_timers(peer: Peer) -> str:
    loop = asyncio.get_running_loop()
    delays = random.Random(1)

    async def count() -> int:
        early = 0
        for _ in range(100):
            came = loop.create_future()
            due = time.monotonic() + (delay := delays.uniform(0.0001, 0.005))
            loop.call_later(delay, came.set_result, None)
            await came
            early += time.monotonic() < due
        return early

    return f"{sum(await asyncio.gather(*(count() for _ in range(10))))}"


@asks("timers 0.3 ms apart run in order")
async def timer_order(peer: Peer) -> None:
    loop = asyncio.get_running_loop()
    wrong = 0
    for number in range(50):
        order: list[int] = []
        first = loop.time() + 0.005 + number / 50 * 0.001  # at various fractions of a millisecond
        loop.call_at(first + 0.0003, order.append, 2)
        loop.call_at(first, order.append, 1)
        await asyncio.sleep(0.02)
        wrong += order != [1, 2]
    check(not wrong, f"{wrong} of 50 pairs came in the other order")


@asks("`call_later` returns a TimerHandle with `when()`")
async def timer_handle(peer: Peer) -> None:
    loop = asyncio.get_running_loop()
    handle = loop.call_later(60, print)
    check(isinstance(handle, asyncio.TimerHandle), f"it is a {type(handle).__name__}")
    check(abs(handle.when() - loop.time() - 60) < 1, f"when() is {handle.when()}")
    handle.cancel()


@asks("`context=` of `call_soon`, `call_later`, `call_soon_threadsafe`")
async def contexts(peer: Peer) -> None:
    loop = asyncio.get_running_loop()
    variable = contextvars.ContextVar("variable", default="lost")
    context = contextvars.copy_context()
    context.run(variable.set, "kept")
    seen = {}

    def look(name: str) -> None:
        seen[name] = variable.get()

    loop.call_soon(look, "call_soon", context=context)
    loop.call_later(0.001, look, "call_later", context=context)
    loop.call_soon_threadsafe(look, "call_soon_threadsafe", context=context)
    await asyncio.sleep(0.1)
    check(set(seen.values()) == {"kept"} and len(seen) == 3, str(seen))


@asks("20,000 `call_soon_threadsafe` from 4 threads: none is lost")
async def threadsafe(peer: Peer) -> None:
    loop = asyncio.get_running_loop()
    seen: list[int] = []

    def call() -> None:
        for number in range(5000):
            loop.call_soon_threadsafe(seen.append, number)

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    end = time.monotonic() + 5
    while len(seen) < 20_000 and time.monotonic() < end:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    check(len(seen) == 20_000, f"{len(seen)} have run after 5 s")


@asks("the exception handler gets a callback's exception, as `(loop, context)`")
async def exception_handler(peer: Peer) -> None:
    loop = asyncio.get_running_loop()
    calls: list[Any] = []
    loop.set_exception_handler(lambda *args: calls.append(args))
    loop.call_soon(int, "no number")
    await asyncio.sleep(0.1)
    check(len(calls) == 1, f"it is called {len(calls)} times")
    check(len(calls[0]) == 2 and calls[0][0] is loop, f"it is called with {calls[0]}")
    check(isinstance(calls[0][1].get("exception"), ValueError), f"the context is {calls[0][1]}")


@asks("`stop()` before `run_forever()`: one turn, then it returns")
def stop_first(peer: Peer) -> None:
    loop = peer.new_loop()
    ran: list[int] = []
    loop.call_soon(ran.append, 1)
    loop.stop()
    loop.run_forever()
    check(ran == [1], f"{len(ran)} callbacks ran")


@asks("`app.quit()` cuts a run short, and the loop can run again")
def run_again(peer: Peer) -> None:
    loop = peer.new_loop()
    asyncio.set_event_loop(loop)
    sleep = loop.create_task(asyncio.sleep(3))
    loop.call_later(0.1, peer.app.quit)
    try:
        loop.run_until_complete(sleep)
    except RuntimeError:
        pass  # asyncio raises this when a loop stops before its future completes
    else:
        raise AssertionError("app.quit() does not end the run")
    result = loop.run_until_complete(asyncio.sleep(0.01, "result"))
    check(result == "result", f"the result is {result!r}")


@asks("`call_soon` after `close()` raises RuntimeError")
def closed(peer: Peer) -> None:
    loop = peer.new_loop()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    try:
        loop.call_soon(print)
    except RuntimeError:
        return
    raise AssertionError("nothing is raised")


@asks("asynchronous generators are finalised at the end")
def generators(peer: Peer) -> None:
    ended = []

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            await asyncio.sleep(0.01)
            ended.append(True)

    generator = numbers()

    async def main() -> None:
        await anext(generator)

    peer.run(main())
    check(bool(ended), "its `finally` has not run")


@asks("`create_task(..., priority=...)`: it runs before tasks that are ready")
async def priorities(peer: Peer) -> None:
    loop: Any = asyncio.get_running_loop()
    order: list[int] = []

    async def note(number: int) -> None:
        order.append(number)

    tasks = [loop.create_task(note(number), priority=-number) for number in (1, 2, 3)]
    await asyncio.gather(*tasks)
    check(order == [3, 2, 1], f"they ran in the order {order}")
