"""`loop.stop()` while priorities are in use runs the callbacks that asyncio's own loop would run."""

from __future__ import annotations

import asyncio

import pytest

import qtloop
from qtloop import Priority


@pytest.mark.parametrize("priority", [Priority.HIGH, None, Priority.LOW])
def test_stop_leaves_what_the_last_callbacks_have_queued(
    loop: qtloop.QEventLoop, priority: int | None
) -> None:
    ran: list[str] = []
    begins = priority is None  # the callback that stops is the first to use one

    async def main() -> None:
        await asyncio.Event().wait()

    def stop() -> None:
        loop.call_soon(ran.append, "next run")
        if begins:
            loop.call_soon_priority(Priority.HIGH, ran.append, "next run, first")
        loop.stop()

    task = loop.create_task(main(), priority=priority)
    loop.run_until_complete(asyncio.sleep(0))
    loop.call_soon(stop)
    loop.call_soon(ran.append, "same batch")
    loop.run_forever()
    assert ran == ["same batch"]
    task.cancel()
    loop.run_until_complete(asyncio.wait([task]))
    first = ["next run, first"] if begins else []
    assert ran == ["same batch", *first, "next run"]
