"""The questions of `probes.py`: programs in asyncio's API, with the same source for all loops.

A question that is a coroutine runs inside the loop. It returns None for yes or a text for a
measured answer, and raises the reason for a no.
"""

from __future__ import annotations

import asyncio
import contextvars
import os
import random
import resource
import signal
import socket
import ssl
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from peers import Peer

CERTIFICATE = Path(__file__).parents[2] / "tests" / "python" / "support" / "localhost.pem"

Question = Callable[[Peer], Any]
QUESTIONS: dict[str, tuple[str, Question]] = {}


def asks(text: str) -> Callable[[Question], Question]:
    """Make a function a row of the table."""

    def add(question: Question) -> Question:
        QUESTIONS[question.__name__] = text, question
        return question

    return add


def check(fact: bool, otherwise: str) -> None:
    """Answer no, with that reason, unless the condition is true."""
    if not fact:
        raise AssertionError(otherwise)


@asks("starts, and returns a coroutine's result")
def starts(peer: Peer) -> None:
    result = peer.run(asyncio.sleep(0.01, "result"))
    check(result == "result", f"the result is {result!r}")


@asks("`asyncio.run(main(), loop_factory=...)`")
def loop_factory(peer: Peer) -> str | None:
    if sys.version_info < (3, 12):
        return "needs Python 3.12"
    result = asyncio.run(asyncio.sleep(0.01, "result"), loop_factory=peer.new_loop)
    check(result == "result", f"the result is {result!r}")
    return None


@asks("TCP streams")
async def tcp(peer: Peer) -> None:
    await echo({}, {})


@asks("TLS streams")
async def tls(peer: Peer) -> None:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(CERTIFICATE)
    client = ssl.create_default_context(cafile=CERTIFICATE)
    await echo({"ssl": server}, {"ssl": client, "server_hostname": "localhost"})


async def echo(server_tls: dict[str, Any], client_tls: dict[str, Any]) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readline())
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", **server_tls) as server:
        address = server.sockets[0].getsockname()
        reader, writer = await asyncio.open_connection(*address, **client_tls)
        writer.write(b"hello\n")
        check(await reader.readline() == b"hello\n", "the echo differs")
        writer.close()
        await writer.wait_closed()


@asks("UDP endpoints")
async def udp(peer: Peer) -> None:
    loop = asyncio.get_running_loop()
    received = loop.create_future()

    class Listener(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: Any) -> None:
            received.set_result(data)

    listener, _ = await loop.create_datagram_endpoint(Listener, local_addr=("127.0.0.1", 0))
    address = listener.get_extra_info("sockname")
    talker, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=address)
    talker.sendto(b"hello")
    check(await received == b"hello", "the datagram differs")
    talker.close()
    listener.close()


@asks("subprocesses")
async def subprocesses(peer: Peer) -> None:
    command = (sys.executable, "-c", "print('hello')")
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    output, _ = await process.communicate()
    check((process.returncode, output) == (0, b"hello\n"), f"{process.returncode}, {output!r}")


@asks("pipes")
async def pipes(peer: Peer) -> None:
    reading, writing = os.pipe()
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(reading, "rb")
    )
    os.write(writing, b"hello\n")
    os.close(writing)
    check(await reader.read() == b"hello\n", "what was read differs")


@asks("`add_signal_handler`")
async def signal_handlers(peer: Peer) -> None:
    handled = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, handled.set)
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGUSR1)).start()
    await handled.wait()


@asks("Ctrl-C ends an idle program within 0.25 s, with KeyboardInterrupt")
def ctrl_c(peer: Peer) -> None:
    sent = []

    def send() -> None:
        sent.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    threading.Timer(0.3, send).start()
    try:
        peer.run(asyncio.sleep(5))
    except KeyboardInterrupt:
        took = time.monotonic() - sent[0]
        check(took < 0.25, f"it took {took:.1f} s")
    else:
        raise AssertionError("there is no KeyboardInterrupt")


@asks("SystemExit leaves the run")
def system_exit(peer: Peer) -> None:
    async def main() -> None:
        await asyncio.sleep(0.01)
        raise SystemExit(7)

    try:
        peer.run(main())
    except SystemExit as error:
        check(error.code == 7, f"the code is {error.code}")
    else:
        raise AssertionError("there is no SystemExit")


async def watch_tasks(peer: Peer, execute: Callable[[Callable[[], Any]], Any]) -> None:
    """Ask whether another task continues during half a second of a dialog, and afterwards."""
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.02)
            ticks += 1

    ticker = asyncio.create_task(tick())
    await asyncio.sleep(0.1)
    window = peer.widgets.QWidget()
    window.show()  # otherwise the dialog is the last window, and closing it quits the program
    dialog = peer.widgets.QDialog(window)
    peer.core.QTimer.singleShot(500, dialog.accept)
    before = ticks
    result = await execute(dialog.exec)
    during = ticks - before
    check(result == 1, f"exec() returns {result!r}")
    await asyncio.sleep(0.2)
    if ticker.done():
        ticker.result()
    check(during >= 10, f"another task ran {during} times, of 25")
    check(ticks - before - during >= 3, "another task stands still afterwards")


@asks("`dialog.exec()` in a coroutine: other tasks go on")
async def dialog(peer: Peer) -> None:
    async def execute(function: Callable[[], Any]) -> Any:
        return function()

    await watch_tasks(peer, execute)


@asks("the same through the library's own wrapper")
async def wrapped_dialog(peer: Peer) -> None:
    await watch_tasks(peer, peer.call_modal)


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
