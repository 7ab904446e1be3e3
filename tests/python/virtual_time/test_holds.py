"""Virtual time does not jump while Qt, a thread, a process or a descriptor may continue."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from conftest import needs_binding
from support.virtual_time import FOREVER, in_thread, make_idle, run

import qtloop
from qtloop._binding import binding

pytest_plugins = ["support.virtual_time"]


# Executors


def test_job_of_an_executor_does_not_time_out(virtual: qtloop.QEventLoop) -> None:
    async def main() -> None:
        with ThreadPoolExecutor() as pool:
            for executor in (None, pool):
                job = virtual.run_in_executor(executor, make_idle, virtual)
                await asyncio.wait_for(job, 1e-9)
        assert virtual.time() == 0
        await asyncio.sleep(1)
        assert virtual.time() == 1

    run(virtual, main())


def test_cancelled_job_holds_the_clock_no_longer(virtual: qtloop.QEventLoop) -> None:
    async def main() -> None:
        end = threading.Event()
        job = virtual.run_in_executor(None, end.wait, 30)
        job.cancel()
        await asyncio.sleep(100)
        assert virtual.time() == 100
        end.set()

    run(virtual, main())


def test_shutdown_of_the_executor_holds_the_clock(virtual: qtloop.QEventLoop) -> None:
    async def main() -> None:
        job = virtual.run_in_executor(None, make_idle, virtual)
        job.cancel()
        await asyncio.wait_for(virtual.shutdown_default_executor(), 1)
        assert virtual.time() == 0

    run(virtual, main())


def test_name_look_up_holds_the_clock(virtual: qtloop.QEventLoop) -> None:
    async def main() -> None:
        await asyncio.wait_for(virtual.getaddrinfo("localhost", 80), 1e-9)
        assert virtual.time() == 0

    run(virtual, main())


def test_job_at_the_close_of_its_loop_does_not_hold_the_next_one(
    app: Any, clock: qtloop.VirtualClock
) -> None:
    end = threading.Event()
    with ThreadPoolExecutor() as pool:
        loop = qtloop.QEventLoop(app, clock=clock)
        loop.run_in_executor(pool, end.wait, 30)
        loop.close()
        with qtloop.QEventLoop(app, clock=clock) as second:
            run(second, asyncio.sleep(1))
            assert second.time() == 1
        end.set()


# Threads


def test_call_of_another_thread_is_served_before_a_timer(virtual: qtloop.QEventLoop) -> None:
    async def main() -> None:
        called = asyncio.Event()
        in_thread(lambda: virtual.call_soon_threadsafe(called.set)).join()
        await asyncio.wait_for(called.wait(), 1e-9)
        assert virtual.time() == 0

    run(virtual, main())


# Child processes


async def child(program: str, **kwargs: Any) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(sys.executable, "-c", program, **kwargs)


def test_child_process_does_not_time_out(app: Any) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        process = await child("import sys; sys.exit(3)")
        assert await asyncio.wait_for(process.wait(), 1e-9) == 3
        process = await child("print(input())", stdin=-1, stdout=-1)
        out, _ = await asyncio.wait_for(process.communicate(b"hello"), 1e-9)
        assert out == b"hello\n"
        assert loop.time() == 0
        await asyncio.sleep(1)
        assert loop.time() == 1

    with qtloop.QEventLoop(app, clock=qtloop.VirtualClock(idle=0)) as loop:
        run(loop, main())


def test_child_process_that_cannot_start_does_not_hold_the_clock(
    virtual: qtloop.QEventLoop,
) -> None:
    async def main() -> None:
        with pytest.raises(FileNotFoundError):
            await asyncio.create_subprocess_exec("/nonexistent")
        await asyncio.sleep(1)
        assert virtual.time() == 1

    run(virtual, main())


# File descriptors


def test_reply_of_a_server_thread_sooner_than_idle_does_not_time_out(
    virtual: qtloop.QEventLoop,
) -> None:
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with server, server.accept()[0] as connection:
            for _ in range(20):
                make_idle(virtual)
                connection.sendall(connection.recv(100))

    async def main() -> None:
        in_thread(serve)
        reader, writer = await asyncio.open_connection(*server.getsockname())
        for _ in range(20):
            writer.write(b"hello")
            assert await asyncio.wait_for(reader.readexactly(5), 1e-9) == b"hello"
        assert await reader.read() == b""
        writer.close()
        assert virtual.time() == 0
        await asyncio.sleep(1)
        assert virtual.time() == 1

    run(virtual, main())


@pytest.mark.parametrize("idle", [0.0, 0.01])
def test_listening_socket_does_not_stop_time(app: Any, idle: float) -> None:
    async def main() -> None:
        server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
        for _ in range(3):
            await asyncio.sleep(3600)
        server.close()
        await server.wait_closed()
        assert asyncio.get_running_loop().time() == 3 * 3600

    with qtloop.QEventLoop(app, clock=qtloop.VirtualClock(idle=idle)) as loop:
        run(loop, main())


def test_idle_is_never_cut_short(app: Any) -> None:
    async def main() -> None:
        reader, writer = socket.socketpair()
        with reader, writer:
            loop.add_reader(reader, lambda: None)
            for _ in range(5):
                begun = time.monotonic()
                await asyncio.sleep(1)
                assert time.monotonic() - begun >= 0.02
            loop.remove_reader(reader)

    with qtloop.QEventLoop(app, clock=qtloop.VirtualClock(idle=0.02)) as loop:
        run(loop, main())


def test_end_of_the_last_watch_lets_time_jump_at_once(virtual: qtloop.QEventLoop) -> None:
    async def main() -> None:
        reader, writer = socket.socketpair()
        with reader, writer:
            virtual.add_reader(reader, virtual.remove_reader, reader)
            sleeping = asyncio.create_task(asyncio.sleep(1))

            def work() -> None:
                make_idle(virtual)
                writer.send(b"x")

            in_thread(work)
            await sleeping
            assert not virtual.remove_reader(reader)
            assert virtual.time() == 1

    run(virtual, main())


def test_server_and_client_of_one_loop_need_no_silence(virtual: qtloop.QEventLoop) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readline())
        await writer.drain()
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"hello\n")
        assert await asyncio.wait_for(reader.readline(), 1) == b"hello\n"
        writer.close()
        server.close()
        await server.wait_closed()
        assert virtual.time() == 0

    assert FOREVER > 60
    run(virtual, main())


# Qt


@needs_binding
def test_posted_events_of_qt_are_processed_before_a_jump(virtual: qtloop.QEventLoop) -> None:
    assert binding is not None
    core = binding.QtCore

    class Receiver(core.QObject):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.received = asyncio.Event()

        def event(self, event: Any) -> bool:
            self.received.set()
            return True

    async def main() -> None:
        for _ in range(20):
            receiver = Receiver()
            core.QCoreApplication.postEvent(receiver, core.QEvent(core.QEvent.Type.User))
            await asyncio.wait_for(receiver.received.wait(), 1e-9)
        assert virtual.time() == 0

    run(virtual, main())


@needs_binding
def test_time_goes_on_in_a_dialog_of_a_coroutine(virtual: qtloop.QEventLoop) -> None:
    from support.modal import Modal

    async def main() -> None:
        modal = Modal()
        ticks: list[float] = []

        async def tick() -> None:
            for _ in range(10):
                await asyncio.sleep(60)
                ticks.append(virtual.time())
            modal.close()

        ticking = asyncio.create_task(tick())
        modal.exec()
        assert ticks == [60.0 * count for count in range(1, 11)]
        await ticking

    run(virtual, main())


@needs_binding
def test_time_goes_on_without_a_run(virtual: qtloop.QEventLoop) -> None:
    assert binding is not None
    ran: list[float] = []
    for delay in (5, 1):
        virtual.call_later(delay, lambda: ran.append(virtual.time()))
    while len(ran) < 2:
        binding.QtCore.QCoreApplication.processEvents()
    assert ran == [1, 5]
