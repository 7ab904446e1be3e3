"""QML awaits the slots of Python, and Python the signals of QML."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest

import qtloop
from qtloop._binding import binding

if binding is None:
    pytest.skip("QML needs a Qt binding", allow_module_level=True)

QtCore: Any = binding.QtCore
QtQml: Any = pytest.importorskip(f"{binding.name}.QtQml")
Slot: Any = getattr(QtCore, "Slot", None) or QtCore.pyqtSlot
Signal: Any = getattr(QtCore, "Signal", None) or QtCore.pyqtSignal

# Calls one of the methods, and passes the promise's result or error to `settled`.
QML = """
import QtQml 2.15
QtObject {
    signal moved(int count, string name)
    signal pinged()
    property int number: 0
    function call(method, argument) {
        const promise = argument === undefined ? served[method]() : served[method](argument)
        if (promise === undefined) {
            served.settled("undefined")
            return
        }
        promise.then(
            value => served.settled("resolved " + typeof value + " " + JSON.stringify(value)),
            error => served.settled("rejected " + (error instanceof Error) + " " + error))
    }
}
"""


class Served(QtCore.QObject):  # type: ignore[misc]
    outcome = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.log: list[str] = []

    @Slot(str)  # type: ignore[untyped-decorator]
    def settled(self, outcome: str) -> None:
        self.outcome.emit(outcome)

    @qtloop.qmlSlot(str)
    async def echo(self, text: str) -> str:
        await asyncio.sleep(0.001)
        return f"{text}!"

    @qtloop.qmlSlot(int)
    async def give(self, index: int) -> Any:
        return VALUES[index][0]

    @qtloop.qmlSlot()
    async def fail(self) -> None:
        await asyncio.sleep(0.001)
        raise ValueError("no such page")

    @qtloop.qmlSlot
    async def fail_silently(self) -> None:
        raise KeyError

    @qtloop.qmlSlot(int)
    async def takes_nothing(self) -> None:
        pass

    @qtloop.qmlSlot()
    async def wait(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.task = task
        try:
            await asyncio.sleep(60)
        finally:
            self.log.append("wait has ended")


VALUES: list[tuple[Any, str]] = [
    (3, "number 3"),
    (1.5, "number 1.5"),
    (True, "boolean true"),
    ("text", 'string "text"'),
    (None, "undefined undefined"),
    ([1, "a", (2, 3)], 'object [1,"a",[2,3]]'),
    ({"a": 1, 2: {"b": [True]}}, 'object {"2":{"b":[true]},"a":1}'),
    (b"bytes", "object {}"),  # an ArrayBuffer
]


class Scene:
    """An engine with the QML above, and the object that it calls."""

    def __init__(self) -> None:
        self.served = Served()
        self.engine = QtQml.QQmlApplicationEngine()
        self.engine.rootContext().setContextProperty("served", self.served)
        self.engine.loadData(QML.encode())
        (self.root,) = self.engine.rootObjects()
        self.holder = self.engine.evaluate(
            "(root, method, argument) => root.call(method, argument)"
        )

    def call(self, method: str, *args: Any) -> None:
        values = [self.engine.newQObject(self.root), QtQml.QJSValue(method)]
        values += [QtQml.QJSValue(each) for each in args]
        result = self.holder.call(values)
        assert not result.isError(), result.toString()

    async def outcome(self, method: str, *args: Any) -> str:
        settled = qtloop.once(self.served.outcome)
        self.call(method, *args)
        outcome: str = await asyncio.wait_for(settled, 10)
        return outcome


def run(main: Any) -> Any:
    return qtloop.run(main)


def test_promise_is_resolved_with_the_result(app: Any) -> None:
    async def main() -> None:
        assert await Scene().outcome("echo", "hello") == 'resolved string "hello!"'

    run(main())


@pytest.mark.parametrize("index", range(len(VALUES)))
def test_result_is_converted_to_a_javascript_value(app: Any, index: int) -> None:
    async def main() -> None:
        assert await Scene().outcome("give", index) == f"resolved {VALUES[index][1]}"

    run(main())


def test_exception_rejects_the_promise_with_its_text_and_is_not_reported(
    loop: qtloop.QEventLoop, reports: list[dict[str, Any]]
) -> None:
    async def main() -> None:
        scene = Scene()
        assert await scene.outcome("fail") == "rejected true ValueError: no such page"
        assert await scene.outcome("fail_silently") == "rejected true KeyError: KeyError"

    loop.run_until_complete(main())


def test_call_with_wrong_arguments_rejects_the_promise(app: Any) -> None:
    async def main() -> None:
        outcome = await Scene().outcome("takes_nothing", 1)
        assert outcome.startswith("rejected true TypeError")

    run(main())


def test_call_without_a_loop_rejects_the_promise(app: Any) -> None:
    asyncio.set_event_loop(None)
    scene = Scene()
    seen: list[str] = []
    scene.served.outcome.connect(seen.append)
    scene.call("echo", "hello")
    for _ in range(10):
        app.processEvents()
    assert len(seen) == 1 and "RuntimeError: no event loop is running" in seen[0]


def test_cancelled_task_rejects_the_promise(app: Any) -> None:
    async def main() -> None:
        scene = Scene()
        asyncio.get_running_loop().call_later(0.01, lambda: scene.served.task.cancel())
        outcome = await scene.outcome("wait")
        assert outcome == "rejected true CancelledError: the task was cancelled"

    run(main())


def test_task_is_cancelled_when_the_object_is_destroyed(app: Any) -> None:
    async def main() -> None:
        scene = Scene()
        scene.call("wait")
        await asyncio.sleep(0.001)
        task, log = scene.served.task, scene.served.log
        scene.served.deleteLater()
        await asyncio.wait([task], timeout=10)
        assert task.cancelled() and log == ["wait has ended"]

    run(main())


@pytest.mark.parametrize("by", ["del", "deleteLater"])
def test_engine_may_be_destroyed_before_the_task_completes(app: Any, by: str) -> None:
    async def main() -> None:
        scene = Scene()
        for method in ("wait", "echo"):
            scene.call(method, *["x"] * (method == "echo"))
        served, engine = scene.served, scene.engine
        destroyed = qtloop.once(engine.destroyed)
        if by == "deleteLater":
            engine.deleteLater()
        del scene, engine
        gc.collect()
        await asyncio.wait_for(destroyed, 10)
        await asyncio.sleep(0.01)
        served.task.cancel()
        await asyncio.sleep(0.001)
        assert served.log == ["wait has ended"]

    run(main())


def test_object_without_an_engine_runs_the_task(app: Any) -> None:
    async def main() -> None:
        served = Served()
        assert served.wait().isUndefined()
        await asyncio.sleep(0.001)
        served.task.cancel()
        await asyncio.wait([served.task])
        assert served.log == ["wait has ended"]

    run(main())


def test_plain_function_is_refused() -> None:
    function: Any = len
    for decorate in (qtloop.qmlSlot, qtloop.qmlSlot(), qtloop.qmlSlot(str)):
        with pytest.raises(TypeError, match="qmlSlot takes a coroutine function"):
            decorate(function)


def test_signal_of_a_qml_object_is_awaited(app: Any) -> None:
    async def main() -> None:
        scene = Scene()
        root = scene.root
        loop = asyncio.get_running_loop()
        loop.call_soon(lambda: root.moved.emit(3, "x"))
        assert await qtloop.once(root.moved) == (3, "x")
        pings = qtloop.stream(root.pinged)
        changes = qtloop.stream(root.numberChanged)
        root.pinged.emit()
        root.setProperty("number", 7)
        assert (await anext(pings), await anext(changes)) == ((), ())
        scene.engine.deleteLater()
        with pytest.raises(qtloop.SenderDestroyed):
            await asyncio.wait_for(anext(pings), 10)

    run(main())
