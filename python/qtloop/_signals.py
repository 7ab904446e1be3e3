"""Signals of Qt objects as awaitables: `once()` for one emission, `stream()` for all of them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Coroutine
from types import TracebackType
from typing import Any, Literal, cast

from ._signal_connection import SenderDestroyed, SignalConnection
from ._thread_loop import thread_loop


class _Buffer:
    """Emissions that have not been fetched, and the futures that wait for the next one.

    The slot refers to the buffer and not to the stream, so dropping the stream disconnects it.
    """

    def __init__(self, maxsize: int, drops_newest: bool) -> None:
        self.loop = thread_loop()
        self.emissions: deque[tuple[Any, ...]] = deque()
        self.waiters: set[asyncio.Future[None]] = set()
        self.maxsize = maxsize
        self.drops_newest = drops_newest
        self.lagged = 0
        self.end: type[Exception] | None = None

    def take(self, args: tuple[Any, ...]) -> None:
        """Adds an emission. If the buffer is full, drops the oldest or this one."""
        if self.maxsize and len(self.emissions) >= self.maxsize:
            self.lagged += 1
            if self.drops_newest:
                return
            self.emissions.popleft()
        self.emissions.append(args)
        self.wake()

    def finish(self, end: type[Exception] = SenderDestroyed) -> None:
        """Makes `get()` raise `end` when the buffer is empty."""
        self.end = self.end or end
        self.wake()

    def wake(self) -> None:
        """Wakes all waiters; each looks at the buffer again."""
        for waiter in self.waiters:
            if not (waiter.done() or self.loop.is_closed()):
                waiter.set_result(None)

    async def get(self) -> tuple[Any, ...]:
        """Removes and returns the oldest emission. A cancelled call removes none."""
        while not self.emissions:
            if self.end is not None:
                raise self.end("the sender of the signal was destroyed")
            waiter: asyncio.Future[None] = self.loop.create_future()
            self.waiters.add(waiter)
            try:
                await waiter
            finally:
                self.waiters.discard(waiter)
        return self.emissions.popleft()


class SignalStream(AsyncIterator[Any]):
    """The emissions of a signal since the construction of this object. `stream()` makes it.

    Each item is the argument of a signal that has one, else the tuple of all arguments. If the
    sender is destroyed, earlier emissions are still delivered, then `SenderDestroyed` is raised.
    `close()`, `await aclose()`, the end of an `async with` block, and garbage collection disconnect
    the stream. A closed stream ends. Several tasks may share a stream; each emission is delivered
    to one of them. Use it on the loop's thread.

    Source: https://doc.qt.io/qt-6/signalsandslots.html
    """

    def __init__(
        self, signal: Any, *, maxsize: int = 0, drops_newest: bool = False, once: bool = False
    ) -> None:
        self._buffer = _Buffer(maxsize, drops_newest)
        self._connection = SignalConnection(
            signal, self._buffer.take, self._buffer.finish, once=once
        )

    @property
    def lagged(self) -> int:
        """The number of emissions that were dropped because the buffer was full."""
        return self._buffer.lagged

    async def __anext__(self) -> Any:
        args = await self._buffer.get()
        return args[0] if len(args) == 1 else args

    def close(self) -> None:
        """Disconnects, drops what has not been fetched, and ends the iteration. Idempotent."""
        self._connection.close()
        self._buffer.emissions.clear()
        self._buffer.end = None
        self._buffer.finish(StopAsyncIteration)

    async def aclose(self) -> None:
        """Calls `close()`, for `contextlib.aclosing`."""
        self.close()

    async def __aenter__(self) -> SignalStream:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def stream(
    signal: Any,
    *,
    latest: bool = False,
    maxsize: int = 0,
    drop: Literal["oldest", "newest"] = "oldest",
) -> SignalStream:
    """Connects to a signal and returns its emissions as an asynchronous iterator:

        async for value in qtloop.stream(slider.valueChanged, latest=True):
            await show(value)

    This call connects, not the first iteration. `maxsize` is the number of emissions that may wait
    to be fetched; 0 is no bound. A full buffer drops its oldest emission or, with `drop="newest"`,
    the new one, and `lagged` counts the dropped ones. `latest=True` keeps only the last emission,
    as `maxsize=1` does. Call it and iterate on the loop's thread; any thread may emit.

    TypeError is raised for a value that is no signal of an object, ValueError for options that
    contradict each other, RuntimeError if the thread has no loop, `SenderDestroyed` if the sender
    is destroyed.

    Source: https://doc.qt.io/qt-6/signalsandslots.html
    """
    if maxsize < 0:
        raise ValueError(f"maxsize must be 0 (no bound) or positive, not {maxsize}")
    if drop not in ("oldest", "newest"):
        raise ValueError(f"drop must be 'oldest' or 'newest', not {drop!r}")
    if latest and (maxsize > 1 or drop != "oldest"):
        raise ValueError("latest=True keeps one emission, the last: leave out maxsize and drop")
    return SignalStream(signal, maxsize=1 if latest else maxsize, drops_newest=drop == "newest")


def once(signal: Any) -> Coroutine[Any, Any, Any]:
    """Connects to a signal and returns a coroutine that waits for its next emission:

        async with asyncio.timeout(5):
            code = await qtloop.once(dialog.finished)

    This call connects: an emission between the call and the `await` is not lost. The result is the
    argument of a signal that has one, else the tuple of all arguments, so `()` of a signal that has
    none. When the wait ends, also by a cancellation, the signal is disconnected. Call and await it
    on the loop's thread; any thread may emit.

    `SenderDestroyed` is raised if the sender is destroyed first, TypeError for a value that is no
    signal of an object, RuntimeError if the thread has no loop.

    Source: https://doc.qt.io/qt-6/signalsandslots.html
    """
    coroutine: Any = _first(SignalStream(signal, maxsize=1, drops_newest=True, once=True))
    coroutine.__qualname__ = "qtloop.once"  # "coroutine 'qtloop.once' was never awaited"
    return cast(Coroutine[Any, Any, Any], coroutine)


async def _first(emissions: SignalStream) -> Any:
    try:
        return await anext(emissions)
    finally:
        emissions.close()
