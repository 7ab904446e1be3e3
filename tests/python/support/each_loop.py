"""Fixtures for tests that run on asyncio's own loop, too, so that both loops behave equally."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import qtloop
from support.running import Errors, Pair, Pipe


@pytest.fixture(params=["qtloop", "asyncio"])
def each_loop(request: pytest.FixtureRequest, app: Any) -> Iterator[asyncio.SelectorEventLoop]:
    """A QEventLoop, and then asyncio's, for the same test."""
    made: asyncio.SelectorEventLoop
    made = qtloop.QEventLoop(app) if request.param == "qtloop" else asyncio.SelectorEventLoop()
    yield made
    made.close()


@pytest.fixture
def errors(each_loop: asyncio.SelectorEventLoop) -> Errors:
    """The contexts passed to the loop's exception handler."""
    seen: Errors = []
    each_loop.set_exception_handler(lambda loop, context: seen.append(context))
    return seen


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Two connected non-blocking sockets."""
    one, other = socket.socketpair()
    with one, other:
        one.setblocking(False)
        other.setblocking(False)
        yield one, other


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    """The numbers of a pipe's two ends, which a test may close."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)
    yield reading, writing
    for descriptor in (reading, writing):
        with suppress(OSError):
            os.close(descriptor)


def over_tcp() -> Pair:
    """Two ends of a connection over TCP."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        one = socket.create_connection(listener.getsockname())
        other, _ = listener.accept()
    other.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # With default sizes the kernel would take megabytes before a write has to wait.
    for end in (one, other):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 17)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 17)
    return one, other


@pytest.fixture
def tcp() -> Iterator[Pair]:
    """The transport's and the peer's end of a TCP connection, non-blocking."""
    one, other = over_tcp()
    with one, other:
        one.setblocking(False)
        other.setblocking(False)
        yield one, other


@pytest.fixture(params=["tcp", "unix"])
def wire(request: pytest.FixtureRequest) -> Iterator[Pair]:
    """The transport's and the peer's end of a connection: over TCP, and over a Unix socket."""
    one, other = over_tcp() if request.param == "tcp" else socket.socketpair()
    with one, other:
        one.setblocking(False)
        other.setblocking(False)
        yield one, other


@pytest.fixture
def peer() -> Iterator[socket.socket]:
    """A plain non-blocking socket for datagrams."""
    with socket.socket(type=socket.SOCK_DGRAM) as made:
        made.bind(("127.0.0.1", 0))
        made.setblocking(False)
        yield made


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Pair]:
    """Two Unix datagram sockets: unlike UDP sockets they can be full."""
    paths = [str(tmp_path / name) for name in ("one", "other")]
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other,
    ):
        for end, path in zip((one, other), paths, strict=True):
            end.bind(path)
            end.setblocking(False)
        one.connect(paths[1])
        other.connect(paths[0])
        yield one, other
