"""Arguments that a signal passes to a slot, and functions that may be slots."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Generator
from typing import Any

import pytest
from support.slots import QObject, QtCore, QtGui, QtWidgets, Sender, Signal, run

import qtloop
from qtloop import asyncClose, asyncSlot
from qtloop._binding import binding

assert binding is not None
QtNetwork: Any = binding.module("QtNetwork")


# Values that a signal lends


class Notes(QObject):  # type: ignore[misc]
    """Slots that record a value before and after a wait."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[int]] = []
        self.sizes: list[float] = []

    @asyncSlot(QtCore.QItemSelection, QtCore.QItemSelection)
    async def selected(self, new: Any, old: Any) -> None:
        for _ in range(2):
            self.rows.append([index.row() for index in new.indexes()])
            await asyncio.sleep(0.001)

    @asyncSlot()
    async def formatted(self, new: Any) -> None:
        for _ in range(2):
            self.sizes.append(new.fontPointSize())
            await asyncio.sleep(0.001)


def test_values_that_a_signal_lends_stay_valid_in_its_slots(loop: qtloop.QEventLoop) -> None:
    async def main() -> None:
        notes = Notes()
        model, view = QtGui.QStandardItemModel(3, 1), QtWidgets.QTableView()
        view.setModel(model)
        view.selectionModel().selectionChanged.connect(notes.selected)
        edit = QtWidgets.QTextEdit("text")
        edit.currentCharFormatChanged.connect(notes.formatted)
        for number in (1, 2):
            view.selectRow(number)
            edit.setFontPointSize(30 + number)
        await asyncio.sleep(0.01)
        assert sorted(notes.rows) == [[1], [1], [2], [2]]
        assert sorted(notes.sizes) == [31, 31, 32, 32]

    run(loop, main())


def test_object_that_a_slot_fills_in_for_the_sender_is_not_copied(
    loop: qtloop.QEventLoop,
) -> None:
    class Client(QObject):  # type: ignore[misc]
        finished = Signal()

        @asyncSlot()
        async def authenticate(self, reply: Any, authenticator: Any) -> None:
            authenticator.setUser("user")
            authenticator.setPassword("password")
            await asyncio.sleep(0)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if b"uthorization: Basic dXNlcjpwYXNzd29yZA==" in head:
            writer.write(b"HTTP/1.0 200 OK\r\n\r\nok")
        else:
            writer.write(b'HTTP/1.0 401 No\r\nWWW-Authenticate: Basic realm="here"\r\n\r\n')
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        manager, client = QtNetwork.QNetworkAccessManager(), Client()
        manager.authenticationRequired.connect(client.authenticate)
        finished = loop.create_future()
        reply = manager.get(QtNetwork.QNetworkRequest(QtCore.QUrl(f"http://127.0.0.1:{port}/")))
        reply.finished.connect(lambda: finished.set_result(None))
        await finished
        assert reply.readAll().data() == b"ok"
        reply.deleteLater()
        manager.deleteLater()
        server.close()
        await asyncio.sleep(0.01)

    run(loop, main())


# Slots without types


class Untyped(QObject):  # type: ignore[misc]
    """Slots without argument types."""

    def __init__(self) -> None:
        super().__init__()
        self.got: list[Any] = []

    @asyncSlot()
    async def none(self) -> None:
        self.got.append(())

    @asyncSlot()
    async def first(self, number: int) -> None:
        self.got.append(number)

    @asyncSlot()
    async def both(self, number: int, text: str) -> None:
        self.got.append((number, text))

    @asyncSlot
    async def default(self, number: int | None = None) -> None:
        self.got.append(("default", number))

    @asyncSlot()
    async def all(self, *args: Any) -> None:
        self.got.append(args)

    @asyncSlot()
    @staticmethod
    async def static(number: int) -> None:
        untyped_static.append(number)

    @staticmethod
    @asyncSlot()
    async def static_outside(number: int) -> None:
        untyped_static.append(number)


untyped_static: list[int] = []


@pytest.mark.parametrize(
    ("slot", "expected"),
    [
        ("none", ()),
        ("first", 7),
        ("both", (7, "x")),
        ("default", ("default", 7)),
        ("all", (7, "x")),
    ],
)
def test_slot_without_types_gets_as_many_arguments_as_it_takes(
    loop: qtloop.QEventLoop, slot: str, expected: Any
) -> None:
    sender, receiver = Sender(), Untyped()

    async def main() -> None:
        sender.moved.connect(getattr(receiver, slot))
        sender.moved.emit(7, "x")
        sender.moved.disconnect(getattr(receiver, slot))
        sender.moved.emit(8, "y")

    run(loop, main())
    assert receiver.got == [expected]


@pytest.mark.parametrize("name", ["static", "static_outside"])
def test_static_slot_without_types_gets_the_arguments_it_takes(
    loop: qtloop.QEventLoop, name: str
) -> None:
    untyped_static.clear()

    async def main() -> None:
        sender, receiver = Sender(), Untyped()
        sender.moved.connect(getattr(receiver, name))
        sender.moved.emit(7, "x")

    run(loop, main())
    assert untyped_static == [7]


def test_function_that_is_a_slot_without_types_gets_the_arguments_it_takes(
    loop: qtloop.QEventLoop,
) -> None:
    got: list[int] = []

    @asyncSlot()
    async def first(number: int) -> None:
        got.append(number)

    async def main() -> None:
        sender = Sender()
        sender.moved.connect(first)
        sender.moved.emit(7, "x")

    run(loop, main())
    assert got == [7]


