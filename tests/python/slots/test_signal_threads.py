"""Awaited signals that other threads emit."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from support.signals import QtCore, Sender, Signal, in_thread, run

import qtloop


def test_emissions_of_a_plain_thread_arrive_on_the_loops_thread(app: Any) -> None:
    async def main() -> None:
        sender = Sender()
        stream = qtloop.stream(sender.valued)
        in_thread(lambda: [sender.valued.emit(number) for number in range(50)])
        assert [await anext(stream) for _ in range(50)] == list(range(50))
        emitted = qtloop.once(sender.moved)
        in_thread(sender.moved.emit, 1, "x")
        assert await emitted == (1, "x")
        assert not sender.is_connected("moved(int,QString)")

    run(main())


def test_emissions_of_a_worker_object_arrive_and_end_with_it(app: Any) -> None:
    class Worker(Sender):
        start = Signal()

        def work(self) -> None:
            assert QtCore.QThread.currentThread() is not app.thread()
            for number in range(50):
                self.valued.emit(number)

    async def main() -> None:
        thread, worker = QtCore.QThread(), Worker()
        worker.moveToThread(thread)
        worker.start.connect(worker.work)
        thread.start()
        stream, first = qtloop.stream(worker.valued), qtloop.once(worker.valued)
        worker.start.emit()
        assert [await anext(stream) for _ in range(50)] == list(range(50))
        assert await first == 0
        worker.deleteLater()
        del worker
        with pytest.raises(qtloop.SenderDestroyed):
            await asyncio.wait_for(anext(stream), 10)
        thread.quit()
        thread.wait()

    run(main())


def test_loop_of_a_thread_awaits_the_signal_of_the_main_thread(app: Any) -> None:
    results: list[Any] = []

    async def work(sender: Sender, ready: asyncio.Event, home: asyncio.AbstractEventLoop) -> None:
        stream, first = qtloop.stream(sender.valued), qtloop.once(sender.moved)
        home.call_soon_threadsafe(ready.set)
        results.append(await first)
        results.extend([await anext(stream) for _ in range(50)])
        with pytest.raises(qtloop.SenderDestroyed):
            await anext(stream)

    async def main() -> None:
        sender, ready = Sender(), asyncio.Event()
        home = asyncio.get_running_loop()
        thread = threading.Thread(target=lambda: qtloop.run(work(sender, ready, home)))
        thread.start()
        await ready.wait()
        for number in range(50):
            sender.valued.emit(number)
        sender.moved.emit(1, "x")
        sender.deleteLater()
        await asyncio.to_thread(thread.join)

    run(main())
    assert results == [(1, "x"), *range(50)]


def test_emission_after_the_loop_was_closed_is_ignored(app: Any) -> None:
    async def main(sender: Sender) -> qtloop.SignalStream:
        return qtloop.stream(sender.valued)

    async def iterate(stream: qtloop.SignalStream) -> None:
        await anext(stream)

    sender = Sender()
    loop = qtloop.QEventLoop(app)
    stream = loop.run_until_complete(main(sender))
    left = loop.create_task(iterate(stream))
    loop.run_until_complete(asyncio.sleep(0.001))
    loop.close()
    sender.valued.emit(1)
    in_thread(sender.valued.emit, 2)
    app.processEvents()
    sender.deleteLater()
    del sender
    app.processEvents()
    stream.close()
    assert not left.done()
    left._log_destroy_pending = False  # type: ignore[attr-defined]
