"""Asynchronous generators are closed by the loop: as in asyncio."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Any

from support.running import run_once, run_until

pytest_plugins = ["support.each_loop"]

Loop = asyncio.SelectorEventLoop


def test_generators_that_are_left_open_are_closed_by_shutdown_asyncgens(each_loop: Loop) -> None:
    seen: list[str] = []

    async def generator() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            await asyncio.sleep(0)
            seen.append("closed")

    async def main() -> AsyncIterator[int]:
        left = generator()
        assert await anext(left) == 1
        return left

    left = each_loop.run_until_complete(main())
    assert seen == []
    each_loop.run_until_complete(each_loop.shutdown_asyncgens())
    assert seen == ["closed"]
    del left


def test_generator_that_is_dropped_is_closed_by_the_loop(each_loop: Loop) -> None:
    seen: list[str] = []

    async def generator() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            seen.append("closed")

    async def main() -> None:
        assert await anext(generator()) == 1

    each_loop.run_until_complete(main())
    run_until(each_loop, lambda: seen)


def test_asyncgen_hooks_are_restored_after_the_run(each_loop: Loop) -> None:
    hooks = sys.get_asyncgen_hooks()
    during: list[Any] = []
    each_loop.call_soon(lambda: during.append(sys.get_asyncgen_hooks()))
    run_once(each_loop)
    assert sys.get_asyncgen_hooks() == hooks
    assert during[0].firstiter is not None and during[0].finalizer is not None
