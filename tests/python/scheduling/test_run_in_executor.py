"""Jobs of run_in_executor(), and the shutdown of the default executor: as in asyncio."""

from __future__ import annotations

import asyncio
import concurrent.futures
import multiprocessing
import os
import threading

# From its own module: PySide6 6.12 breaks the lazy import of concurrent.futures in Python 3.15.
from concurrent.futures.process import ProcessPoolExecutor

import pytest
from support.streams import run

import qtloop

pytest_plugins = ["support.each_loop"]

Loop = asyncio.SelectorEventLoop


def test_thread_and_process_executors_run_jobs(loop: qtloop.QEventLoop) -> None:
    async def main() -> None:
        with concurrent.futures.ThreadPoolExecutor(2) as threads:
            jobs = (loop.run_in_executor(threads, pow, 2, number) for number in range(20))
            assert await asyncio.gather(*jobs) == [2**number for number in range(20)]
            with pytest.raises(ZeroDivisionError):
                await loop.run_in_executor(threads, divmod, 1, 0)
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=context) as processes:
            assert await loop.run_in_executor(processes, os.getpid) != os.getpid()
            with pytest.raises(ZeroDivisionError):
                await loop.run_in_executor(processes, divmod, 1, 0)

    run(loop, main())


def test_default_executor_refuses_jobs_after_its_shutdown(each_loop: Loop) -> None:
    async def main() -> None:
        assert await each_loop.run_in_executor(None, max, 1, 2) == 2
        await each_loop.shutdown_default_executor()
        with pytest.raises(RuntimeError, match="Executor shutdown has been called"):
            each_loop.run_in_executor(None, max, 1, 2)
        with concurrent.futures.ThreadPoolExecutor(1) as own:
            assert await each_loop.run_in_executor(own, max, 1, 2) == 2
        await each_loop.shutdown_default_executor()

    each_loop.run_until_complete(main())


def test_shutdown_of_the_executor_waits_for_its_jobs(each_loop: Loop) -> None:
    seen: list[str] = []
    release = threading.Event()

    def job() -> None:
        assert release.wait(20)
        seen.append("job")

    async def main() -> None:
        future = each_loop.run_in_executor(None, job)
        each_loop.call_later(0.01, release.set)
        await each_loop.shutdown_default_executor()
        seen.append("shut down")
        await future

    each_loop.run_until_complete(main())
    assert seen == ["job", "shut down"]
