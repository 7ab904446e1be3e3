"""The source of the inspector: reads numbers, tasks, callbacks, timers and descriptors."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import time
from typing import Any, NamedTuple

from .. import _native
from .._asyncio_private import callback_of, task_of_timeout, tasks_woken_by
from .._loop import QEventLoop
from ._awaits import place_of_code, waiting
from ._text import Place

# The account of the handles that were cancelled: they have no callback.
CANCELLED = ("", "NoneType")

# The most timers that are listed, those that are due next.
MAX_TIMERS = 1000

# The number of updates after which the table of tasks is compared with all tasks. It may have tasks
# that were collected while they waited.
COMPARE = 40

# The figures of a task: steps, busy, longest, wake-ups, self wake-ups, created, ready since or 0,
# running since or 0, idle since. Times are nanoseconds of CLOCK_MONOTONIC.
Account = tuple[int, int, int, int, int, int, int, int, int]

# The address and the number of a task.
Key = tuple[int, int]


class Changes(NamedTuple):
    """Changes of the tasks since the last time. Drop it soon: it keeps tasks alive."""

    created: list[tuple[int, asyncio.Task[Any]]]
    stepped: list[int]
    ended: list[int]
    failed: list[tuple[int, asyncio.Task[Any]]]  # their exception was not retrieved


class Figures(NamedTuple):
    """The numbers of the loop. Times are nanoseconds."""

    now: int
    ready: int
    timers: int
    watches: int
    fired: int  # the timers that have become due since the loop was made
    longest_turn: int  # since the last figures


class Callback(NamedTuple):
    """The jobs of one code location. Times are nanoseconds."""

    place: Place
    jobs: int
    total: int
    worst: int


class Timer(NamedTuple):
    """A timer that waits: its deadline in nanoseconds from now, and what it calls."""

    key: int
    remaining: int
    what: str
    task: str
    place: Place


class Watch(NamedTuple):
    """A watched direction of a file descriptor, and what it calls."""

    fd: int
    writer: bool
    file: str
    what: str
    place: Place


class Source:
    """Reads one loop, on its thread. The loop keeps the accounts of its tasks until `close()`."""

    def __init__(self, loop: QEventLoop) -> None:
        self.loop: QEventLoop | None = loop  # None after `close()`
        _native.observe_tasks(loop, True)
        self._updates = 0

    def close(self) -> None:
        """Ends the accounts. Idempotent."""
        loop, self.loop = self.loop, None
        if loop is not None and not loop.is_closed():
            _native.observe_tasks(loop, False)

    def figures(self) -> Figures:
        """Returns the numbers of the loop."""
        loop = self._open()
        watches, fired, longest_turn = _native.recent_figures(loop)
        ready, timers = len(loop._ready), len(loop._scheduled)
        return Figures(time.monotonic_ns(), ready, timers, watches, fired, longest_turn)

    def changes(self) -> Changes:
        """Returns what has happened to the tasks since the last call, or since the beginning."""
        loop = self._open()
        live: list[asyncio.Task[Any]] | None = None
        if self._updates % COMPARE == 0:
            # The tasks that exist at first are numbered in this order.
            live = sorted(asyncio.all_tasks(loop), key=_natural)
        self._updates += 1
        created, stepped, ended, failed = _native.task_changes(loop, live) or ([], [], [], [])
        tasks: list[tuple[int, asyncio.Task[Any]]] = []
        if created:
            by_address = {id(task): task for task in live or asyncio.all_tasks(loop)}
            tasks = [(number, by_address[at]) for at, number in created if at in by_address]
        return Changes(tasks, stepped, ended, failed)

    def accounts(self, keys: list[Key]) -> list[Account | None]:
        """Returns the figures of tasks; None for one that has ended."""
        return _native.task_accounts(self._open(), keys)

    def callbacks(self) -> list[Callback]:
        """Returns the jobs by code location, since the inspector was opened."""
        accounts = _native.place_accounts(self._open()) or []
        return [
            Callback(Place(file, line, function), jobs, total, worst)
            for file, line, function, jobs, total, worst in accounts
            if (file, function) != CANCELLED
        ]

    def timers(self) -> list[Timer]:
        """Returns the timers that are due next."""
        loop = self._open()
        now = loop.time()
        found = []
        for handle in loop._scheduled[:MAX_TIMERS]:
            assert isinstance(handle, asyncio.TimerHandle)
            callback, args = callback_of(handle)
            what, task, place = _describe(callback, args)
            remaining = round((handle.when() - now) * 1e9)
            found.append(Timer(id(handle), remaining, what, task, place))
        return found

    def watches(self) -> list[Watch]:
        """Returns the watched directions of descriptors, without those of the loop itself."""
        found = []
        for fd, writer, handle in _native.watches(self._open()):
            callback, args = callback_of(handle)
            owner = getattr(callback, "__self__", None)
            if isinstance(owner, asyncio.BaseTransport):
                what, place = _protocol_of(owner, writer)
            else:
                what, _, place = _describe(callback, args)
            found.append(Watch(fd, writer, _file(fd, owner, args), what, place))
        return sorted(found, key=lambda watch: (watch.fd, watch.writer))

    def _open(self) -> QEventLoop:
        loop = self.loop
        if loop is None or loop.is_closed():
            raise RuntimeError("the inspector or its loop is closed")
        return loop


def _natural(task: asyncio.Task[Any]) -> list[tuple[int, str]]:
    """Returns a key that sorts `Task-2` before `Task-10`."""
    parts = re.split(r"(\d+)", task.get_name())
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]


def _name_and_place(callback: Any) -> tuple[str, Place]:
    """Returns the name of a callback and where it begins, without partial functions around it."""
    function = callback
    for _ in range(4):
        function = getattr(function, "func", getattr(function, "__func__", function))
    name = getattr(function, "__qualname__", type(callback).__name__).replace("<locals>.", "")
    code = getattr(function, "__code__", None)
    return name, place_of_code(code) if code is not None else Place("", 0, name)


def _protocol_of(transport: asyncio.BaseTransport, writer: bool) -> tuple[str, Place]:
    """Returns the method of the protocol that a ready transport calls."""
    protocol = transport.get_protocol()
    names = (
        ("resume_writing",) if writer else ("buffer_updated", "data_received", "datagram_received")
    )
    for name in names:
        if (method := getattr(protocol, name, None)) is not None:
            return f"{type(protocol).__name__}.{name}", _name_and_place(method)[1]
    return type(protocol).__name__, Place("", 0, "")


def _describe(callback: Any, args: tuple[Any, ...]) -> tuple[str, str, Place]:
    """Returns a callback's name, the task that it wakes or interrupts, and a place.

    That is where the task waits or, without a task, where the callback is defined.
    """
    name, place = _name_and_place(callback)
    task = task_of_timeout(getattr(callback, "__self__", None))
    if task is not None:
        name = "timeout()"
    else:
        futures = [each for each in args if isinstance(each, asyncio.Future)]
        task = next((task for each in futures for task in tasks_woken_by(each)), None)
        if task is not None and name == "_set_result_unless_cancelled":
            name = "sleep()"
    if task is None:
        return name, "", place
    return name, task.get_name(), waiting(task).place or place


def _file(fd: int, owner: object, args: tuple[Any, ...]) -> str:
    """Describes a descriptor: a path, or its kind, such as `socket`, and an address."""
    try:
        target = os.readlink(f"/proc/self/fd/{fd}")
    except OSError:
        return "closed"
    if not target.startswith(("socket:", "pipe:", "anon_inode:")):
        return target
    kind = target.removeprefix("anon_inode:").partition(":")[0].strip("[]")
    if isinstance(owner, asyncio.BaseTransport):
        return f"{kind}{_address(' to', owner.get_extra_info('peername'))}"
    own = next((each for each in args if isinstance(each, socket.socket)), None)
    return f"{kind}{_address(' at', own.getsockname()) if own is not None else ''}"


def _address(word: str, address: Any) -> str:
    """Returns an internet address or the path of a Unix socket as text, or nothing."""
    if isinstance(address, tuple) and len(address) >= 2:
        return f"{word} {address[0]}:{address[1]}"
    return f"{word} {address}" if isinstance(address, str) and address else ""
