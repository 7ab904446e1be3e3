"""Fixtures of the tests that hold asyncio's own loop to the same: what passes on both is equal."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from running import Errors

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
