"""Qt serves a loop whenever it processes events on the loop's thread, also outside of a run."""

from __future__ import annotations

import asyncio
import gc
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from support.serving import QtCore, Serve, by_exec, by_process_events, each_way

import qtloop
from qtloop import QEventLoop

pytest_plugins = ["support.serving"]
pytestmark = pytest.mark.usefixtures("limit")


# Callbacks, timers, descriptors


@each_way
def test_task_that_sleeps_completes_in_a_loop_without_a_run(loop: QEventLoop, serve: Serve) -> None:
    async def work() -> str:
        await asyncio.sleep(0.001)
        return await asyncio.to_thread(str, "from a thread")

    task = loop.create_task(work())
    serve(task.done)
    assert task.result() == "from a thread"


@each_way
def test_connection_is_served_in_a_loop_without_a_run(loop: QEventLoop, serve: Serve) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readline())
        writer.close()

    async def talk() -> bytes:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        async with server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(b"words\n")
            answer = await reader.readline()
            writer.close()
            await writer.wait_closed()
        return answer

    task = loop.create_task(talk())
    serve(task.done)
    assert task.result() == b"words\n"


@each_way
def test_callback_of_another_thread_arrives_in_a_loop_without_a_run(
    loop: QEventLoop, serve: Serve
) -> None:
    arrived: list[int] = []
    thread = threading.Thread(
        target=lambda: loop.call_soon_threadsafe(lambda: arrived.append(threading.get_ident()))
    )
    loop.call_soon(thread.start)
    serve(lambda: bool(arrived))
    thread.join()
    assert arrived == [threading.get_ident()]


def test_reader_is_called_in_a_loop_without_a_run(loop: QEventLoop) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        read: list[bytes] = []
        loop.add_reader(ours, lambda: read.append(ours.recv(10)))
        theirs.send(b"ready")
        by_exec(lambda: bool(read))
        loop.remove_reader(ours)
    assert read == [b"ready"]


def test_loop_is_served_between_and_after_its_runs(loop: QEventLoop) -> None:
    seen: list[str] = []
    for word in ("first", "second"):
        loop.call_soon(seen.append, word)
        by_exec(lambda word=word: word in seen)  # type: ignore[misc]
        assert loop.run_until_complete(asyncio.sleep(0.001, word)) == word
    assert seen == ["first", "second"]


def test_closed_loop_runs_no_more_callbacks(app: Any) -> None:
    seen: list[str] = []
    loop = QEventLoop(app)
    loop.call_soon(seen.append, "never")
    loop.close()
    passes = iter([False] * 5 + [True])
    by_exec(lambda: next(passes))
    assert seen == []


# The running loop


@each_way
def test_loop_without_a_run_is_the_running_loop_in_its_callbacks_only(
    loop: QEventLoop, serve: Serve
) -> None:
    inside: list[object] = []
    between: list[object] = []

    async def work() -> None:
        await asyncio.sleep(0.001)
        inside.extend((asyncio.get_running_loop(), asyncio.current_task(), loop.is_running()))

    task = loop.create_task(work())
    QtCore.QTimer.singleShot(
        0, lambda: between.extend((asyncio._get_running_loop(), loop.is_running()))
    )
    serve(task.done)
    assert inside == [loop, task, True]
    assert between == [None, False]
    assert asyncio._get_running_loop() is None and not loop.is_running()


def test_another_loop_can_run_in_a_slot_beside_a_loop_without_a_run(loop: QEventLoop) -> None:
    """As at the prompt of a console inside a Qt program."""
    seen: list[object] = []
    ticks: list[None] = []

    async def tick() -> None:
        while True:
            await asyncio.sleep(0.001)
            ticks.append(None)

    def slot() -> None:
        loop_of_asyncio = asyncio.SelectorEventLoop()
        with closing(loop_of_asyncio):
            seen.append(loop_of_asyncio.run_until_complete(asyncio.sleep(0.001, "asyncio's")))
        seen.append(qtloop.run(asyncio.sleep(0.001, "another")))

    task = loop.create_task(tick())
    QtCore.QTimer.singleShot(5, slot)
    by_exec(lambda: len(seen) == 2)
    before = len(ticks)
    by_exec(lambda: len(ticks) > before + 5)
    assert seen == ["asyncio's", "another"] and not task.done()


