"""Signals of Qt objects are awaited by `once()` and iterated by `stream()`."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import pytest
from conftest import Child

import qtloop
from qtloop._binding import binding

if binding is None:
    pytest.skip("signals of Qt need a Qt binding", allow_module_level=True)

QtCore: Any = binding.QtCore
Signal: Any = getattr(QtCore, "Signal", None) or QtCore.pyqtSignal


class Sender(QtCore.QObject):  # type: ignore[misc]
    moved = Signal(int, str)
    valued = Signal(int)
    pinged = Signal()

    def is_connected(self, signature: str) -> bool:
        gc.collect()
        known = self.metaObject()
        return bool(self.isSignalConnected(known.method(known.indexOfSignal(signature))))


def run(main: Any) -> Any:
    return qtloop.run(main)


def in_thread(function: Callable[..., object], *args: Any) -> None:
    thread = threading.Thread(target=function, args=args)
    thread.start()
    thread.join()


def test_once_returns_one_argument_plainly_and_several_as_a_tuple(app: Any) -> None:
    async def main() -> None:
        sender = Sender()
        loop = asyncio.get_running_loop()
        loop.call_soon(sender.valued.emit, 7)
        assert await qtloop.once(sender.valued) == 7
        loop.call_soon(sender.moved.emit, 1, "here")
        assert await qtloop.once(sender.moved) == (1, "here")
        loop.call_soon(sender.pinged.emit)
        assert await qtloop.once(sender.pinged) == ()

    run(main())


def test_once_is_connected_by_the_call_and_gives_the_first_emission(app: Any) -> None:
    async def main() -> None:
        sender = Sender()
        emitted = qtloop.once(sender.valued)
        sender.valued.emit(1)
        sender.valued.emit(2)
        assert await emitted == 1

    run(main())


def test_once_is_disconnected_after_the_emission(app: Any) -> None:
    async def main() -> None:
        sender = Sender()
        emitted = qtloop.once(sender.valued)
        assert sender.is_connected("valued(int)")
        sender.valued.emit(1)
        assert not sender.is_connected("valued(int)")
        await emitted
        assert not sender.is_connected("valued(int)")

    run(main())


def test_cancelled_once_is_disconnected(app: Any) -> None:
    async def main() -> None:
        sender = Sender()
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(qtloop.once(sender.valued), 0.001)
        assert not sender.is_connected("valued(int)")

    run(main())


@pytest.mark.skipif(sys.version_info < (3, 11), reason="asyncio.timeout is new in 3.11")
def test_once_works_with_asyncio_timeout(app: Any) -> None:
    async def main() -> None:
        sender = Sender()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await qtloop.once(sender.valued)
        assert not sender.is_connected("valued(int)")

    run(main())


def test_dropped_once_is_disconnected(app: Any) -> None:
    async def main() -> None:
        sender = Sender()
        emitted = qtloop.once(sender.valued)
        assert sender.is_connected("valued(int)")
        with pytest.warns(RuntimeWarning, match=r"'qtloop\.once' was never awaited"):
            del emitted
            gc.collect()
        assert not sender.is_connected("valued(int)")

    run(main())


@pytest.mark.parametrize("by", ["deleteLater", "del", "parent"])
def test_once_raises_when_the_sender_is_destroyed(app: Any, by: str) -> None:
    async def main() -> None:
        parent = QtCore.QObject()
        sender = Sender(parent) if by == "parent" else Sender()
        waiting = asyncio.create_task(qtloop.once(sender.valued))
        await asyncio.sleep(0.001)
        if by == "deleteLater":
            sender.deleteLater()
        del sender, parent
        with pytest.raises(qtloop.SenderDestroyed, match="destroyed"):
            await waiting

    run(main())


def test_awaited_destroyed_signal_is_an_emission_and_no_error(app: Any) -> None:
    async def main() -> None:
        sender = Sender()
        sender.deleteLater()
        await qtloop.once(sender.destroyed)

    run(main())


def test_sender_destroyed_is_a_runtime_error() -> None:
    assert issubclass(qtloop.SenderDestroyed, RuntimeError)


def test_connection_keeps_the_awaiting_task_alive(app: Any) -> None:
    seen: list[int] = []

    async def wait(sender: Sender) -> None:
        seen.append(await qtloop.once(sender.valued))

    async def main() -> None:
        sender = Sender()
        asyncio.create_task(wait(sender))  # noqa: RUF006
        await asyncio.sleep(0.001)
        gc.collect()
        sender.valued.emit(3)
        await asyncio.sleep(0.001)

    run(main())
    assert seen == [3]


def test_stream_gives_every_emission_since_its_construction_in_order(app: Any) -> None:
    async def main() -> None:
        sender = Sender()
        stream = qtloop.stream(sender.valued)
        for number in range(100):
            sender.valued.emit(number)
        seen = []
        async for number in stream:
            seen.append(number)
            if number == 99:
                break
        assert seen == list(range(100)) and stream.lagged == 0

    run(main())


def test_stream_waits_for_the_next_emission(app: Any) -> None:
    async def main() -> None:
        timer = QtCore.QTimer()
        timer.start(1)
        ticks = 0
        async for args in qtloop.stream(timer.timeout):
            assert args == ()
            ticks += 1
            if ticks == 3:
                break

    run(main())


def test_stream_of_the_latest_drops_what_came_before(app: Any) -> None:
    async def main() -> None:
        sender = Sender()
        stream = qtloop.stream(sender.valued, latest=True)
        for number in range(5):
            sender.valued.emit(number)
        assert await anext(stream) == 4
        assert stream.lagged == 4
        sender.valued.emit(5)
        assert await anext(stream) == 5

    run(main())


@pytest.mark.parametrize(("drop", "kept"), [("oldest", [3, 4]), ("newest", [0, 1])])
def test_full_stream_drops_by_its_policy_and_counts(app: Any, drop: Any, kept: list[int]) -> None:
    async def main() -> None:
        sender = Sender()
        stream = qtloop.stream(sender.valued, maxsize=2, drop=drop)
        for number in range(5):
            sender.valued.emit(number)
        assert [await anext(stream), await anext(stream)] == kept
        assert stream.lagged == 3

    run(main())


@pytest.mark.parametrize(
    "options", [{"maxsize": -1}, {"drop": "all"}, {"latest": True, "maxsize": 5}]
)
def test_stream_refuses_options_that_contradict(app: Any, options: Any) -> None:
    async def main() -> None:
        with pytest.raises(ValueError):
            qtloop.stream(Sender().valued, **options)

    run(main())


def test_stream_delivers_what_was_emitted_before_the_sender_was_destroyed(app: Any) -> None:
    async def main() -> None:
        sender = Sender()
        stream = qtloop.stream(sender.valued)
        sender.valued.emit(1)
        sender.deleteLater()
        await qtloop.once(sender.destroyed)
        del sender
        assert await anext(stream) == 1
        for _ in range(2):
            with pytest.raises(qtloop.SenderDestroyed):
                await anext(stream)

    run(main())


def test_timeout_of_an_iteration_loses_no_emission(app: Any) -> None:
    async def main() -> None:
        sender = Sender()
        stream = qtloop.stream(sender.valued)
        for _ in range(3):
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(anext(stream), 0.001)
        sender.valued.emit(1)
        assert await anext(stream) == 1

    run(main())


def test_dropped_stream_is_disconnected(app: Any) -> None:
    async def main() -> None:
        sender = Sender()
        stream = qtloop.stream(sender.valued)
        assert sender.is_connected("valued(int)")
        del stream
        assert not sender.is_connected("valued(int)")

    run(main())


def test_stream_that_is_left_by_break_is_disconnected(app: Any) -> None:
    async def main() -> None:
        sender = Sender()
        asyncio.get_running_loop().call_soon(sender.valued.emit, 1)
        async for _ in qtloop.stream(sender.valued):
            break
        assert not sender.is_connected("valued(int)")

    run(main())


def test_closed_stream_is_disconnected_and_ends(app: Any) -> None:
    async def main() -> None:
        sender = Sender()
        async with qtloop.stream(sender.valued) as first:
            sender.valued.emit(1)
        async with aclosing(qtloop.stream(sender.valued)) as second:
            sender.valued.emit(1)
        assert not sender.is_connected("valued(int)")
        for stream in (first, second):
            stream.close()
            assert [number async for number in stream] == []

    run(main())


def test_closing_a_stream_ends_a_task_that_iterates_it(app: Any) -> None:
    async def main() -> None:
        sender = Sender()
        stream = qtloop.stream(sender.valued)

        async def collect() -> list[int]:
            return [number async for number in stream]

        collecting = asyncio.create_task(collect())
        await asyncio.sleep(0.001)
        sender.valued.emit(1)
        await asyncio.sleep(0.001)
        stream.close()
        assert await collecting == [1]

    run(main())


def test_two_tasks_share_a_stream(app: Any) -> None:
    async def main() -> None:
        sender = Sender()
        stream = qtloop.stream(sender.valued)
        both = asyncio.gather(anext(stream), anext(stream))
        await asyncio.sleep(0.001)
        sender.valued.emit(1)
        sender.valued.emit(2)
        assert sorted(await both) == [1, 2]

    run(main())


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


def test_emission_after_the_loop_was_closed_does_no_harm(app: Any) -> None:
    async def main(sender: Sender) -> qtloop.SignalStream:
        return qtloop.stream(sender.valued)

    sender = Sender()
    stream = run(main(sender))
    sender.valued.emit(1)
    in_thread(sender.valued.emit, 2)
    app.processEvents()
    sender.deleteLater()
    del sender
    app.processEvents()
    stream.close()


def test_once_refuses_what_is_no_signal_of_an_object(app: Any) -> None:
    async def main() -> None:
        for wrong in (Sender.valued, Sender, 7):
            with pytest.raises(TypeError, match="a signal of an object was expected"):
                await qtloop.once(wrong)

    run(main())


def test_argument_that_the_signal_only_lends_is_good_after_the_emission(app: Any) -> None:
    gui: Any = binding and binding.module("QtGui")
    widgets: Any = binding and binding.module("QtWidgets")

    async def main() -> None:
        model = gui.QStandardItemModel(3, 1)
        view = widgets.QTableView()
        view.setModel(model)
        changed = qtloop.stream(view.selectionModel().selectionChanged)
        for row in range(3):
            view.selectRow(row)
        gc.collect()
        rows = [[index.row() for index in (await anext(changed))[0].indexes()] for row in range(3)]
        assert rows == [[0], [1], [2]]

    run(main())


def test_once_without_a_loop_names_the_cure(app: Any) -> None:
    asyncio.set_event_loop(None)
    with pytest.raises(RuntimeError, match=r"qtloop\.run"):
        _ = qtloop.once(Sender().valued)


def test_many_waits_leave_nothing_at_their_sender(child: Child) -> None:
    """PyQt keeps a proxy per connection; 5,000 of them are 5 MiB."""
    child("""
        async def main():
            class Sender(QtCore.QObject):
                valued = (getattr(QtCore, "Signal", None) or QtCore.pyqtSignal)(int)
            sender = Sender()
            loop = asyncio.get_running_loop()
            def resident():
                with open("/proc/self/statm") as file:
                    return int(file.read().split()[1]) * 4096
            for count in (500, 5000):
                before = resident()
                for number in range(count):
                    loop.call_soon(sender.valued.emit, number)
                    assert await qtloop.once(sender.valued) == number
            assert resident() - before < 2 << 20, resident() - before
        qtloop.run(main())
    """)


def test_awaited_signal_of_a_quit_lets_main_end(child: Child) -> None:
    program = """
        app = QtWidgets.QApplication([])
        async def main():
            QtCore.QTimer.singleShot(20, app.quit)
            await qtloop.once(app.aboutToQuit)
            await asyncio.sleep(0.001)
            print("main has ended")
        asyncio.run(main())
    """.replace("asyncio.run(main())", "QEventLoop(app).run_until_complete(main())")
    assert child(program).stdout == "main has ended\n"


def test_program_may_end_while_streams_are_open(child: Child) -> None:
    program = """
        app = QtWidgets.QApplication([])
        timer = QtCore.QTimer()
        kept = []
        async def main():
            kept.append(qtloop.stream(timer.timeout))
            kept.append(asyncio.ensure_future(qtloop.once(timer.timeout)))
            await asyncio.sleep(0.01)
        qtloop.run(main())
        print("ended")
    """
    assert child(program).stdout == "ended\n"
