"""asyncSlot, asyncClose and asyncWrap: real signals, real Qt loops."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import gc
import sys
import time
import weakref
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

import qtloop
from qtloop import asyncClose, asyncSlot, asyncWrap
from qtloop._binding import binding

if binding is None:
    pytest.skip("signals and slots need a Qt binding", allow_module_level=True)

QtCore: Any = binding.QtCore
QObject: Any = QtCore.QObject
Signal: Any = getattr(QtCore, "Signal", None) or QtCore.pyqtSignal
OVERLOADS: Any = ((int,), (str,)) if binding.name == "PySide6" else ([int], [str])

MISMATCH = r"asyncSlot was not callable from Signal\. Potential signature mismatch\."


class Sender(QObject):  # type: ignore[misc]
    """Something with the signals of a button and of a line edit."""

    clicked = Signal(bool)
    edited = Signal(str)
    moved = Signal(int, int)
    changed = Signal(*OVERLOADS)


def run(loop: qtloop.QEventLoop, main: Any) -> Any:
    return loop.run_until_complete(asyncio.wait_for(main, 20))


def soon(function: Callable[[], object]) -> None:
    """Have Qt call the function: outside of any task, and of this loop's callbacks."""
    QtCore.QTimer.singleShot(0, function)


# asyncSlot: what it takes


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


def test_slot_without_parentheses_is_the_same(loop: qtloop.QEventLoop) -> None:
    @asyncSlot
    async def answer() -> int:
        return 42

    async def main() -> int:
        return await answer()

    assert run(loop, main()) == 42


def test_slot_keeps_the_functions_name_and_docstring() -> None:
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


