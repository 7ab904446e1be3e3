"""Tools that look at asyncio programs see the tasks of a `QEventLoop`."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from conftest import spawn

import qtloop


def needs(module: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(not find_spec(module), reason=f"{module} is not installed")


PY_SPY = Path(sysconfig.get_path("scripts")) / "py-spy"
needs_3_14 = pytest.mark.skipif(sys.version_info < (3, 14), reason="new in Python 3.14")

# A task `reader`, which `main` awaits. It prints when both wait.
WAITS = """
import ctypes
# Where Linux allows only the ancestors of a process to read its memory: allow all.
ctypes.CDLL(None).prctl(0x59616D61, ctypes.c_ulong(-1), 0, 0, 0)

async def read():
    await asyncio.sleep(60)

async def main():
    task = asyncio.create_task(read(), name="reader")
    asyncio.get_running_loop().call_soon(lambda: print("ready", flush=True))
    await task
"""


@contextmanager
def running(program: str) -> Iterator[subprocess.Popen[str]]:
    """Runs a program as a child, from its line "ready" to the end of the block."""
    process = spawn(program)
    assert process.stdout is not None and process.stderr is not None
    try:
        if process.stdout.readline() != "ready\n":
            pytest.fail(process.stderr.read())
        yield process
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
        process.stderr.close()


def use(*command: str) -> subprocess.CompletedProcess[str]:
    """Runs a tool."""
    return subprocess.run(command, capture_output=True, text=True, timeout=40)


def look_at(program: str, *command: str) -> str:
    """Runs a tool on a program; returns its output. The last argument is the process's number.

    Skips the test if the tool cannot look at a program on asyncio's own loop either.
    """
    with running(program.replace("qtloop.run", "asyncio.run")) as plain:
        done = use(*command, str(plain.pid))
        if done.returncode != 0:
            pytest.skip(f"{command[0]} cannot look at other processes here: {done.stderr}")
    with running(program) as process:
        done = use(*command, str(process.pid))
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_all_tasks_are_found_inside_and_outside_of_the_loop(loop: qtloop.QEventLoop) -> None:
    seen: list[set[str]] = []

    async def main() -> None:
        seen.append({task.get_name() for task in asyncio.all_tasks()})

    waiting = loop.create_task(asyncio.sleep(60), name="waiting")
    loop.run_until_complete(loop.create_task(main(), name="main"))
    assert seen == [{"main", "waiting"}]
    assert asyncio.all_tasks(loop) == {waiting}
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        loop.run_until_complete(waiting)
    assert asyncio.all_tasks(loop) == set()


@needs_3_14
def test_call_graph_names_the_awaiting_task(loop: qtloop.QEventLoop) -> None:
    async def read() -> str:
        return str(getattr(asyncio, "format_call_graph")())  # noqa: B009

    async def main() -> str:
        graph: str = await loop.create_task(read(), name="reader")
        return graph

    lines = loop.run_until_complete(loop.create_task(main(), name="outer")).splitlines()
    assert lines[0].startswith("* Task(name='reader'")
    assert any("async" in line and "read()" in line for line in lines)
    assert any("* Task(name='outer'" in line for line in lines)
    assert any("async" in line and "main()" in line for line in lines)


@needs_3_14
def test_asyncio_ps_lists_the_tasks_of_another_process() -> None:
    output = look_at(f"{WAITS}\nqtloop.run(main())", sys.executable, "-m", "asyncio", "ps")
    rows = [re.split(r"\s{2,}", row) for row in output.splitlines()]
    names = {row[2]: row for row in rows if len(row) > 2}
    assert {"reader", "Task-1"} <= names.keys(), output
    # The reader's coroutine stack, and the task that awaits it.
    assert "read" in " ".join(names["reader"]) and "Task-1" in " ".join(names["reader"]), output


@needs_3_14
def test_asyncio_pstree_shows_which_task_awaits_which() -> None:
    output = look_at(f"{WAITS}\nqtloop.run(main())", sys.executable, "-m", "asyncio", "pstree")
    assert re.search(r"Task-1.*main.*reader.*read", output, re.DOTALL), output


@pytest.mark.skipif(not PY_SPY.exists(), reason="py-spy is not installed")
def test_py_spy_names_the_line_that_blocks_in_a_task() -> None:
    program = f"""{WAITS}
