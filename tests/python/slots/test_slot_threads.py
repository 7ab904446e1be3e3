"""Slots that are called on threads other than the loop's."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from support.slots import QObject, Sender, run

import qtloop
from qtloop import asyncSlot


@asyncSlot(str)
async def function(text: str) -> None:
    """A slot that is not a method of a QObject: Qt calls it on the thread that emits."""


@pytest.mark.parametrize("is_set", [False, True])
def test_function_on_a_thread_without_a_loop_raises_an_error_that_names_the_thread_and_the_cure(
    loop: qtloop.QEventLoop, is_set: bool
) -> None:
    errors: list[str] = []

    def emit() -> None:
        if is_set:  # the main thread's loop, which runs there
            asyncio.set_event_loop(loop)
        try:
            function("text")
        except RuntimeError as error:
            errors.append(str(error))
        finally:
            asyncio.set_event_loop(None)

    async def main() -> None:
        thread = threading.Thread(target=emit, name="worker")
        thread.start()
        await asyncio.to_thread(thread.join)

    run(loop, main())
    (error,) = errors
    assert "on this thread, 'worker'" in error
    assert "method of a QObject" in error and "call_soon_threadsafe" in error


def test_method_of_a_qobject_runs_on_the_objects_thread_whichever_thread_emits(
    loop: qtloop.QEventLoop,
) -> None:
    async def main() -> None:
        called: asyncio.Future[threading.Thread] = loop.create_future()

        class Receiver(QObject):  # type: ignore[misc]
            @asyncSlot(str)
            async def edited(self, text: str) -> None:
                called.set_result(threading.current_thread())

        sender, receiver = Sender(), Receiver()
        sender.edited.connect(receiver.edited)
        await asyncio.to_thread(sender.edited.emit, "text")
        assert await called is threading.current_thread()

    run(loop, main())


def test_function_on_a_worker_thread_with_a_loop_starts_a_task_of_that_loop(
    loop: qtloop.QEventLoop,
) -> None:
    threads: list[Any] = []

    @asyncSlot()
    async def slot() -> None:
        await asyncio.sleep(0)
        threads.append(threading.current_thread().name)

    async def theirs() -> None:
        await slot()

    async def main() -> None:
        thread = threading.Thread(target=qtloop.run, args=(theirs(),), name="worker")
        thread.start()
        await asyncio.to_thread(thread.join)

    run(loop, main())
    assert threads == ["worker"]
