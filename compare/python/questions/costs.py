"""The cost of a loop: threads, wake-ups, and the time of an event and of a step."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
import statistics
import time
from pathlib import Path

from peers import Peer

from .registry import Questions

QUESTIONS = Questions()
asks = QUESTIONS.asks


@asks("threads it adds")
async def threads(peer: Peer) -> str:
    await asyncio.sleep(0.5)
    return f"{len(os.listdir('/proc/self/task')) - peer.threads}"


@asks("wake-ups in 2 s of idling, the last included")
async def wake_ups(peer: Peer) -> str:
    def switches() -> int:
        lines = (
            line
            for status in Path("/proc/self/task").glob("*/status")
            for line in status.read_text().splitlines()
        )
        return sum(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt"))

    await asyncio.sleep(0.5)  # until the loop has started its helper threads and timers
    before = switches()
    await asyncio.sleep(2)
    return f"{switches() - before}"


@asks("a socket event beside 1,000 idle sockets: how many times the time of one beside none")
async def idle_sockets(peer: Peer) -> str:
    loop = asyncio.get_running_loop()

    async def round_trip() -> float:
        one, other = socket.socketpair()
        left, done = 500, loop.create_future()

        def answer(end: socket.socket) -> None:
            nonlocal left
            end.send(end.recv(1))
            left -= 1
            if not left:
                done.set_result(None)

        with one, other:
            loop.add_reader(one, answer, one)
            loop.add_reader(other, answer, other)
            start = time.perf_counter()
            one.send(b"x")
            await done
            took = time.perf_counter() - start
            loop.remove_reader(one)
            loop.remove_reader(other)
        return took / 500

    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    pairs = [socket.socketpair() for _ in range(500)]
    idle = [end for pair in pairs for end in pair]
    alone, beside = [], []
    for _ in range(5):
        alone.append(await round_trip())
        for end in idle:
            loop.add_reader(end, print)
        beside.append(await round_trip())
        for end in idle:
            loop.remove_reader(end)
    for end in idle:
        end.close()
    return f"{statistics.median(beside) / statistics.median(alone):.1f}"


@asks("`sleep(0)`: how many times asyncio's own time")
def sleep_zero(peer: Peer) -> str:
    async def spin() -> float:
        start = time.perf_counter()
        for _ in range(5000):
            await asyncio.sleep(0)
        return time.perf_counter() - start

    loop, plain = peer.new_loop(), asyncio.SelectorEventLoop()
    rounds = [(loop.run_until_complete(spin()), plain.run_until_complete(spin())) for _ in range(6)]
    return f"{statistics.median(own / other for own, other in rounds[1:]):.1f}"
