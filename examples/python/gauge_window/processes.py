"""The two processes beside the window: the vessels, and the control loop on asyncio's own loop."""

from __future__ import annotations

import os
import socket
import sys
from asyncio import create_subprocess_exec
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parents[1]


@dataclass
class Sockets:
    """The window's ends: of a vessel, and of the other control loop's reports."""

    vessel: socket.socket
    reports: socket.socket


async def _start(module: str, *ends: socket.socket) -> Process:
    """Starts a module of this package with these sockets, and closes them here."""
    numbers = [end.fileno() for end in ends]
    process = await create_subprocess_exec(
        sys.executable,
        "-m",
        f"gauge_window.{module}",
        *map(str, numbers),
        pass_fds=numbers,
        env=os.environ | {"PYTHONPATH": str(FOLDER)},
    )
    return process


def _pair() -> tuple[socket.socket, socket.socket]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for each in (ours, theirs):
        each.setblocking(False)
    return ours, theirs


@asynccontextmanager
async def processes() -> AsyncIterator[Sockets]:
    """Runs the processes, and ends them afterwards."""
    (vessel, own_plant), (other_vessel, other_plant), (reports, other_reports) = (
        _pair() for _ in range(3)
    )
    started = []
    try:
        with other_vessel, other_reports, own_plant, other_plant:
            started.append(await _start("plain", other_vessel, other_reports))
            started.append(await _start("plant", own_plant, other_plant))
        yield Sockets(vessel, reports)
    finally:
        vessel.close()
        reports.close()
        for process in started:
            if process.returncode is None:
                process.terminate()
            await process.wait()
