"""Programs for qtinter run by a changed import line."""

from __future__ import annotations

import asyncio
import functools
import gc
import sys
import weakref
from typing import Any

import pytest
from conftest import BINDING, Child, needs_binding

import qtloop
from qtloop import qtinter
from qtloop._binding import binding

if binding is None:
    pytest.skip("signals of Qt need a Qt binding", allow_module_level=True)

QtCore: Any = binding.QtCore
Signal: Any = getattr(QtCore, "Signal", None) or QtCore.pyqtSignal
Slot: Any = getattr(QtCore, "Slot", None) or QtCore.pyqtSlot


class Sender(QtCore.QObject):  # type: ignore[misc]
    moved = Signal(int, str)
    sized = Signal(QtCore.QSize)


class Receiver:
    """An object that is no QObject."""

    def __init__(self, seen: list[int] | None = None) -> None:
        self.seen = [] if seen is None else seen

    async def moved(self, number: int) -> None:
        """Note a call."""
        self.seen.append(number)


def is_connected(sender: Sender) -> bool:
    gc.collect()
    known = sender.metaObject()
    signal = known.method(known.indexOfSignal("moved(int,QString)"))
    return bool(sender.isSignalConnected(signal))


def run(main: Any) -> Any:
    return qtloop.run(main)


@needs_binding
def test_clock_of_the_readme_runs_inside_exec(child: Child) -> None:
    """asyncio from Qt: a coroutine in a slot of a window, while the program calls exec()."""
    program = f"""
from {BINDING} import QtCore, QtWidgets
import qtloop.qtinter as qtinter

class Clock(QtWidgets.QWidget):
    def __init__(self):
        super().__init__()
        self.button = QtWidgets.QPushButton(self)
        self.button.clicked.connect(qtinter.asyncslot(self.tick))

    async def tick(self):
        for second in range(3):
            print(second)
            await asyncio.sleep(0.001)
        self.close()

app = QtWidgets.QApplication([])
clock = Clock()
clock.show()
QtCore.QTimer.singleShot(0, clock.button.click)
with qtinter.using_asyncio_from_qt():
    app.exec()
print("ended")
"""
    assert child(program).stdout.split() == ["0", "1", "2", "ended"]


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="policies are deprecated since 3.14")
def test_asyncio_run_in_the_block_is_on_qt(app: Any) -> None:
    async def main() -> int:
        assert isinstance(asyncio.get_running_loop(), qtloop.QEventLoop)
        timer = QtCore.QTimer()
        timer.setSingleShot(True)
        timer.start(1)
        await qtinter.asyncsignal(timer.timeout)
        return 7

    with qtinter.using_qt_from_asyncio():
        assert asyncio.run(main()) == 7
    loop = asyncio.new_event_loop()
    assert not isinstance(loop, qtloop.QEventLoop)
    loop.close()


def test_attached_loop_closes_at_the_end_of_its_block_and_its_tasks_clean_up(app: Any) -> None:
    log: list[str] = []
    tasks: list[asyncio.Task[None]] = []

    async def work() -> None:
        try:
            asyncio.get_running_loop().call_later(0.001, app.exit)
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.001)
            log.append("cleaned up")

    with qtinter.using_asyncio_from_qt(debug=True, loop_factory=qtinter.new_event_loop):
        assert asyncio.get_running_loop().get_debug()
        tasks.append(qtinter.run_task(work()))
        app.exec()
    assert log == ["cleaned up"]


def test_awaited_signal_gives_its_arguments_and_is_disconnected(app: Any) -> None:
    sender = Sender()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        for number in range(2):
            loop.call_soon(sender.moved.emit, number, "here")
            assert await qtinter.asyncsignal(sender.moved) == (number, "here")
        loop.call_soon(sender.sized.emit, QtCore.QSize(3, 4))
        (size,) = await qtinter.asyncsignal(sender.sized)
        gc.collect()
        assert (size.width(), size.height()) == (3, 4)

    run(main())
    assert not is_connected(sender)


def test_wait_for_a_signal_can_be_cancelled(app: Any) -> None:
    sender = Sender()

    async def main() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(qtinter.asyncsignal(sender.moved), 0.001)
        assert not is_connected(sender)

    run(main())


def test_awaited_signal_of_a_destroyed_sender_is_an_error(app: Any) -> None:
    async def main() -> None:
        sender = Sender()
        waiting = asyncio.create_task(qtinter.asyncsignal(sender.moved))
        ended = asyncio.create_task(qtinter.asyncsignal(sender.destroyed))
        await asyncio.sleep(0.001)
        sender.deleteLater()
        await ended
        with pytest.raises(qtloop.SenderDestroyed):
            await waiting

    run(main())


def test_first_of_several_signals_can_be_awaited(app: Any) -> None:
    async def main() -> None:
        sender = Sender()
        either = qtinter.multisignal({sender.moved: "moved", sender.sized: "sized"})
        asyncio.get_running_loop().call_soon(sender.moved.emit, 1, "x")
        assert await qtinter.asyncsignal(either) == ("moved", (1, "x"))
        assert not is_connected(sender)

    run(main())


def test_stream_gives_every_emission(app: Any) -> None:
    sender = Sender()

    async def main() -> list[Any]:
        seen = []
        stream = qtinter.asyncsignalstream(sender.moved)
        for number in range(3):
            sender.moved.emit(number, "x")
        async for number, _ in stream:
            seen.append(number)
            if number == 2:
                break
        assert is_connected(sender)
        del stream
        assert not is_connected(sender)
        return seen

    assert run(main()) == [0, 1, 2]


