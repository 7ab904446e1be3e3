"""asyncSlot: coroutine functions as slots of real signals."""

from __future__ import annotations

import asyncio
import functools
import gc
import sys
import weakref
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

import qtloop
from qtloop import asyncSlot
from qtloop._binding import binding

if binding is None:
    pytest.skip("signals and slots need a Qt binding", allow_module_level=True)

QtCore: Any = binding.QtCore
QObject: Any = QtCore.QObject
Signal: Any = getattr(QtCore, "Signal", None) or QtCore.pyqtSignal
OVERLOADS: Any = ((int,), (str,)) if binding.name == "PySide6" else ([int], [str])

MISMATCH = r"asyncSlot was not callable from Signal\. Potential signature mismatch\."


class Sender(QObject):  # type: ignore[misc]
    """A QObject with the signals of a button and of a line edit."""

    clicked = Signal(bool)
    edited = Signal(str)
    moved = Signal(int, int)
    changed = Signal(*OVERLOADS)


def run(loop: qtloop.QEventLoop, main: Any) -> Any:
    return loop.run_until_complete(asyncio.wait_for(main, 20))


# asyncSlot: decorated functions


def test_slot_starts_a_task_and_returns_it(loop: qtloop.QEventLoop) -> None:
    @asyncSlot()
    async def answer() -> int:
        await asyncio.sleep(0)
        return 42

    async def main() -> int:
        task = answer()
        assert isinstance(task, asyncio.Task)
        return await task

    assert run(loop, main()) == 42


def test_async_slot_without_parentheses_works(loop: qtloop.QEventLoop) -> None:
    @asyncSlot
    async def answer() -> int:
        return 42

    async def main() -> int:
        return await answer()

    assert run(loop, main()) == 42


def test_slot_has_the_functions_name_and_docstring() -> None:
    async def original() -> None:
        """Its docstring."""

    slot: Any = asyncSlot()(original)
    assert (slot.__name__, slot.__doc__) == ("original", "Its docstring.")
    assert slot.__wrapped__ is original


def test_slot_of_a_plain_function_is_refused() -> None:
    def plain() -> None: ...

    async def generator() -> AsyncIterator[None]:
        yield

    wrong: Any
    for wrong in (plain, generator):
        with pytest.raises(TypeError, match=r"asyncSlot takes a coroutine function .*, which .*"):
            asyncSlot()(wrong)
        with pytest.raises(TypeError, match=r"asyncSlot takes a coroutine function .*, which .*"):
            asyncSlot(wrong)


def test_slots_may_be_functions_nested_functions_methods_and_static_methods(
    loop: qtloop.QEventLoop,
) -> None:
    sender = Sender()
    got: list[str] = []

    class Receiver(QObject):  # type: ignore[misc]
        @asyncSlot(str)
        async def method(self, text: str) -> None:
            got.append(f"method {text}")

        @staticmethod
        @asyncSlot(str)
        async def static(text: str) -> None:
            got.append(f"static {text}")

        @asyncSlot(str)
        @staticmethod
        async def outside(text: str) -> None:
            got.append(f"outside {text}")

    @asyncSlot(str)
    async def nested(text: str) -> None:
        got.append(f"nested {text}")

    receiver: Any = Receiver()
    slots = (receiver.method, receiver.static, receiver.outside, nested)

    async def main() -> None:
        for slot in slots:
            sender.edited.connect(slot)
        sender.edited.emit("text")
        await asyncio.sleep(0)

    run(loop, main())
    assert sorted(got) == ["method text", "nested text", "outside text", "static text"]


# asyncSlot: meta-objects and arguments