def test_slot_without_types_of_a_class_that_is_no_qobject_can_be_connected(
    loop: qtloop.QEventLoop,
) -> None:
    class Plain:
        got: Any = None

        @asyncSlot()
        async def first(self, number: int) -> None:
            self.got = number

    async def main() -> None:
        sender, plain = Sender(), Plain()
        sender.moved.connect(plain.first)
        sender.moved.emit(7, "x")
        assert plain.got == 7

    run(loop, main())


def test_slot_without_types_is_inherited_and_overridden(loop: qtloop.QEventLoop) -> None:
    class Derived(Untyped):
        @asyncSlot()
        async def first(self, number: int) -> None:
            await super().first(number + 1)

    async def main() -> None:
        sender, receiver = Sender(), Derived()
        sender.moved.connect(receiver.first)
        sender.moved.emit(7, "x")
        await asyncio.sleep(0.001)
        assert receiver.got == [8]
        assert receiver.first.__name__ == "first"

    run(loop, main())


# Functions under other decorators


def busy(fn: Callable[..., Any]) -> Callable[..., Any]:
    """A typical decorator: its wrapper is a plain function that returns the coroutine."""

    @functools.wraps(fn)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return fn(*args, **kwargs)

    return wrapper


def with_setting(fn: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator that adds an argument."""

    @functools.wraps(fn)
    def wrapper(self: Any) -> Any:
        return fn(self, "setting")

    return wrapper


def synchronous(fn: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator that does not return the coroutine."""

    @functools.wraps(fn)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        fn(*args, **kwargs).close()
        return 7

    return wrapper


class Decorated(QObject):  # type: ignore[misc]
    """Slots below other decorators."""

    def __init__(self) -> None:
        super().__init__()
        self.got: list[Any] = []

    @asyncSlot()
    @busy
    @busy
    async def work(self) -> None:
        self.got.append("work")

    @asyncSlot(int)
    @busy
    async def number(self, number: int) -> None:
        self.got.append(number)

    @asyncSlot()
    @with_setting
    async def setting(self, setting: str) -> None:
        self.got.append(setting)

    @asyncSlot()
    @synchronous
    async def nothing(self) -> None: ...

    @asyncClose
    @busy
    async def close(self) -> str:
        await asyncio.sleep(0)
        return "closed"


@pytest.mark.parametrize(
    ("slot", "expected"), [("work", "work"), ("number", 7), ("setting", "setting")]
)
def test_decorated_coroutine_function_is_a_slot(
    loop: qtloop.QEventLoop, slot: str, expected: Any
) -> None:
    async def main() -> None:
        sender, receiver = Sender(), Decorated()
        sender.moved.connect(getattr(receiver, slot))
        sender.moved.emit(7, "x")
        assert receiver.got == [expected]

    run(loop, main())


def test_decorated_coroutine_function_can_be_an_async_close(loop: qtloop.QEventLoop) -> None:
    async def main() -> Any:
        return Decorated().close()

    assert run(loop, main()) == "closed"


def test_slot_that_returns_no_awaitable_raises_type_error_that_names_the_cure(
    loop: qtloop.QEventLoop,
) -> None:
    async def main() -> None:
        with pytest.raises(TypeError, match=r"Decorated\.nothing returned 7, .* `async def`"):
            Decorated().nothing()

    run(loop, main())


def test_type_error_of_a_decorator_is_not_reported_as_a_mismatch(loop: qtloop.QEventLoop) -> None:
    def fails(fn: Any) -> Any:
        @functools.wraps(fn)
        def wrapper(*args: Any) -> Any:
            raise TypeError("of the decorator's own")

        return wrapper

    @asyncSlot()
    @fails
    async def slot() -> None: ...

    async def main() -> None:
        with pytest.raises(TypeError, match="of the decorator's own"):
            slot()

    run(loop, main())


def test_mismatch_under_a_decorator_names_the_function_that_does_not_fit(
    loop: qtloop.QEventLoop,
) -> None:
    async def main() -> None:
        with pytest.raises(TypeError, match=r"signature mismatch\. Decorated\.number\(self, num"):
            Decorated().number()

    run(loop, main())


def test_partials_and_callable_objects_are_slots(loop: qtloop.QEventLoop) -> None:
    got: list[Any] = []

    async def add(first: int, second: int) -> None:
        got.append((first, second))

    class Adder:
        async def __call__(self, number: int) -> None:
            got.append(number)

    async def main() -> None:
        sender = Sender()
        slots = [asyncSlot()(functools.partial(add, 1)), asyncSlot(functools.partial(add, 2))]
        slots += [asyncSlot()(Adder()), asyncSlot(Adder())]
        for slot in slots:
            sender.moved.connect(slot)
        sender.moved.emit(7, "x")

    run(loop, main())
    assert sorted(map(str, got)) == ["(1, 7)", "(2, 7)", "7", "7"]


def test_awaitables_that_a_decorator_returns_are_awaited(loop: qtloop.QEventLoop) -> None:
    class Awaitable_:
        def __await__(self) -> Generator[Any, Any, str]:
            yield from asyncio.sleep(0).__await__()
            return "awaited"

    def returning(result: Callable[[], Awaitable[Any]]) -> Callable[[Any], Any]:
        def decorate(fn: Any) -> Any:
            return functools.wraps(fn)(lambda: result())

        return decorate

    async def main() -> list[Any]:
        async def fn() -> None: ...

        made: list[Any] = [Awaitable_, lambda: asyncio.ensure_future(asyncio.sleep(0, "awaited"))]
        slots = [asyncSlot()(returning(each)(fn)) for each in made]
        return [await slot() for slot in slots]

    assert run(loop, main()) == ["awaited", "awaited"]