def test_multisignal_passes_the_value_of_the_emitted_signal(app: Any) -> None:
    sender, seen = Sender(), list[Any]()
    both = qtinter.multisignal({sender.moved: "moved", sender.sized: "sized"})
    both.connect(lambda value, args: seen.append((value, len(args))))
    sender.moved.emit(1, "x")
    sender.sized.emit(QtCore.QSize(1, 1))
    assert seen == [("moved", 2), ("sized", 1)]


def test_slot_takes_as_many_arguments_as_its_function(app: Any) -> None:
    sender, seen = Sender(), list[int]()

    async def moved(number: int) -> None:
        seen.append(number)

    async def main() -> None:
        sender.moved.connect(qtinter.asyncslot(moved))
        sender.moved.connect(qtinter.asyncslot(moved, task_runner=asyncio.create_task))
        sender.moved.emit(7, "dropped")
        await asyncio.sleep(0.001)

    run(main())
    assert seen == [7, 7]


def test_connected_slot_does_not_keep_its_object_alive(app: Any) -> None:
    sender, seen = Sender(), list[int]()

    async def main() -> None:
        receiver = Receiver(seen)
        gone = weakref.ref(receiver)
        sender.moved.connect(qtinter.asyncslot(receiver.moved))
        sender.moved.emit(1, "x")
        await asyncio.sleep(0.001)
        del receiver
        gc.collect()
        assert gone() is None
        sender.moved.emit(2, "x")
        await asyncio.sleep(0.001)

    run(main())
    assert seen == [1]


class Named(QtCore.QObject):  # type: ignore[misc]
    """Slots of one class, with and without types."""

    def __init__(self) -> None:
        super().__init__()
        self.got: list[Any] = []

    @Slot()  # type: ignore[untyped-decorator]
    @qtinter.asyncslot
    async def refresh(self) -> None:
        self.got.append("refresh")

    @Slot(int)  # type: ignore[untyped-decorator]
    @qtinter.asyncslot
    async def number(self, value: int) -> None:
        self.got.append(value)

    @qtinter.asyncslot
    async def both(self, number: int, text: str) -> None:
        self.got.append((number, text))


def test_slots_of_a_class_keep_their_names_and_are_distinct(app: Any) -> None:
    async def main() -> None:
        sender, receiver = Sender(), Named()
        sender.moved.connect(receiver.refresh)
        sender.moved.connect(receiver.both)
        QtCore.QMetaObject.invokeMethod(receiver, "refresh")
        sender.moved.emit(7, "x")
        receiver.number(8)
        assert receiver.got == ["refresh", "refresh", (7, "x"), 8]
        known = receiver.metaObject()
        assert known.indexOfSlot("refresh()") >= 0 and known.indexOfSlot("number(int)") >= 0

    run(main())


def test_slot_of_a_bound_method_is_named_as_the_method(app: Any) -> None:
    slot: Any = qtinter.asyncslot(Receiver().moved)
    assert (slot.__name__, slot.__doc__) == ("moved", "Note a call.")


def test_slot_of_a_bound_method_that_is_held_keeps_the_object_alive_until_it_is_dropped(
    app: Any,
) -> None:
    seen: list[int] = []

    async def main() -> None:
        sender, receiver = Sender(), Receiver(seen)
        slot = qtinter.asyncslot(receiver.moved)
        sender.moved.connect(slot)
        gone = weakref.ref(receiver)
        del receiver
        sender.moved.emit(1, "x")
        del slot
        gc.collect()
        assert gone() is None
        sender.moved.emit(2, "x")

    run(main())
    assert seen == [1]


def test_slot_of_a_method_whose_object_has_no_weak_references_is_refused() -> None:
    class Strong:
        __slots__ = ()

        async def moved(self) -> None: ...

    with pytest.raises(TypeError, match="weak reference"):
        qtinter.asyncslot(Strong().moved)


def test_function_with_keywords_that_no_signal_passes_is_refused() -> None:
    async def needs(*, speed: int) -> None: ...

    async def has(*, speed: int = 1) -> None: ...

    with pytest.raises(TypeError, match=r"needs the keyword arguments speed: .*partial"):
        qtinter.asyncslot(needs)
    qtinter.asyncslot(has)
    qtinter.asyncslot(functools.partial(needs, speed=1))


def test_run_task_inside_a_task_is_refused_if_nesting_is_not_allowed(app: Any) -> None:
    async def work() -> None: ...

    async def main() -> None:
        coroutine = work()
        with pytest.raises(RuntimeError, match="cannot call run_task from a running task"):
            qtinter.run_task(coroutine, allow_task_nesting=False)
        coroutine.close()

    run(main())


def test_asyncslot_of_a_value_that_is_not_callable_is_refused() -> None:
    not_callable: Any = 7
    with pytest.raises(TypeError, match="takes a coroutine function"):
        qtinter.asyncslot(not_callable)


def test_run_task_runs_the_task_to_its_first_wait(app: Any) -> None:
    seen: list[object] = []

    async def work() -> str:
        seen.append(asyncio.current_task())
        return await asyncio.sleep(0.001, "done")

    async def main() -> None:
        outer = asyncio.current_task()
        task = qtinter.run_task(work(), allow_task_nesting=True, name="inner")
        assert seen == [task] and asyncio.current_task() is outer
        assert await task == "done"

    run(main())


def test_tasks_run_during_a_modal_function(app: Any) -> None:
    async def main() -> int:
        asyncio.get_running_loop().call_later(0.005, lambda: nest.exit(3))
        result: int = await qtinter.modal(nest.exec)()
        return result

    nest = QtCore.QEventLoop()
    assert run(main()) == 3
