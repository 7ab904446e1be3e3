"""A watchdog causes no wake-ups while its loop is idle; measured on a child."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from conftest import spawn

# How long the child is watched, in seconds.
SPAN = 2.0

PROGRAM = """
    async def main():
        loop = asyncio.get_running_loop()
        loop.watchdog = 0.05
        for _ in range(20):
            await asyncio.sleep(0.01)
        loop.call_later(0.2, print, "idle")
        await loop.create_future()
    qtloop.run(main())
"""


def sleeps(process: int) -> dict[str, int]:
    """Returns the number of sleeps of each thread of the process."""
    found = {}
    for task in Path(f"/proc/{process}/task").iterdir():
        name = (task / "comm").read_text().strip()
        for line in (task / "status").read_text().splitlines():
            if line.startswith("voluntary_ctxt_switches"):
                found[f"{task.name} {name}"] = int(line.split()[1])
    return found


def test_watchdog_of_an_idle_loop_causes_no_wake_ups() -> None:
    process = spawn(PROGRAM)
    try:
        assert process.stdout
        if process.stdout.readline().strip() != "idle":
            process.kill()
            pytest.fail(str(process.communicate()))
        time.sleep(0.2)  # the timer that has printed is over, too
        before = sleeps(process.pid)
        assert sum("qtloop-watchdog" in name for name in before) == 1
        time.sleep(SPAN)
        after = sleeps(process.pid)
        # The kernel may cause one or two: it moves a page, and the thread waits for that.
        assert {
            name: after[name] - before[name] for name in before if after[name] - before[name] > 2
        } == {}
    finally:
        process.kill()
        process.communicate()