@pytest.mark.parametrize("factory", [asyncio.SelectorEventLoop, QEventLoop])
def test_task_of_the_outer_loop_is_current_again_after_a_turn_inside_of_its_step(
    loop: QEventLoop, factory: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    """Another loop's task processes Qt's events, which runs callbacks of this loop."""
    inner: list[object] = []

    async def work() -> None:
        await asyncio.sleep(0)
        inner.extend((asyncio.get_running_loop(), asyncio.current_task()))

    async def main() -> list[object]:
        hooks = sys.get_asyncgen_hooks()
        by_process_events(task.done)
        assert sys.get_asyncgen_hooks() == hooks
        return [asyncio.get_running_loop(), asyncio.current_task()]

    task = loop.create_task(work())
    with closing(factory()) as outer:
        main_task = outer.create_task(main())
        assert outer.run_until_complete(main_task) == [outer, main_task]
    assert inner == [loop, task]


def test_three_loops_on_one_thread_are_independent(app: Any) -> None:
    loops = [QEventLoop(app) for _ in range(3)]
    turns: dict[QEventLoop, int] = dict.fromkeys(loops, 0)

    async def work(loop: QEventLoop) -> None:
        for _ in range(20):
            await asyncio.sleep(0.0005)
            assert asyncio.get_running_loop() is loop
            turns[loop] += 1

    tasks = [loop.create_task(work(loop)) for loop in loops]
    loops[1].run_until_complete(tasks[1])
    by_exec(lambda: all(task.done() for task in tasks))
    assert list(turns.values()) == [20, 20, 20]
    for task, loop in zip(tasks, loops, strict=True):
        task.result()
        loop.close()


def test_asynchronous_generator_is_finalised_by_the_loop_without_a_run(loop: QEventLoop) -> None:
    log: list[str] = []

    async def numbers() -> Any:
        try:
            yield 1
        finally:
            await asyncio.sleep(0)
            log.append("finalised")

    async def work() -> None:
        generator = numbers()
        await anext(generator)
        del generator
        gc.collect()

    loop.create_task(work())
    by_exec(lambda: bool(log))


def test_set_running_loop_makes_it_the_running_loop_until_its_close(app: Any) -> None:
    loop = QEventLoop(app, set_running_loop=True)
    assert asyncio.get_running_loop() is loop and loop.is_running()
    task = asyncio.create_task(asyncio.sleep(0.001, "done"))
    by_exec(task.done)
    assert loop.run_until_complete(asyncio.sleep(0.001, "runs")) == "runs"
    loop.close()
    assert asyncio._get_running_loop() is None


# stop()


def test_stop_ends_an_exec_of_the_program(loop: QEventLoop, app: Any) -> None:
    for _ in range(2):
        loop.call_later(0.001, loop.stop)
        assert app.exec() == 0


def test_stop_without_a_qt_loop_ends_the_next_run_after_one_turn(loop: QEventLoop) -> None:
    seen: list[str] = []

    def stops() -> None:
        seen.append("stopped")
        loop.stop()
        loop.call_soon(seen.append, "next")

    loop.call_soon(stops)
    by_process_events(lambda: bool(seen))
    loop.run_forever()
    assert seen[0] == "stopped"
    assert loop.run_until_complete(asyncio.sleep(0.001, "runs")) == "runs"


def test_stop_of_a_loop_without_a_run_does_not_end_the_run_of_another(
    loop: QEventLoop, app: Any
) -> None:
    with closing(QEventLoop(app)) as other:
        loop.call_soon(loop.stop)
        assert other.run_until_complete(asyncio.sleep(0.01, "not disturbed")) == "not disturbed"
