"""`loop._ready` and `loop._scheduled`, which monitors of asyncio read, as views of the queues."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Collection, Iterator
from typing import NoReturn, overload

from . import _native
from ._wall_clock import WallClockMixin


class HandlesView(Collection[asyncio.Handle]):
    """A read-only view of a loop's handles, in the order in which they will run.

    `len()` counts them without a copy. All other operations copy the queue first, so handles may be
    cancelled or queued during an iteration. A view may be used on any thread.
    """

    __slots__ = ("_loop", "_name")

    def __init__(self, loop: MonitorsMixin, name: str) -> None:
        self._loop = loop
        self._name = name

    def _handles(self) -> list[asyncio.Handle]:
        raise NotImplementedError

    def __iter__(self) -> Iterator[asyncio.Handle]:
        return iter(self._handles())

    def __reversed__(self) -> Iterator[asyncio.Handle]:
        return reversed(self._handles())

    def __contains__(self, handle: object) -> bool:
        return handle in self._handles()

    @overload
    def __getitem__(self, index: int) -> asyncio.Handle: ...
    @overload
    def __getitem__(self, index: slice) -> list[asyncio.Handle]: ...
    def __getitem__(self, index: int | slice) -> asyncio.Handle | list[asyncio.Handle]:
        return self._handles()[index]

    def __repr__(self) -> str:
        return f"<QEventLoop.{self._name} {self._handles()!r}>"

    def clear(self) -> None:
        """Does nothing on a closed loop or an empty queue: asyncio's `close()` calls it."""
        if not self._loop.is_closed() and len(self):
            self._refuse("clear")

    def __getattr__(self, name: str) -> NoReturn:
        self._refuse(name)

    def _refuse(self, name: str) -> NoReturn:
        raise AttributeError(
            f"QEventLoop.{self._name} is a read-only view without {name!r}: queue handles with "
            "call_soon() or call_at(), and remove one with its cancel()"
        )


class ReadyView(HandlesView):
    """The handles that run next.

    A direction of a transport that is ready is a handle, too; it is made for the view, so to cancel
    it has no effect.
    """

    __slots__ = ()

    def _handles(self) -> list[asyncio.Handle]:
        return _native.handles(self._loop, False)

    def __len__(self) -> int:
        return _native.count_handles(self._loop, False)


class ScheduledView(HandlesView):
    """The `TimerHandle`s that wait, by deadline; cancelled ones are not in it."""

    __slots__ = ()

    def _handles(self) -> list[asyncio.Handle]:
        timers = _native.handles(self._loop, True)
        if (clock := self._loop._wall_clock) is None:
            return timers
        own = clock.own_timer()
        timers = [timer for timer in timers if timer is not own]
        return list(heapq.merge(timers, clock.handles(), key=_deadline))

    def __len__(self) -> int:
        clock = self._loop._wall_clock
        if clock is not None and clock.own_timer() is not None:
            return len(self._handles())  # that timer may be due, and no longer wait
        return _native.count_handles(self._loop, True) + (clock.count() if clock else 0)


def _deadline(handle: asyncio.Handle) -> float:
    assert isinstance(handle, asyncio.TimerHandle)
    return handle.when()


class MonitorsMixin(WallClockMixin):
    """The part of the loop that monitors read."""

    @property
    def _ready(self) -> ReadyView:
        return ReadyView(self, "_ready")

    @_ready.setter
    def _ready(self, queue: Collection[asyncio.Handle]) -> None:
        self._refuse_queue(queue, self._ready)

    @property
    def _scheduled(self) -> ScheduledView:
        return ScheduledView(self, "_scheduled")

    @_scheduled.setter
    def _scheduled(self, queue: Collection[asyncio.Handle]) -> None:
        self._refuse_queue(queue, self._scheduled)

    def _refuse_queue(self, queue: Collection[asyncio.Handle], view: HandlesView) -> None:
        """Accepts the empty queues that asyncio's constructor assigns, and drops them."""
        if len(queue):
            view._refuse("assignment")
