"""Fixtures of the tests that hold asyncio's own loop to the same: what passes on both is equal."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from running import Errors, Pair, Pipe

import qtloop


@pytest.fixture(params=["qtloop", "asyncio"])
def each_loop(request: pytest.FixtureRequest, app: Any) -> Iterator[asyncio.SelectorEventLoop]:
    """A QEventLoop, and then asyncio's, for the same test."""
    made: asyncio.SelectorEventLoop
    made = qtloop.QEventLoop(app) if request.param == "qtloop" else asyncio.SelectorEventLoop()
    yield made
    made.close()


@pytest.fixture
def errors(each_loop: asyncio.SelectorEventLoop) -> Errors:
    """What the loop's exception handler gets."""
    seen: Errors = []
    each_loop.set_exception_handler(lambda loop, context: seen.append(context))
    return seen


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Two connected sockets that do not block."""
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
