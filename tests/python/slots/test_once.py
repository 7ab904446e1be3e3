"""One emission of a Qt signal is awaited by `once()`."""

from __future__ import annotations

import asyncio
import gc
import sys
from typing import Any

import pytest
from conftest import Child
from support.signals import QtCore, Sender, run

import qtloop


def test_once_returns_one_argument_as_itself_and_several_as_a_tuple(app: Any) -> None:
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


def test_once_connects_in_the_call_and_returns_the_first_emission(app: Any) -> None:
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


def test_awaiting_the_destroyed_signal_returns_without_an_error(app: Any) -> None:
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


def test_once_refuses_values_that_are_not_signals_of_an_object(app: Any) -> None:
    async def main() -> None:
        for wrong in (Sender.valued, Sender, 7):
            with pytest.raises(TypeError, match="a signal of an object was expected"):
                await qtloop.once(wrong)

    run(main())


def test_once_without_a_loop_raises_an_error_that_names_the_cure(app: Any) -> None:
    asyncio.set_event_loop(None)
    with pytest.raises(RuntimeError, match=r"qtloop\.run"):
        _ = qtloop.once(Sender().valued)


def test_many_waits_leave_no_connection_at_their_sender(child: Child) -> None:
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


def test_main_that_awaits_about_to_quit_completes_after_the_quit(child: Child) -> None:
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
