"""Subprocesses: wall time to run one, and to read a long pipe from one."""

from __future__ import annotations

import asyncio
import subprocess
import time

from measure import SECONDS, WALL, Bench, Figures, Group

group = Group()
SIZE = 100_000_000
PIPE = "100 MB through a pipe"


@group.steps("subprocess, start to end", WALL, 10)
async def run_processes(_loop: asyncio.AbstractEventLoop, steps: int) -> None:
    for _ in range(steps):
        process = await asyncio.create_subprocess_exec("true")
        await process.wait()


@group.figures(PIPE, {PIPE: SECONDS})
async def read_pipe(_bench: Bench) -> Figures:
    command = ("head", "-c", str(SIZE), "/dev/zero")
    start = time.perf_counter()
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    assert process.stdout
    size = 0
    while data := await process.stdout.read(1 << 16):
        size += len(data)
    await process.wait()
    if size != SIZE:
        raise AssertionError(f"{size:,} bytes came, of {SIZE:,}")
    return {PIPE: time.perf_counter() - start}
