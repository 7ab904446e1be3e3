"""Jobs that are always ready, in asyncio and in trio, and events for a task beside them."""

from __future__ import annotations

import asyncio
import random
import socket
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from measure import Unsuitable
from peers import Peer, Trio

JOBS = 10_000
CALLBACKS, TASKS = "callbacks", "tasks"
EVENTS = {  # the name of each, and the method that makes a context in which a task can wait for it
    "byte on a socket": "on_socket",
    "byte on a stream": "on_stream",
    "timer": "on_timer",
    "call_soon_threadsafe": "on_thread",
    "Event.set": "on_event",
}
NEVER = float("inf")

Wait = Callable[[], Awaitable[object]]


@dataclass
class Delays:
    """The delays between an event and the step of the task that waits for it."""

    jobs: list[int] = field(default_factory=list)  # that ran between the two
    seconds: list[float] = field(default_factory=list)


class Flood:
    """Jobs that are always ready. One of them causes the next event when it is due."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.ends = False
        self.count = 0  # of the jobs that have run
        self.before = -1  # the count at the event, or -1 before it
        self.due = NEVER
        self.since = 0.0  # the time of the event
        self.pause = 0.0  # seconds from the wait to the event
        self.cause: Callable[[], object] | None = None  # None for a timer, which is due by itself

    def work(self) -> None:
        """Does as much as formats a line of a log."""
        text = ""
        for number in range(4):
            text = f"{number}:{len(text)}"
        self.count += 1
        if self.due <= (now := time.perf_counter()):
            self.happen(now)

    def happen(self, now: float) -> None:
        """Records the time of an event, and causes it."""
        self.due = NEVER
        self.before = self.count
        if self.cause:
            self.since = now
            self.cause()

    async def run(self, kind: str, event: str, seconds: float) -> Delays:
        """Starts the jobs, and measures the delays of a task of the highest priority."""
        raise NotImplementedError

    async def measure(self, event: str, seconds: float) -> Delays:
        """Waits for one event after another, in the urgent task."""
        chance = random.Random(1)
        delays = Delays()
        end = time.perf_counter() + seconds
        waiting: AbstractAsyncContextManager[Wait] = getattr(self, EVENTS[event])()
        async with waiting as wait:
            while time.perf_counter() < end or len(delays.jobs) < 3:
                self.before = -1
                self.pause = chance.uniform(0.001, 0.005)
                self.since = self.due = time.perf_counter() + self.pause
                await wait()
                delays.seconds.append(max(0.0, time.perf_counter() - self.since))
                delays.jobs.append(0 if self.before < 0 else self.count - self.before)
                self.due = NEVER
        return delays

    def sockets(self) -> tuple[socket.socket, socket.socket]:
        """Returns a pair of sockets, of which the second one gets the bytes of the event."""
        sending, receiving = socket.socketpair()
        for end in (sending, receiving):
            end.setblocking(False)
        self.cause = lambda: sending.send(b"x")
        return sending, receiving

    def ask_thread(self, asked: threading.Semaphore) -> None:
        """Causes an event after each pause, on another thread, until the jobs end."""
        while asked.acquire() and not self.ends:
            time.sleep(self.pause)
            self.happen(time.perf_counter())

    @asynccontextmanager
    async def thread(self) -> AsyncIterator[Callable[[], None]]:
        """Runs that thread, and yields a function that asks it for an event."""
        asked = threading.Semaphore(0)
        thread = threading.Thread(target=self.ask_thread, args=(asked,))
        thread.start()

        def ask() -> None:
            self.due = NEVER  # no job causes the event
            asked.release()

        try:
            yield ask
        finally:
            self.ends = True
            asked.release()
            thread.join()


class AsyncioFlood(Flood):
    """Callbacks that queue themselves, or tasks on `sleep(0)`."""

    async def run(self, kind: str, event: str, seconds: float) -> Delays:
        loop = asyncio.get_running_loop()

        def callback() -> None:
            self.work()
            if not self.ends:
                loop.call_soon(callback)

        async def task() -> None:
            while not self.ends:
                self.work()
                await asyncio.sleep(0)

        tasks = []
        for _ in range(JOBS):
            if kind == TASKS:
                tasks.append(asyncio.ensure_future(task()))
            else:
                loop.call_soon(callback)
        delays: Delays = await self.peer.create_urgent_task(self.measure(event, seconds))
        self.ends = True
        await asyncio.gather(*tasks)
        await asyncio.sleep(0.05)  # until the last callbacks have run
        return delays

    @asynccontextmanager
    async def on_socket(self) -> AsyncIterator[Wait]:
        loop = asyncio.get_running_loop()
        sending, receiving = self.sockets()
        with sending, receiving:
            yield lambda: loop.sock_recv(receiving, 1)

    @asynccontextmanager
    async def on_stream(self) -> AsyncIterator[Wait]:
        sending, receiving = self.sockets()
        with sending:
            reader, writer = await asyncio.open_connection(sock=receiving)
            yield lambda: reader.readexactly(1)
            writer.close()

    @asynccontextmanager
    async def on_timer(self) -> AsyncIterator[Wait]:
        yield lambda: asyncio.sleep(self.pause)

    @asynccontextmanager
    async def on_thread(self) -> AsyncIterator[Wait]:
        loop = asyncio.get_running_loop()
        async with self.thread() as ask:

            def wait() -> asyncio.Future[None]:
                came: asyncio.Future[None] = loop.create_future()
                self.cause = lambda: loop.call_soon_threadsafe(came.set_result, None)
                ask()
                return came

            yield wait

    @asynccontextmanager
    async def on_event(self) -> AsyncIterator[Wait]:
        event = asyncio.Event()
        self.cause = event.set

        async def wait() -> None:
            await event.wait()
            event.clear()

        yield wait


class TrioFlood(Flood):
    """Tasks on `checkpoint()`."""

    trio: Any

    async def run(self, kind: str, event: str, seconds: float) -> Delays:
        if kind == CALLBACKS:
            raise Unsuitable("it has tasks only")
        self.trio = self.peer.library

        async def task() -> None:
            while not self.ends:
                self.work()
                await self.trio.lowlevel.checkpoint()

        async with self.trio.open_nursery() as nursery:
            for _ in range(JOBS):
                nursery.start_soon(task)
            await self.trio.sleep(0.01)  # until they run
            delays = await self.measure(event, seconds)
            self.ends = True
        return delays

    @asynccontextmanager
    async def on_socket(self) -> AsyncIterator[Wait]:
        sending, receiving = self.sockets()
        with sending, receiving:

            async def wait() -> None:
                await self.trio.lowlevel.wait_readable(receiving)
                receiving.recv(1)

            yield wait

    @asynccontextmanager
    async def on_stream(self) -> AsyncIterator[Wait]:
        sending, receiving = self.sockets()
        with sending:
            stream = self.trio.SocketStream(self.trio.socket.from_stdlib_socket(receiving))
            yield lambda: stream.receive_some(1)
            receiving.close()

    @asynccontextmanager
    async def on_timer(self) -> AsyncIterator[Wait]:
        yield lambda: self.trio.sleep(self.pause)

    @asynccontextmanager
    async def on_thread(self) -> AsyncIterator[Wait]:
        token = self.trio.lowlevel.current_trio_token()
        async with self.thread() as ask:

            async def wait() -> None:
                came = self.trio.Event()
                self.cause = lambda: token.run_sync_soon(came.set)
                ask()
                await came.wait()

            yield wait

    @asynccontextmanager
    async def on_event(self) -> AsyncIterator[Wait]:
        async def wait() -> None:
            came = self.trio.Event()
            self.cause = came.set
            await came.wait()

        yield wait


def flood(peer: Peer) -> Flood:
    """Makes the flood of a peer, for one event."""
    return TrioFlood(peer) if isinstance(peer, Trio) else AsyncioFlood(peer)