# asyncSlot: what Qt sees of it


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
def test_slot_gets_of_a_signal_what_it_takes(
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


def test_partial_of_a_slot_that_names_an_argument_drops_what_the_signal_adds(
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


def test_slot_that_wants_more_than_the_signal_has_raises_type_error(
    loop: qtloop.QEventLoop,
) -> None:
    @asyncSlot()
    async def two(x: int, y: int) -> None: ...

    async def main() -> None:
        with pytest.raises(TypeError, match=MISMATCH):
            two(1)

    run(loop, main())


# asyncSlot: its task


def test_slot_with_no_loop_says_how_to_run_one() -> None:
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


def test_slots_task_is_kept_until_it_is_done_and_no_longer(loop: qtloop.QEventLoop) -> None:
    wakers: list[Callable[[], None]] = []

    @asyncSlot()
    async def slot() -> None:
        # Nobody else knows the future: the two hold each other, and no one holds them.
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


def test_exception_of_a_slot_reaches_the_programs_excepthook(
    loop: qtloop.QEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(sys, "excepthook", lambda *exception: seen.append(exception))
    error = ValueError("from a slot")

    @asyncSlot()
    async def slot() -> None:
        raise error

    async def main() -> None:
        slot()
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    run(loop, main())
    ((kind, value, traceback),) = seen
    assert (kind, value, traceback) == (ValueError, error, error.__traceback__)


def test_exception_of_a_slot_reaches_the_loops_handler_if_there_is_no_excepthook(
    loop: qtloop.QEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)
    seen: list[Any] = []
    loop.set_exception_handler(lambda _, context: seen.append(context.get("exception")))
    error = ValueError("from a slot")

    @asyncSlot()
    async def slot() -> None:
        raise error

    async def main() -> None:
        slot()
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    run(loop, main())
    assert seen == [error]


def test_cancelled_slot_is_silent(loop: qtloop.QEventLoop, monkeypatch: pytest.MonkeyPatch) -> None:
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
def test_exit_in_a_slot_leaves_the_loop_and_is_not_reported_twice(
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


# asyncClose


class Closing(QObject):  # type: ignore[misc]
    """A QObject whose event handler, a virtual method that Qt calls, is a coroutine."""

    def __init__(self) -> None:
        super().__init__()
        self.log: list[str] = []

    @asyncClose
    async def customEvent(self, event: Any) -> None:
        self.log.append("begun")
        await asyncio.sleep(0.01)
        self.log.append("done")


async def _give(value: Any, ticks: int = 2) -> Any:
    for _ in range(ticks):
        await asyncio.sleep(0)
    if isinstance(value, BaseException):
        raise value
    return value


give = asyncClose(_give)


def outside_a_task(loop: qtloop.QEventLoop, function: Callable[[], Any]) -> Any:
    """Call the function from Qt while the loop runs; its result or exception."""

    async def main() -> Any:
        outcome: asyncio.Future[Any] = loop.create_future()

        def call() -> None:
            try:
                outcome.set_result(function())
            except Exception as error:
                outcome.set_exception(error)

        soon(call)
        return await outcome

    return run(loop, main())


def inside_a_task(loop: qtloop.QEventLoop, function: Callable[[], Any]) -> Any:
    """Call the function from a coroutine; its result or exception."""

    async def main() -> Any:
        return function()

    return run(loop, main())


def before_the_loop_runs(loop: qtloop.QEventLoop, function: Callable[[], Any]) -> Any:
    """Call the function when the loop is set, but does not run; its result or exception."""
    asyncio.set_event_loop(loop)
    try:
        return function()
    finally:
        asyncio.set_event_loop(None)


everywhere = pytest.mark.parametrize("call", [outside_a_task, inside_a_task, before_the_loop_runs])


@everywhere
def test_close_returns_the_coroutines_result(loop: qtloop.QEventLoop, call: Any) -> None:
    assert call(loop, lambda: give("result")) == "result"


@everywhere
def test_close_raises_the_coroutines_exception(loop: qtloop.QEventLoop, call: Any) -> None:
    with pytest.raises(ZeroDivisionError):
        call(loop, lambda: give(ZeroDivisionError()))


@everywhere
def test_close_of_a_cancelled_coroutine_returns_none(loop: qtloop.QEventLoop, call: Any) -> None:
    assert call(loop, lambda: give(asyncio.CancelledError())) is None


def test_close_that_is_done_at_once_returns(loop: qtloop.QEventLoop) -> None:
    assert inside_a_task(loop, lambda: give("at once", ticks=0)) == "at once"


def test_close_takes_the_place_of_a_virtual_method(loop: qtloop.QEventLoop) -> None:
    closing = Closing()

    async def main() -> None:
        event = QtCore.QEvent(QtCore.QEvent.Type.User)
        QtCore.QCoreApplication.sendEvent(closing, event)
        closing.log.append("returned")

    run(loop, main())
    assert closing.log == ["begun", "done", "returned"]


@pytest.mark.parametrize("call", [outside_a_task, inside_a_task])
def test_other_tasks_go_on_during_a_close(loop: qtloop.QEventLoop, call: Any) -> None:
    asked, answered = asyncio.Event(), asyncio.Event()

    async def other() -> None:
        await asked.wait()
        answered.set()

    @asyncClose
    async def close() -> bool:
        asked.set()
        return await answered.wait()

    task = loop.create_task(other())
    assert call(loop, close) is True
    run(loop, task)


def test_task_that_closes_goes_on_as_itself(loop: qtloop.QEventLoop) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")

    async def main() -> None:
        variable.set("main's")
        task = asyncio.current_task()
        give(None)
        assert asyncio.current_task() is task
        assert variable.get() == "main's"
        await asyncio.sleep(0)

    run(loop, main())


def test_close_within_a_close_ends_first(loop: qtloop.QEventLoop) -> None:
    log: list[str] = []

    @asyncClose
    async def outer() -> None:
        await asyncio.sleep(0)
        give(None, ticks=5)
        log.append("inner returned")

    inside_a_task(loop, outer)
    assert log == ["inner returned"]


@everywhere
def test_close_waits_without_using_the_processor(loop: qtloop.QEventLoop, call: Any) -> None:
    close = asyncClose(asyncio.sleep)
    before = time.thread_time()
    call(loop, lambda: close(0.5))
    # A pump of events, as this is elsewhere, takes all of the half second.
    assert time.thread_time() - before < 0.2


def test_close_of_a_plain_function_is_refused() -> None:
    def plain() -> None: ...

    with pytest.raises(TypeError, match=r"asyncClose takes a coroutine function"):
        asyncClose(plain)  # type: ignore[arg-type]


def test_close_with_no_loop_says_how_to_run_one() -> None:
    asyncio.set_event_loop(None)
    with pytest.raises(RuntimeError, match="no event loop is running"):
        give(None)


def test_close_on_another_kind_of_loop_is_refused() -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match=r"asyncClose needs a qtloop\.QEventLoop"):
            give(None)

    other = asyncio.SelectorEventLoop()
    try:
        other.run_until_complete(main())
    finally:
        other.close()


# asyncWrap


def spin(function: Callable[[], object] = lambda: None) -> str:
    """Run a Qt loop as a dialog does, until after the function has been called in it."""
    nested = QtCore.QEventLoop()

    def call() -> None:
        try:
            function()
        finally:
            nested.quit()

    soon(call)
    nested.exec()
    return "accepted"


def test_wrap_returns_what_the_function_returns(loop: qtloop.QEventLoop) -> None:
    async def main() -> str:
        return await asyncWrap(spin)

    assert run(loop, main()) == "accepted"


def test_wrap_passes_arguments_on(loop: qtloop.QEventLoop) -> None:
    async def main() -> dict[str, int]:
        return await asyncWrap(dict, {"a": 1}, b=2)

    assert run(loop, main()) == {"a": 1, "b": 2}


def test_wrap_raises_what_the_function_raises(loop: qtloop.QEventLoop) -> None:
    async def main() -> None:
        with pytest.raises(ZeroDivisionError):
            await asyncWrap(divmod, 1, 0)

    run(loop, main())


def test_wrapped_function_runs_outside_any_task_with_the_tasks_context(
    loop: qtloop.QEventLoop,
) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")

    async def main() -> tuple[Any, str]:
        variable.set("main's")
        return await asyncWrap(lambda: (asyncio.current_task(), variable.get()))

    assert run(loop, main()) == (None, "main's")


def test_other_tasks_go_on_inside_a_wrapped_function(loop: qtloop.QEventLoop) -> None:
    log: list[str] = []

    async def main() -> None:
        nested = QtCore.QEventLoop()

        async def other() -> None:
            log.append("other runs")
            await asyncio.sleep(0.01)
            log.append("other done")
            nested.quit()

        task = asyncio.ensure_future(other())
        await asyncWrap(nested.exec)
        log.append("wrap done")
        await task

    run(loop, main())
    assert log == ["other runs", "other done", "wrap done"]


def test_wrap_cancelled_before_the_call_makes_none(loop: qtloop.QEventLoop) -> None:
    calls: list[str] = []

    async def main() -> None:
        task = asyncio.ensure_future(asyncWrap(calls.append, "called"))
        loop.call_soon(task.cancel)  # runs after the task's first step, before the call
        await asyncio.wait([task])
        assert task.cancelled()
        await asyncio.sleep(0)

    run(loop, main())
    assert calls == []


@pytest.mark.parametrize("error", [None, ValueError("nobody waits for it")])
def test_wrap_cancelled_during_the_call_ends_at_once_and_loses_no_exception(
    loop: qtloop.QEventLoop, error: Exception | None
) -> None:
    seen: list[Any] = []
    loop.set_exception_handler(lambda _, context: seen.append(context["exception"]))

    async def main() -> None:
        nested = QtCore.QEventLoop()

        def dialog() -> None:
            nested.exec()
            if error:
                raise error

        task = asyncio.ensure_future(asyncWrap(dialog))

        def cancel_then_quit() -> None:
            task.cancel()
            task.add_done_callback(lambda _: nested.quit())

        soon(cancel_then_quit)
        await asyncio.wait([task])
        assert task.cancelled()
        await asyncio.sleep(0)

    run(loop, main())
    assert seen == ([error] if error else [])


def test_keyboard_interrupt_in_a_wrapped_function_leaves_the_loop(loop: qtloop.QEventLoop) -> None:
    def dialog() -> None:
        raise KeyboardInterrupt

    task = loop.create_task(asyncWrap(dialog))
    with pytest.raises(KeyboardInterrupt):
        loop.run_forever()
    run(loop, asyncio.wait([task]))
    assert task.cancelled()
