"""The same control loop and the same jobs on asyncio's own loop, in a process without Qt.

Its arguments are the file descriptors of two sockets: to the vessel and to the window.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys

from .control import REPORT, Flood, control


async def main(sensor: socket.socket, reports: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    flood = Flood(loop.call_soon)

    def switch() -> None:
        message = b""
        with contextlib.suppress(ConnectionError):
            message = reports.recv(1)
        if message == b"1":
            flood.start()
        else:
            flood.stop()
        if not message:  # the window has ended, and so will the process of the vessels
            loop.remove_reader(reports)

    def report(sent: float, latency: float, pressure: float) -> None:
        with contextlib.suppress(BlockingIOError):
            reports.send(REPORT.pack(sent, latency, pressure, flood.count))

    loop.add_reader(reports, switch)
    await control(sensor, report)


if __name__ == "__main__":
    sockets = [socket.socket(fileno=int(descriptor)) for descriptor in sys.argv[1:]]
    for each in sockets:
        each.setblocking(False)
    with contextlib.suppress(OSError, KeyboardInterrupt):  # the window has ended
        asyncio.run(main(*sockets))
