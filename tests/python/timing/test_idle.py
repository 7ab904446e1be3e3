"""An idle loop causes no wake-ups and uses no processor time or threads; measured on children."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import BINDING, spawn

# How long the children are watched, in seconds.
SPAN = 2.0

# Each child prints "idle" when its loop is about to be idle, and then waits to be killed.
MAIN = """
    async def main():
        loop = asyncio.get_running_loop()
        loop.reading, loop.writing = os.pipe()
        loop.add_reader(loop.reading, print)
        loop.call_later(3600, print)
        loop.call_later(7200, print).cancel()
        await asyncio.sleep(0.01)
        loop.call_later(0.1, print, "idle")  # when all that follows a start is over
        await loop.create_future()
"""
BY_ITSELF = MAIN + "    qtloop.run(main())\n"
PROGRAMS = {
    "by itself": BY_ITSELF,
    "in debug mode": MAIN + "    qtloop.run(main(), debug=True)\n",
    "after work": """
    import socket
    async def main():
        loop = asyncio.get_running_loop()
        await asyncio.gather(*(asyncio.sleep(0.001 * number) for number in range(50)))
        one, other = socket.socketpair()
        one.setblocking(False)
        other.setblocking(False)
        for _ in range(100):
            await loop.sock_sendall(one, b"x")
            await loop.sock_recv(other, 9)
            await asyncio.sleep(0)
        loop.call_soon_threadsafe(print, "busy")
        loop.call_later(0.1, print, "idle")
        await loop.create_future()
    qtloop.run(main())
""",
}
PROGRAMS_OF_QT = {
    "plain Qt": """
    app = QtCore.QCoreApplication([])
    far = QtCore.QTimer()
    far.start(3_600_000)
    QtCore.QTimer.singleShot(100, lambda: print("idle"))
    app.exec()
""",
    "with a window": """
    app = QtWidgets.QApplication([])
    window = QtWidgets.QLabel("idle")
    window.show()
"""
    + BY_ITSELF,
    "in somebody else's exec": MAIN
    + """
    app = QtCore.QCoreApplication([])
    with qtloop.attach(app) as loop:
        task = loop.create_task(main())
        app.exec()
""",
    "below a nested loop of Qt": MAIN.replace("await loop.create_future()", "inner.exec()")
    + """
    app = QtCore.QCoreApplication([])
    inner = QtCore.QEventLoop()
    qtloop.run(main())
""",
    "in a thread": MAIN
    + """
    app = QtCore.QCoreApplication([])
    def work():
        QEventLoop().run_until_complete(main())
    threading.Thread(target=work, daemon=True).start()
    app.exec()
""",
}
SURROUNDINGS = [
    {"QT_NO_GLIB": "1"},
    {"QTLOOP_TIMER": "qtimer"},
    {"QT_NO_GLIB": "1", "QTLOOP_TIMER": "qtimer"},
]


@dataclass
class Use:
    """The resources that a process has used."""

    wakes: int
    seconds: float
    threads: int

    def __sub__(self, before: Use) -> Use:
        return Use(self.wakes - before.wakes, self.seconds - before.seconds, self.threads)


def use_of(process: subprocess.Popen[str]) -> Use:
    """Reads the resources that a process has used so far."""
    wakes = 0
    tasks = list(Path(f"/proc/{process.pid}/task").iterdir())
    for task in tasks:
        for line in (task / "status").read_text().splitlines():
            name, _, number = line.partition(":")
            # Every sleep of a thread begins with one of these.
            wakes += int(number) if name == "voluntary_ctxt_switches" else 0
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    ticks = int(fields[11]) + int(fields[12])
    return Use(wakes, ticks / os.sysconf("SC_CLK_TCK"), len(tasks))


def until_idle(name: str, process: subprocess.Popen[str]) -> None:
    assert process.stdout and process.stderr
    for line in process.stdout:
        if line.strip() == "idle":
            return
    pytest.fail(f"the program {name!r} ended\n{process.stderr.read()}")


@contextmanager
def all_idle() -> Iterator[dict[str, subprocess.Popen[str]]]:
    """All the programs, as soon as each has printed that it is idle."""
    programs = {**PROGRAMS, **(PROGRAMS_OF_QT if BINDING else {})}
    children = {name: spawn(program) for name, program in programs.items()}
    for surroundings in SURROUNDINGS:
        children[f"by itself, {surroundings}"] = spawn(BY_ITSELF, **surroundings)
    try:
        for name, process in children.items():
            until_idle(name, process)
        yield children
    finally:
        for process in children.values():
            process.kill()
        for process in children.values():
            process.communicate()


def test_idle_loop_causes_no_wake_ups_and_no_work_and_has_no_thread() -> None:
    with all_idle() as children:
        before = {name: use_of(process) for name, process in children.items()}
        time.sleep(SPAN)
        used = {name: use_of(process) - before[name] for name, process in children.items()}
    # The kernel may cause one or two: it moves a page, and the process waits for that.
    assert {name: use for name, use in used.items() if use.wakes > 2} == {}
    assert {name: use for name, use in used.items() if use.seconds > 0.02} == {}
    # The main thread of the last program waits in Qt's own exec.
    threads = {name: use.threads for name, use in used.items() if name != "in a thread"}
    assert threads.pop("in debug mode") == 2, "the thread that samples slow callbacks"
    assert set(threads.values()) == {1}, threads
