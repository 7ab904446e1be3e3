"""Loops in several threads: each runs its own, and the end of one ends no other."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import pytest
from conftest import Child, needs_binding
from support.running import cleans_up
from support.ways_to_run import QtCore, Run, each_run

import qtloop
from qtloop import QEventLoop

pytest_plugins = ["support.ways_to_run"]


@contextlib.contextmanager
def in_qthread(function: Callable[[Any], Any]) -> Iterator[tuple[Any, Future[Any]]]:
    """Calls the function in a QThread's `run()`, with the QThread as its argument."""
    ended: Future[Any] = Future()

    def run(self: Any) -> None:
        try:
            ended.set_result(function(self))
        except BaseException as error:
            ended.set_exception(error)

    thread = type("Thread", (QtCore.QThread,), {"run": run})()
    thread.start()
    try:
        yield thread, ended
    finally:
        thread.quit()
        assert thread.wait(10_000)


async def talk(together: threading.Barrier) -> bytes:
    """Runs a server and a client in this loop, while all the other loops run."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line)
        writer.close()

    await asyncio.to_thread(together.wait, 20)
    async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"words\n")
        answer = await reader.readline()
        writer.close()
        await writer.wait_closed()
    await asyncio.to_thread(together.wait, 20)
    return answer


@each_run
def test_threads_run_loops_at_the_same_time_as_the_main_thread(app: Any, run: Run) -> None:
    async def main() -> list[bytes]:
        together = threading.Barrier(5)
        threads = [asyncio.to_thread(run, talk(together)) for _ in range(4)]
        return list(await asyncio.gather(*threads, talk(together)))

    assert run(main()) == [b"words\n"] * 5


@needs_binding
@pytest.mark.parametrize("end", ["quit", "exit", "stop"])
@pytest.mark.parametrize("way", [QEventLoop, qtloop.attach])
def test_end_of_a_loop_in_a_qthread_does_not_end_the_program(app: Any, way: Any, end: str) -> None:
    log: list[str] = []
    tasks: list[asyncio.Task[None]] = []

    def runs(thread: Any) -> tuple[int, str]:
        with way(thread) as loop:
            tasks.append(loop.create_task(cleans_up(log, "task")))
            ends = {"quit": thread.quit, "exit": lambda: thread.exit(7), "stop": loop.stop}
            loop.call_later(0.001, ends[end])
            code = loop.run_forever() if way is QEventLoop else thread.exec()
            return code, loop.run_until_complete(asyncio.sleep(0.001, "runs again"))

    async def main() -> object:
        with in_qthread(runs) as (_, ended):
            return await asyncio.wait_for(asyncio.wrap_future(ended), 10)

    assert qtloop.run(main()) == (7 if end == "exit" else 0, "runs again")
    assert log == ["task"] and tasks[0].cancelled()


@needs_binding
def test_end_of_a_qthread_cancels_the_main_that_run_runs_in_it(app: Any) -> None:
    log: list[str] = []
    running = threading.Event()

    async def main() -> None:
        asyncio.get_running_loop().call_later(0.001, running.set)
        await cleans_up(log, "main")

    with in_qthread(lambda _: qtloop.run(main())) as (thread, ended):
        assert running.wait(10)
        thread.quit()
        assert ended.result(10) is None and log == ["main"]


def test_run_in_a_thread_without_an_application_raises_an_error_that_names_the_cure(
    child: Child,
) -> None:
    program = """
        from concurrent.futures import ThreadPoolExecutor
        with ThreadPoolExecutor() as pool:
            print(pool.submit(QEventLoop().run_forever).exception())
            qtloop.run(asyncio.sleep(0))
            print(pool.submit(qtloop.run, asyncio.sleep(0.001, "runs")).result())
    """
    assert child(program).stdout == (
        "there is no QCoreApplication: make one in the main thread "
        "before a QEventLoop runs in another thread\nruns\n"
    )
