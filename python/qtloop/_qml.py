"""Slots whose result QML awaits, as a JavaScript `Promise`: `qmlSlot()`."""

from __future__ import annotations

import asyncio
import functools
import inspect
import weakref
from collections.abc import Callable, Coroutine
from typing import Any, overload

from . import _background_tasks, _binding
from ._coroutines import require_async
from ._qt_slot import as_qt_slot
from ._spawn import start

_NEW_PROMISE = """(() => {
    const parts = {};
    parts.promise = new Promise((resolve, reject) => {
        parts.resolve = resolve;
        parts.reject = (name, text) => {
            const error = new Error(text);
            Object.defineProperty(error, "name", { value: name, configurable: true });
            reject(error);
        };
    });
    return parts;
})()"""


_AsyncMethod = Callable[..., Coroutine[Any, Any, Any]]


@overload
def qmlSlot(fn: _AsyncMethod, /) -> Callable[..., Any]: ...
@overload
def qmlSlot(*types: type | str) -> Callable[[_AsyncMethod], Callable[..., Any]]: ...
def qmlSlot(*types: Any) -> Any:
    """Makes a coroutine method of a QObject a slot that returns a JavaScript `Promise` to QML:

        @qtloop.qmlSlot(str)
        async def read(self, url: str) -> str: ...

    and in QML `net.read(url).then(text => ..., error => ...)`. `types` are those of the binding's
    own `Slot` or `pyqtSlot`; with none the parentheses may be left out.

    Qt converts the result: tuples to arrays, dictionaries to objects, `bytes` to an `ArrayBuffer`,
    `None` to `undefined`. An exception, or a cancellation, rejects the promise with an `Error` that
    has its text as `message` and its class as `name`; it is not reported elsewhere. Wrong arguments
    and a thread without a loop reject the promise, too. The task is cancelled when the QObject is
    destroyed. If no QML engine knows the object, the task runs as one of `spawn()`, and the slot
    returns `undefined`. QML calls the slot on the application's thread, where the loop must be.

    TypeError is raised for a function that is no coroutine function.

    Source: https://doc.qt.io/qt-6/qtqml-javascript-hostenvironment.html
    """

    if len(types) == 1 and inspect.isroutine(types[0]):
        return qmlSlot()(types[0])  # written without parentheses

    def decorate(fn: _AsyncMethod) -> Callable[..., Any]:
        require_async(fn, "qmlSlot")
        binding = _binding.binding
        if binding is None:
            return fn
        qml = binding.module("QtQml")

        @functools.wraps(fn)
        def slot(self: Any, *args: Any) -> Any:
            engine = qml.qjsEngine(self)
            # The method is called inside the coroutine, so wrong arguments reject the promise.
            coroutine = _call(fn, self, *args)
            if engine is None:
                task = start(coroutine, parent=self)
                task.add_done_callback(_background_tasks.report)
                return qml.QJSValue()
            promise = _Promise(qml, engine)
            try:
                start(coroutine, parent=self).add_done_callback(promise.settle)
            except RuntimeError as error:  # there is no loop
                promise.reject(error)
            return promise.value

        decorated: Callable[..., Any] = as_qt_slot(*types, result=qml.QJSValue)(slot)
        return decorated

    return decorate


async def _call(fn: _AsyncMethod, *args: Any) -> Any:
    return await fn(*args)


class _Promise:
    """A JavaScript promise that Python settles, unless its engine was destroyed before."""

    def __init__(self, qml: Any, engine: Any) -> None:
        parts = engine.evaluate(_NEW_PROMISE)
        self.qml = qml
        self.value, self._resolve, self._reject = (
            parts.property(name) for name in ("promise", "resolve", "reject")
        )
        # An engine that Python owns is destroyed when the program drops it.
        self._engine = weakref.ref(engine) if _is_owned(engine) else lambda: engine

    def settle(self, task: asyncio.Task[Any]) -> None:
        """Resolves the promise with the task's result, or rejects it with its exception."""
        if task.cancelled():
            self.reject(asyncio.CancelledError("the task was cancelled"))
        elif (error := task.exception()) is not None:
            self.reject(error)
        elif (engine := self._living_engine()) is not None:
            try:
                value = _to_script(engine, _plain(task.result()))
            except (TypeError, OverflowError) as refusal:  # it has no JavaScript equivalent
                self.reject(refusal)
            else:
                self._resolve.call([value])

    def reject(self, error: BaseException) -> None:
        """Rejects the promise with a JavaScript `Error` for the exception."""
        if self._living_engine() is not None:
            name = type(error).__name__
            self._reject.call([self.qml.QJSValue(text) for text in (name, str(error) or name)])

    def _living_engine(self) -> Any:
        engine = self._engine()
        return engine if engine is not None and not _binding.is_destroyed(engine) else None


def _plain(value: Any) -> Any:
    """Returns the value, with containers and bytes that both bindings convert."""
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if isinstance(value, (bytes, bytearray)):
        assert _binding.binding is not None
        return _binding.binding.QtCore.QByteArray(bytes(value))
    return value


def _to_script(engine: Any, value: Any) -> Any:
    """Converts a value to JavaScript. PyQt5 has no `toScriptValue()`, and converts a property."""
    if hasattr(engine, "toScriptValue"):
        return engine.toScriptValue(value)
    return engine.newQObject(_holder()(value)).property("value")


@functools.cache
def _holder() -> type:
    """Returns a class of objects with a property `value`."""
    assert _binding.binding is not None
    QtCore: Any = _binding.binding.QtCore

    class Holder(QtCore.QObject):  # type: ignore[misc]
        def __init__(self, value: Any) -> None:
            super().__init__()
            self._value = value

        @QtCore.pyqtProperty("QVariant")  # type: ignore[untyped-decorator]
        def value(self) -> Any:
            return self._value

    return Holder


def _is_owned(wrapper: Any) -> bool:
    """Returns whether the object is destroyed together with its Python wrapper."""
    if _binding.is_pyqt():
        return bool(_binding.support().ispyowned(wrapper))
    return bool(_binding.support().ownedByPython(wrapper))
