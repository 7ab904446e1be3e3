"""In debug mode the message about a slow callback names the line where the time went."""

from __future__ import annotations

import asyncio
import functools
import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import Child
from support.running import nothing, run_for, run_once

import qtloop

NAME = "qtloop-debug"


@pytest.fixture
def debugged(loop: qtloop.QEventLoop) -> qtloop.QEventLoop:
    """A loop in debug mode, for which 0.04 s are slow."""
    loop.set_debug(True)
    loop.slow_callback_duration = 0.04
    return loop


def line_of(function: Any, text: str) -> str:
    """Returns how a message names the line of a function that ends with a comment."""
    code = function.__code__
    lines = Path(__file__).read_text().splitlines()
    number = next(i for i, line in enumerate(lines, 1) if line.endswith(f"  # {text}"))
    return f"{code.co_name}() at {__file__}:{number}"


def message(caplog: pytest.LogCaptureFixture) -> str:
    """Returns the only message."""
    (record,) = caplog.records
    return record.getMessage()


def read() -> None:
    time.sleep(0.02)
    time.sleep(0.2)  # most of the time


def test_line_of_a_function_that_a_task_calls_is_named(
    debugged: qtloop.QEventLoop, caplog: pytest.LogCaptureFixture
) -> None:
    async def load() -> None:
        read()
        await asyncio.sleep(0)

    async def main() -> None:
        await load()

    debugged.run_until_complete(main())
    text = message(caplog)
    assert text.startswith("Executing <Task pending ") and "main() running at " in text
    assert " seconds, 0." in text
    assert text.endswith(f" of them in {line_of(read, 'most of the time')}")


def compute() -> None:
    sum(range(10_000_000))  # holds the GIL


def test_line_that_calls_code_in_c_is_named(
    debugged: qtloop.QEventLoop, caplog: pytest.LogCaptureFixture
) -> None:
    debugged.call_soon(compute)
    run_once(debugged)
    assert message(caplog).endswith(f" of them in {line_of(compute, 'holds the GIL')}")


def parse() -> None:
    began = time.monotonic()
    text = json.dumps([[1.5] * 10] * 100, indent=1)
    while time.monotonic() - began < 0.2:
        json.dumps(json.loads(text), indent=1)  # calls a library


def test_line_of_the_program_is_named_before_that_of_a_library(
    debugged: qtloop.QEventLoop, caplog: pytest.LogCaptureFixture
) -> None:
    debugged.call_soon(parse)
    run_once(debugged)
    _, _, where = message(caplog).partition(" of them in ")
    line, _, library = where.partition(", which called ")
    assert line == line_of(parse, "calls a library")
    assert f"{os.sep}json{os.sep}" in library


def test_callback_without_a_line_is_logged_as_by_asyncio(
    debugged: qtloop.QEventLoop, caplog: pytest.LogCaptureFixture
) -> None:
    debugged.call_soon(functools.partial(time.sleep, 0.2))
    run_once(debugged)
    assert message(caplog).endswith(" seconds")


def test_quick_callbacks_are_not_sampled_while_a_slow_one_is_named(
    debugged: qtloop.QEventLoop, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(1000):
        debugged.call_soon(nothing)
    debugged.call_soon(read)
    run_once(debugged)
    assert message(caplog).endswith(line_of(read, "most of the time"))


# The thread of the samples


def sampling_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == NAME]


def test_thread_exists_from_the_first_callback_in_debug_mode_to_the_close(
    loop: qtloop.QEventLoop,
) -> None:
    run_once(loop)
    assert sampling_threads() == []
    loop.set_debug(True)
    run_once(loop)
    run_once(loop)
    assert len(sampling_threads()) == 1
    loop.close()
    assert sampling_threads() == []


def test_thread_sleeps_while_the_loop_is_idle(debugged: qtloop.QEventLoop) -> None:
    def switches() -> int:
        """Returns how often the thread has slept."""
        (thread,) = sampling_threads()
        status = Path(f"/proc/self/task/{thread.native_id}/status").read_text()
        (line,) = (line for line in status.splitlines() if line.startswith("voluntary"))
        return int(line.split()[1])

    run_for(debugged, 0.05)
    before = switches()
    run_for(debugged, 0.5)
    # It wakes for the callbacks at the begin and at the end; every 0.01 s would be 50 times.
    assert switches() - before < 15


def test_forked_child_names_the_line(child: Child) -> None:
    done = child("""
        import gc, logging
        logging.basicConfig(format="%(message)s", stream=sys.stdout)

        def block():
            time.sleep(0.2)

        def run():
            loop = QEventLoop()
            loop.set_debug(True)
            loop.call_soon(block)
            loop.call_soon(lambda: os.fork() or in_child())
            loop.call_soon(loop.stop)
            loop.run_forever()
            loop.close()

        def in_child():
            asyncio._set_running_loop(None)
            loop = QEventLoop()
            loop.set_debug(True)
            loop.run_until_complete(asyncio.sleep(0))
            loop.call_soon(block)
            loop.call_soon(loop.stop)
            loop.run_forever()
            loop.close()
            gc.collect()
            os._exit(0)

        run()
        os.wait()
    """)
    assert done.stdout.count(" of them in block() at <string>:") == 2, done.stdout


def test_program_that_does_not_close_its_loop_in_debug_mode_exits(child: Child) -> None:
    program = """
        loop = QEventLoop()
        loop.set_debug(True)
        loop.cycle = loop  # so the exit collects it
        loop.run_until_complete(asyncio.sleep(0))
        print("end")
    """
    assert child(program).stdout == "end\n"
