"""Jobs that run between an event and the step of the HIGH task that waits for it, in a flood.

The jobs are counted, not timed. asyncio runs 10,000 to 25,000 of them.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

import qtloop
from qtloop import Priority

SIZE, EVENTS = 10_000, 20
# In debug mode a job takes 30 to 100 µs: asyncio records where it was made.
DEBUG_SIZE, DEBUG_EVENTS = 1000, 5
LIMIT = 100


class Flood:
    """Callbacks that queue themselves again, or tasks that only yield."""

    def __init__(self, loop: qtloop.QEventLoop, kind: str, priority: int) -> None:
        self.count = 0
        self._clock = loop.time
        self._deadline = float("inf")
        self._count_at_deadline: int | None = None
        self._loop = loop
        self._is_stopped = False
        size = DEBUG_SIZE if loop.get_debug() else SIZE
        if kind == "callbacks":
            for _ in range(size):
                loop.call_soon_priority(priority, self._call)
            self._tasks: list[asyncio.Task[None]] = []
        else:
            self._tasks = [loop.create_task(self._yield(), priority=priority) for _ in range(size)]

    def wait_for(self, clock: Callable[[], float], deadline: float) -> None:
        """Notes the count at the first job after a deadline."""
        self._clock, self._deadline = clock, deadline
        self._count_at_deadline = None

    def jobs_at_deadline(self) -> int:
        """Returns that count. No job has run since the deadline if there is none yet."""
        self._deadline = float("inf")
        return self.count if self._count_at_deadline is None else self._count_at_deadline

    def _job(self) -> None:
        self.count += 1
        if self._count_at_deadline is None and self._clock() >= self._deadline:
            self._count_at_deadline = self.count

    def _call(self) -> None:
        self._job()
        if not self._is_stopped:
            self._loop.call_soon(self._call)

    async def _yield(self) -> None:
        while not self._is_stopped:
            self._job()
            await asyncio.sleep(0)

    async def stop(self) -> None:
        self._is_stopped = True
        await asyncio.gather(*self._tasks)


class Valve:
    """The events of the HIGH task. Each method waits for one, and returns the count at the event.

    `fire` calls a function between two jobs of the flood.
    """

    def __init__(self, loop: qtloop.QEventLoop, flood: Flood) -> None:
        self.loop = loop
        self.flood = flood
        self.at: list[int] = []
        self.one, self.other = socket.socketpair()
        self.one.setblocking(False)
        self.other.setblocking(False)

    def close(self) -> None:
        self.one.close()
        self.other.close()

    def note(self) -> None:
        self.at.append(self.flood.count)

    def fire(self, function: Callable[..., object], *args: object) -> None:
        def job() -> None:
            self.note()
            function(*args)

        self.loop.call_soon_priority(Priority.NORMAL, job)  # behind the whole flood

    async def add_reader(self) -> None:
        event = asyncio.Event()

        def readable() -> None:
            self.one.recv(10)
            event.set()

        self.loop.add_reader(self.one, readable)
        self.fire(self.other.send, b"1")
        await event.wait()
        self.loop.remove_reader(self.one)

    async def sock_recv(self) -> None:
        self.fire(self.other.send, b"1")
        await self.loop.sock_recv(self.one, 10)

    async def event(self) -> None:
        event = asyncio.Event()
        self.fire(event.set)
        await event.wait()

    async def call_soon_threadsafe(self) -> None:
        event = asyncio.Event()

        def on_a_thread() -> None:
            self.at.clear()
            self.note()
            self.loop.call_soon_threadsafe(event.set)

        thread = threading.Thread(target=on_a_thread)
        self.fire(thread.start)
        await event.wait()
        thread.join()

    async def executor(self) -> None:
        go = threading.Event()

        def work() -> None:
            go.wait()
            self.at.clear()
            self.note()

        future = self.loop.run_in_executor(None, work)
        self.fire(go.set)
        await future

    async def signal(self) -> None:
        event = asyncio.Event()
        self.loop.add_signal_handler(signal.SIGUSR1, event.set)
        self.fire(os.kill, os.getpid(), signal.SIGUSR1)
        await event.wait()
        self.loop.remove_signal_handler(signal.SIGUSR1)

    async def timer(self) -> None:
        done = self.loop.create_future()
        deadline = self.loop.time() + 0.002
        self.flood.wait_for(self.loop.time, deadline)
        self.loop.call_at(deadline, done.set_result, None)
        await done
        self.at.append(self.flood.jobs_at_deadline())

    async def sleep_until(self) -> None:
        deadline = datetime.now() + timedelta(seconds=0.002)
        self.flood.wait_for(time.time, deadline.timestamp())
        await qtloop.sleep_until(deadline)
        self.at.append(self.flood.jobs_at_deadline())


Wait = Callable[[], Awaitable[object]]


async def counts(valve: Valve, wait: Wait) -> list[int]:
    """Returns the number of jobs between each event and the next step of this task."""
    found = []
    for _ in range(DEBUG_EVENTS if valve.loop.get_debug() else EVENTS):
        valve.at.clear()
        await wait()
        found.append(valve.flood.count - valve.at[0])
    return found


KINDS = [
    "add_reader",
    "sock_recv",
    "event",
    "call_soon_threadsafe",
    "executor",
    "signal",
    "timer",
    "sleep_until",
    "stream",
    "datagram",
]


async def high(loop: qtloop.QEventLoop, flood: Flood, name: str) -> list[int]:
    valve = Valve(loop, flood)
    try:
        if name == "stream":
            reader, writer = await asyncio.open_connection(sock=valve.one)

            async def read() -> None:
                valve.fire(valve.other.send, b"1")
                await reader.readexactly(1)

            found = await counts(valve, read)
            writer.close()
            await writer.wait_closed()
        elif name == "datagram":
            found = await of_datagrams(loop, valve)
        else:
            found = await counts(valve, getattr(valve, name))
    finally:
        valve.close()
    return found


async def of_datagrams(loop: qtloop.QEventLoop, valve: Valve) -> list[int]:
    class Receiver(asyncio.DatagramProtocol):
        received: asyncio.Event

        def datagram_received(self, data: bytes, address: Any) -> None:
            self.received.set()

    transport, receiver = await loop.create_datagram_endpoint(Receiver, local_addr=("127.0.0.1", 0))
    address = transport.get_extra_info("sockname")
    with socket.socket(type=socket.SOCK_DGRAM) as sender:

        async def receive() -> None:
            receiver.received = asyncio.Event()
            valve.fire(sender.sendto, b"1", address)
            await receiver.received.wait()

        found = await counts(valve, receive)
    transport.close()
    return found


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize("kind", ["callbacks", "tasks"])
@pytest.mark.parametrize("name", KINDS)
def test_few_jobs_run_between_an_event_and_the_step_of_a_high_task(
    loop: qtloop.QEventLoop, name: str, kind: str, debug: bool
) -> None:
    if debug and name == "call_soon_threadsafe":
        pytest.skip(
            "asyncio records the stack before it queues the call: the jobs of that time count"
        )
    loop.set_debug(debug)
    loop.slow_callback_duration = 10

    async def main() -> Any:
        flood = Flood(loop, kind, Priority.NORMAL)
        await asyncio.sleep(0)
        found = await loop.create_task(high(loop, flood, name), priority=Priority.HIGH)
        await flood.stop()
        return found

    found: list[int] = loop.run_until_complete(main())
    assert max(found) <= LIMIT, sorted(found)
