"""The client process of the benchmarks: sends requests over blocking sockets and epoll.

It executes each line of its standard input, prints the result as a line, and exits at end of file.

    python compare/python/client.py [CORE]...
"""

from __future__ import annotations

import json
import os
import resource
import select
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

CROWD = 50  # connections at a time
idle: list[socket.socket] = []  # connections that stay idle
buffer = bytearray(1 << 20)
FAST = Path(__file__).parents[2] / "target" / "bench-client"  # client.cpp, built by suite.py


def connect(address: Any) -> socket.socket:
    connection = socket.create_connection(tuple(address))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def pull(connection: ssl.SSLSocket) -> int:
    """Reads all decrypted data."""
    count = connection.recv_into(buffer)
    while connection.pending():
        count += connection.recv_into(buffer)
    if not count:
        raise ConnectionError("the server has closed the connection")
    return count


def tls_echo(address: Any, size: int, number: int, seconds: float) -> tuple[int, float, float]:
    """Does what client.cpp does, over TLS: number of requests, seconds and CPU seconds."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False  # trust is not measured
    context.verify_mode = ssl.CERT_NONE
    connections = [context.wrap_socket(connect(address)) for _ in range(number)]
    message = bytes(size)
    for connection in connections:  # the first request is not counted
        connection.sendall(message)
        got = 0
        while got < size:
            got += pull(connection)
    by_descriptor = {each.fileno(): each for each in connections}
    left = dict.fromkeys(by_descriptor, size)
    requests = 0
    with select.epoll() as epoll:
        for descriptor in by_descriptor:
            epoll.register(descriptor, select.EPOLLIN)
        cpu = time.process_time()
        start = time.perf_counter()
        for connection in connections:
            connection.sendall(message)
        open_requests = number
        while open_requests:
            # One connection needs no epoll: receiving waits.
            ready = epoll.poll() if number > 1 else ((descriptor, 0),)
            for descriptor, _ in ready:
                left[descriptor] -= pull(by_descriptor[descriptor])
                if left[descriptor] <= 0:
                    requests += 1
                    left[descriptor] = size
                    if time.perf_counter() - start < seconds:
                        by_descriptor[descriptor].sendall(message)
                    else:
                        open_requests -= 1
        took = time.perf_counter() - start
    for connection in connections:
        connection.close()
    return requests, took, time.process_time() - cpu


def fast_echo(
    kind: str, address: Any, size: int, number: int, seconds: float
) -> tuple[int, float, float]:
    """Runs client.cpp, which completes a request long before a loop does."""
    where = [address, "-"] if kind == "unix" else [str(part) for part in address[:2]]
    command = [str(FAST), kind, *where, str(size), str(number), str(seconds)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    requests, took, cpu = result.stdout.split()
    return int(requests), float(took), float(cpu)


def echo(kind: str, address: Any, size: int, connections: int, seconds: float) -> dict[str, float]:
    """Sends requests to an echo server: seconds per request, and the CPU share of this side."""

    def run(seconds: float) -> tuple[int, float, float]:
        if kind == "tls":
            return tls_echo(address, size, connections, seconds)
        return fast_echo(kind, address, size, connections, seconds)

    run(seconds / 5)  # not counted: initialisation at first use
    requests, took, cpu = run(seconds)
    return {"seconds": took / requests, "busy": cpu / took}


def crowd(address: Any, count: int) -> int:
    """Opens that many connections and keeps them idle."""
    for _ in range(count // CROWD):
        idle.extend(connect(address) for _ in range(CROWD))
        idle[-1].sendall(b"?")  # answered when all connections are accepted: a full backlog
        idle[-1].recv(1)  # would make connect() wait for a second
    return len(idle)


def serve(size: int) -> Any:
    """Returns an address that sends that many bytes to the next client that connects."""
    listener = socket.create_server(("127.0.0.1", 0))

    def send() -> None:
        connection, _ = listener.accept()
        listener.close()
        piece = bytes(1 << 18)
        left = size
        with connection:
            while left > 0:
                left -= connection.send(piece[:left])

    threading.Thread(target=send, daemon=True).start()
    return listener.getsockname()


def http(url: str, connections: int, seconds: float) -> dict[str, float]:
    """Returns seconds per request, as wrk measures it; wrk takes whole seconds only."""
    length = f"-d{max(1, round(seconds))}s"
    command = ["wrk", "-t1", f"-c{connections}", length, url]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = dict(line.strip().split(":", 1) for line in result.stdout.splitlines() if ":" in line)
    if "Non-2xx or 3xx responses" in lines:
        raise AssertionError("wrk got errors")
    return {"seconds": 1 / float(lines["Requests/sec"])}


ACTIONS: dict[str, Callable[..., Any]] = {
    "echo": echo,
    "crowd": crowd,
    "serve": serve,
    "http": http,
}


def main() -> None:
    if cores := {int(core) for core in sys.argv[1:]}:
        os.sched_setaffinity(0, cores)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 65_536)), hard))
    for line in sys.stdin:
        command = json.loads(line)
        print(json.dumps(ACTIONS[command.pop("do")](**command)), flush=True)


if __name__ == "__main__":
    main()
