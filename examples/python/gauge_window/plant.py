"""The process that is controlled: pressure vessels that send a reading every 10 ms.

Its arguments are the file descriptors of the sockets, one for each vessel.
"""

from __future__ import annotations

import math
import socket
import sys
import time

from .control import PERIOD, READING, SETPOINT, VALVE

INFLOW = 20.0  # bar per second through the open valve
TOP = 10.0  # bar; then a safety valve opens


class Vessel:
    """A vessel that a valve fills and a consumer empties."""

    def __init__(self, descriptor: int) -> None:
        self._socket = socket.socket(fileno=descriptor)
        self._socket.setblocking(False)
        self._pressure = SETPOINT
        self._valve = 0.5

    def step(self, now: float) -> None:
        """Lets one period pass with the valve's newest position, and sends a reading."""
        try:
            while data := self._socket.recv(VALVE.size):
                (self._valve,) = VALVE.unpack(data)
        except BlockingIOError:
            pass
        outflow = INFLOW * (0.5 + 0.15 * math.sin(now) + 0.1 * math.sin(2.7 * now))
        change = (INFLOW * self._valve - outflow) * PERIOD
        self._pressure = min(TOP, max(0.0, self._pressure + change))
        try:
            self._socket.send(READING.pack(time.monotonic(), self._pressure))
        except BlockingIOError:
            pass  # the controller is so late that the socket is full


def main() -> None:
    vessels = [Vessel(int(descriptor)) for descriptor in sys.argv[1:]]
    due = time.monotonic()
    try:
        while True:
            for vessel in vessels:
                vessel.step(due)
            due += PERIOD
            time.sleep(max(0.0, due - time.monotonic()))
    except (OSError, KeyboardInterrupt):
        pass  # the window has ended


if __name__ == "__main__":
    main()
