"""The control loop and the jobs beside it. The same code runs on qtloop and on asyncio's loop."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import Callable

JOBS = 10_000
SETPOINT = 5.0  # bar
GAIN = 2.0  # of the valve, per bar; too high for a reading that is more than 40 ms old
PERIOD = 0.01  # seconds between two readings

READING = struct.Struct("dd")  # the time (of `time.monotonic`) and the pressure in bar
VALVE = struct.Struct("d")  # from 0, closed, to 1, open
REPORT = struct.Struct("dddQ")  # time of the reading, latency in seconds, pressure, jobs run


class Flood:
    """10,000 jobs, each of which formats a line of a log and queues itself again."""

    def __init__(self, schedule: Callable[[Callable[[], None]], object]) -> None:
        self.count = 0  # of the jobs that have run
        self.line = ""  # the newest one
        self.runs = False
        self._queued = 0
        self._schedule = schedule

    def start(self) -> None:
        """Queues the jobs."""
        self.runs = True
        for _ in range(JOBS - self._queued):
            self._queued += 1
            self._schedule(self._job)

    def stop(self) -> None:
        """Ends each job after its next run."""
        self.runs = False

    def _job(self) -> None:
        self.line = f"{time.monotonic():.3f} job {self.count:08} of {JOBS}: nothing happened"
        self.count += 1
        if self.runs:
            self._schedule(self._job)
        else:
            self._queued -= 1


async def control(sensor: socket.socket, report: Callable[[float, float, float], None]) -> None:
    """Sets the valve after each reading. Reports the reading's time, latency and pressure."""
    loop = asyncio.get_running_loop()
    while True:
        data = await loop.sock_recv(sensor, READING.size)
        if not data:
            raise ConnectionResetError("the process of the vessels has ended")
        try:
            while data:  # also the readings that have come since
                sent, pressure = READING.unpack(data)
                report(sent, time.monotonic() - sent, pressure)
                data = sensor.recv(READING.size)
        except BlockingIOError:
            pass
        valve = min(1.0, max(0.0, 0.5 + GAIN * (SETPOINT - pressure)))
        sensor.send(VALVE.pack(valve))
