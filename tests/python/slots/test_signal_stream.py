"""The emissions of a Qt signal are iterated by `stream()`."""

from __future__ import annotations

import asyncio
import gc
from contextlib import aclosing
from typing import Any

import pytest
from conftest import Child
from support.signals import QtCore, Sender, run

import qtloop
from qtloop._binding import binding


def test_stream_returns_every_emission_since_its_construction_in_order(app: Any) -> None:
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


def test_stream_with_latest_keeps_the_last_emission_only(app: Any) -> None:
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
def test_stream_refuses_contradictory_options(app: Any, options: Any) -> None:
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


def test_stream_is_disconnected_after_a_break(app: Any) -> None:
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


def test_lent_argument_in_a_stream_is_valid_after_the_emission(app: Any) -> None:
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


def test_program_exits_cleanly_while_streams_are_open(child: Child) -> None:
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