def block():
    print("ready", flush=True)
    time.sleep(60)  # blocks

async def work():
    block()

qtloop.run(work())
"""
    output = look_at(program, str(PY_SPY), "dump", "--pid")
    assert re.search(r"block .*\n\s*work .*\n.*", output), output
    assert "_run_qt (qtloop/_qt_run.py" in output


@needs("viztracer")
def test_viztracer_has_a_track_for_each_task(tmp_path: Path) -> None:
    (tmp_path / "loads.py").write_text("""
import asyncio
import qtloop

async def load():
    for _ in range(3):
        await asyncio.sleep(0.001)

async def main():
    await asyncio.gather(*(asyncio.create_task(load(), name=f"load {i}") for i in range(3)))

qtloop.run(main())
""")
    trace = tmp_path / "trace.json"
    done = use(
        *(sys.executable, "-m", "viztracer", "--log_async", "--quiet"),
        *("-o", str(trace), str(tmp_path / "loads.py")),
    )
    assert done.returncode == 0, done.stderr
    events: list[dict[str, Any]] = json.loads(trace.read_text())["traceEvents"]
    tracks = {e["args"]["name"]: e["tid"] for e in events if e.get("name") == "thread_name"}
    assert {"load 0", "load 1", "load 2"} <= tracks.keys()
    for number in range(3):
        track = tracks[f"load {number}"]
        slices = [e for e in events if e["ph"] == "X" and e["tid"] == track]
        # One for each step of the task.
        assert sum(e["name"].startswith("load ") for e in slices) == 4
        assert all(e["dur"] >= 0 for e in slices)


# aiomonitor


class Terminal:
    """A telnet connection to a monitor's prompt."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        # "I will send my type", "dumb", and a window of 1000 columns and 100 rows.
        self._socket.sendall(b"\xff\xfb\x18\xff\xfa\x18\0dumb\xff\xf0")
        self._socket.sendall(b"\xff\xfa\x1f\x03\xe8\x00\x64\xff\xf0")

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *error: object) -> None:
        self._socket.close()

    def ask(self, command: str, until: str) -> str:
        """Sends a command; returns what is printed up to a text."""
        self._socket.sendall(f"{command}\n".encode())
        printed = ""
        while until not in printed:
            data = self._socket.recv(4096)
            assert data, printed
            printed += data.decode(errors="replace")
        return printed


@needs("aiomonitor")
def test_aiomonitor_lists_shows_and_cancels_tasks() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = f"""
import aiomonitor

async def read():
    await asyncio.sleep(60)

async def main():
    task = asyncio.create_task(read(), name="reader")
    ports = dict(port={port}, webui_port=0, console_enabled=False)
    with aiomonitor.start_monitor(asyncio.get_running_loop(), host="127.0.0.1", **ports):
        print("ready", flush=True)
        await asyncio.wait([task])
        print("cancelled", task.cancelled(), flush=True)
        await asyncio.sleep(60)

qtloop.run(main())
"""
    with running(program) as process, Terminal(port) as terminal:
        table = terminal.ask("ps", "read()")
        assert "tasks running" in table
        (number,) = re.findall(r"\| (\d+)\s+PENDING\s+reader\s", table)
        stack = terminal.ask(f"where {number}", "asyncio/tasks.py")
        assert re.search(r'File "<string>", line \d+, in read', stack)
        terminal.ask(f"cancel {number}", "Cancelled task")
        assert process.stdout is not None
        assert process.stdout.readline() == "cancelled True\n"
