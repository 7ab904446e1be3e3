"""The gauge window: both control loops run, the switches work, and no process outlives the window."""

from __future__ import annotations

import importlib.util
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support import example_windows
from support.example_windows import ENVIRONMENT, EXAMPLES, complaints

if not any(importlib.util.find_spec(name) for name in ("PyQt6", "PySide6")):
    pytest.skip("the window needs a Qt binding, and none is installed", allow_module_level=True)

IMPORTS = """
import asyncio, os, sys
import qtloop
from gauge_window import app as program
from gauge_window.processes import processes
from gauge_window.window import Window
from download_window import theme
from download_window.qt import QtGui, QtWidgets
"""
TEXTS = """
def texts(window):
    return [each.text() for each in window.findChildren(QtWidgets.QLabel)]
"""


def play(program: str) -> str:
    """Runs a program that opens the window and uses it, and returns its output."""
    ended = example_windows.play(IMPORTS, TEXTS + program)
    assert (ended.returncode, complaints(ended.stderr)) == (0, [])
    return ended.stdout


def test_control_loop_of_high_priority_is_sooner_than_that_of_asyncio(tmp_path: Path) -> None:
    picture = tmp_path / "window.png"
    ended = subprocess.run(
        [sys.executable, str(EXAMPLES / "gauge_window"), "--screenshot", picture, "--seconds", "2"],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert ended.returncode == 0, ended.stderr
    own, other = (float(each) for each in re.findall(r"p50 ([\d.]+) ms", ended.stdout))
    assert own < other
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_switches_change_the_priority_and_stop_the_jobs_of_both_processes() -> None:
    assert (
        play("""
async def main():
    async with processes() as sockets:
        window = Window(sockets)
        window.show()
        await window.started.wait()
        assert (window.own.jobs, window.other.jobs) == (0, 0)
        button(window, "Start the jobs").click()
        await until(lambda: window.own.jobs > 30_000 and window.other.jobs > 30_000)
        assert qtloop.get_priority(window.tasks[0]) == qtloop.Priority.HIGH
        assert "qtloop: Priority.HIGH" in texts(window)

        button(window, "Priority off").click()
        assert qtloop.get_priority(window.tasks[0]) == qtloop.Priority.NORMAL
        assert "qtloop: Priority.NORMAL" in texts(window)
        before = window.own.jobs
        await until(lambda: window.own.jobs > before + 30_000)
        button(window, "Priority on").click()
        assert qtloop.get_priority(window.tasks[0]) == qtloop.Priority.HIGH

        button(window, "Stop the jobs").click()
        last = None
        while (jobs := (window.own.jobs, window.other.jobs)) != last:
            last = jobs
            pressures = len(window.other.latencies) + 50  # half a second of readings
            await until(lambda: len(window.other.latencies) > pressures)
        assert window.flood.count == window.own.jobs
        await window.close_tasks()
        window.close()

qtloop.run(main())
print("done")
""")
        == "done\n"
    )


def test_closing_the_window_ends_the_program_and_its_processes() -> None:
    printed = play("""
import gauge_window.processes as starter
started = []
start = starter._start

async def record(*arguments):
    started.append(await start(*arguments))
    return started[-1]

starter._start = record

async def person():
    await until(lambda: len(started) == 2 and app.topLevelWidgets())
    window = next(w for w in app.topLevelWidgets() if isinstance(w, Window))
    await until(lambda: window.flood.runs)
    window.close()

async def main():
    task = asyncio.create_task(person())
    try:
        await program.main(None, 1)
    finally:
        await task

print(qtloop.run(main()), [each.returncode is not None for each in started])
""")
    assert printed == "None [True, True]\n"


def test_processes_end_when_the_window_is_killed() -> None:
    program = """
import gauge_window.processes as starter

async def main():
    async with processes() as sockets:
        window = Window(sockets)
        await window.started.wait()
        window.switch_flood()
        await until(lambda: window.other.jobs)
        print(open(f"/proc/self/task/{os.getpid()}/children").read(), flush=True)
        await asyncio.Event().wait()

qtloop.run(main())
"""
    with subprocess.Popen(
        example_windows.command(IMPORTS, program),
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as window:
        assert window.stdout
        children = window.stdout.readline().split()
        window.send_signal(signal.SIGKILL)
        # The processes have inherited stdout. It ends with the last one of them.
        window.communicate(timeout=30)
    assert len(children) == 2


def test_window_follows_the_desktop_to_dark_colours_and_back() -> None:
    assert (
        play("""
async def main():
    async with processes() as sockets:
        window = Window(sockets)
        window.show()
        for shade, colours in ((20, theme.DARK), (240, theme.LIGHT)):
            app.setPalette(QtGui.QPalette(QtGui.QColor(shade, shade, shade)))
            await until(lambda: colours.ground in window.styleSheet())
        await window.close_tasks()
        window.close()

qtloop.run(main())
print("done")
""")
        == "done\n"
    )