class Receiver(QObject):  # type: ignore[misc]
    """A QObject with a slot of each kind."""

    def __init__(self) -> None:
        super().__init__()
        self.got: list[Any] = []

    @asyncSlot()
    async def nothing(self) -> None:
        self.got.append(())

    @asyncSlot()
    async def default(self, checked: bool | None = None) -> None:
        self.got.append(checked)

    @asyncSlot(bool)
    async def flag(self, checked: bool) -> None:
        self.got.append(checked)

    @asyncSlot(int)
    async def first(self, x: int) -> None:
        self.got.append(x)

    @asyncSlot(int, int)
    async def all(self, *args: int) -> None:
        self.got.append(args)

    @asyncSlot(int, int)
    async def keyword(self, x: int, y: int, *, scale: int = 10) -> None:
        self.got.append((x * scale, y * scale))

    @asyncSlot(str, name="renamed", result="QVariant")
    async def named(self, text: str) -> None:
        self.got.append(text)

    @asyncSlot(int)
    @asyncSlot(str)
    async def overloaded(self, value: int | str) -> None:
        self.got.append(value)

    @asyncSlot
    async def bare(self) -> None:
        self.got.append("bare")


@pytest.mark.parametrize(
    "signature",
    [
        "nothing()",
        "default()",
        "flag(bool)",
        "first(int)",
        "all(int,int)",
        "keyword(int,int)",
        "renamed(QString)",
        "overloaded(int)",
        "overloaded(QString)",
        "bare()",
    ],
)
def test_slot_is_known_to_the_meta_object(signature: str) -> None:
    assert Receiver().metaObject().indexOfSlot(signature) >= 0


def test_slots_result_type_is_known_to_the_meta_object() -> None:
    meta = Receiver().metaObject()
    assert meta.method(meta.indexOfSlot("renamed(QString)")).typeName() in ("QVariant", b"QVariant")


@pytest.mark.parametrize(
    ("signal", "values", "slot", "expected"),
    [
        ("clicked", (True,), "nothing", ()),
        ("clicked", (True,), "bare", "bare"),
        ("clicked", (True,), "flag", True),
        ("moved", (1, 2), "nothing", ()),
        ("moved", (1, 2), "first", 1),
        ("moved", (1, 2), "all", (1, 2)),
        ("moved", (1, 2), "keyword", (10, 20)),
        ("edited", ("text",), "named", "text"),
    ],
)
def test_slot_gets_as_many_arguments_of_a_signal_as_it_takes(
    loop: qtloop.QEventLoop, signal: str, values: tuple[Any, ...], slot: str, expected: Any
) -> None:
    sender, receiver = Sender(), Receiver()

    async def main() -> None:
        getattr(sender, signal).connect(getattr(receiver, slot))
        getattr(sender, signal).emit(*values)
        await asyncio.sleep(0)

    run(loop, main())
    assert receiver.got == [expected]


def test_each_overload_of_a_signal_finds_its_slot(loop: qtloop.QEventLoop) -> None:
    sender, receiver = Sender(), Receiver()

    async def main() -> None:
        for kind in (int, str):
            sender.changed[kind].connect(receiver.overloaded)
        sender.changed[int].emit(7)
        sender.changed[str].emit("seven")
        await asyncio.sleep(0)

    run(loop, main())
    assert receiver.got == [7, "seven"]


def test_slot_with_a_default_works_for_a_signal_with_and_without_a_value(
    loop: qtloop.QEventLoop,
) -> None:
    receiver = Receiver()

    async def main() -> None:
        await asyncio.gather(receiver.default(), receiver.default(True), receiver.default(True, 1))

    run(loop, main())
    assert receiver.got == [None, True, True]


def test_partial_of_a_slot_that_names_an_argument_drops_extra_signal_arguments(
    loop: qtloop.QEventLoop,
) -> None:
    sender, receiver = Sender(), Receiver()

    async def main() -> None:
        sender.clicked.connect(functools.partial(receiver.first, x=5))
        sender.clicked.emit(True)
        await asyncio.sleep(0)

    run(loop, main())
    assert receiver.got == [5]


def test_slot_can_be_called_by_name_as_qml_does(loop: qtloop.QEventLoop) -> None:
    receiver = Receiver()

    async def main() -> None:
        QtCore.QMetaObject.invokeMethod(receiver, "nothing")
        await asyncio.sleep(0)

    run(loop, main())
    assert receiver.got == [()]


def test_slot_with_more_parameters_than_the_signal_raises_type_error(
    loop: qtloop.QEventLoop,
) -> None:
    @asyncSlot()
    async def two(x: int, y: int) -> None: ...

    async def main() -> None:
        with pytest.raises(TypeError, match=MISMATCH) as caught:
            two(1)
        assert "two(x: 'int', y: 'int') -> 'None' was called with (1)." in str(caught.value)

    run(loop, main())


# asyncSlot: its task


def test_slot_without_a_loop_raises_an_error_that_names_the_cure() -> None:
    @asyncSlot()
    async def slot() -> None: ...

    asyncio.set_event_loop(None)
    with pytest.raises(RuntimeError, match=r"no event loop is running: .*qtloop\.run\(main\(\)\)"):
        slot()


def test_slot_called_before_the_loop_runs_starts_with_it(loop: qtloop.QEventLoop) -> None:
    @asyncSlot()
    async def slot() -> str:
        return "started"

    asyncio.set_event_loop(loop)
    try:
        task = slot()
    finally:
        asyncio.set_event_loop(None)
    assert run(loop, task) == "started"


def test_slots_task_is_kept_alive_until_it_is_done(loop: qtloop.QEventLoop) -> None:
    wakers: list[Callable[[], None]] = []

    @asyncSlot()
    async def slot() -> None:
        # Only the task and the future refer to each other.
        future = asyncio.get_running_loop().create_future()
        waker = weakref.ref(future)
        wakers.append(lambda: waker().set_result(None))  # type: ignore[union-attr]
        await future

    async def main() -> weakref.ref[Any]:
        task = weakref.ref(slot())
        await asyncio.sleep(0)
        gc.collect()
        assert task() is not None
        wakers[0]()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return task

    task = run(loop, main())
    gc.collect()
    assert task() is None


async def slot_that_raises(error: Exception) -> None:
    """Calls a slot that raises, and waits for its end."""

    @asyncSlot()
    async def slot() -> None:
        raise error

    slot()
    await asyncio.sleep(0)
    await asyncio.sleep(0)


def test_exception_of_a_slot_reaches_the_programs_excepthook(
    loop: qtloop.QEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(sys, "excepthook", lambda *exception: seen.append(exception))
    error = ValueError("from a slot")

    run(loop, slot_that_raises(error))
    ((kind, value, traceback),) = seen
    assert (kind, value, traceback) == (ValueError, error, error.__traceback__)


def test_exception_of_a_slot_reaches_the_loops_handler_if_there_is_no_excepthook(
    loop: qtloop.QEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)
    seen: list[Any] = []
    loop.set_exception_handler(lambda _, context: seen.append(context.get("exception")))
    error = ValueError("from a slot")

    run(loop, slot_that_raises(error))
    assert seen == [error]


def test_cancelled_slot_is_not_reported(
    loop: qtloop.QEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(sys, "excepthook", lambda *exception: seen.append(exception))
    loop.set_exception_handler(lambda _, context: seen.append(context))

    @asyncSlot()
    async def slot() -> None:
        await asyncio.sleep(60)

    async def main() -> None:
        task = slot()
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])

    run(loop, main())
    assert seen == []


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_exit_in_a_slot_is_raised_by_the_run_and_not_reported(
    loop: qtloop.QEventLoop, monkeypatch: pytest.MonkeyPatch, kind: type[BaseException]
) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(sys, "excepthook", lambda *exception: seen.append(exception))

    @asyncSlot()
    async def slot() -> None:
        raise kind

    loop.call_soon(slot)
    with pytest.raises(kind):
        loop.run_forever()
    run(loop, asyncio.sleep(0))
    assert seen == []
