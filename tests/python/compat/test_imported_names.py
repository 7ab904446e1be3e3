"""Names that public programs import from qasync, QtAsyncio and qtinter, and their use."""

from __future__ import annotations

import asyncio
import inspect
import logging
import sys
from typing import Any

import pytest
from conftest import BINDING, Child, needs_binding

import qtloop as qasync
from qtloop import _binding

needs_policies = pytest.mark.skipif(
    sys.version_info >= (3, 14), reason="policies are deprecated since Python 3.14"
)
needs_runner = pytest.mark.skipif(
    sys.version_info < (3, 11), reason="asyncio has a Runner from Python 3.11 on"
)

NEED_A_BINDING = [
    "AllEvents",
    "QApplication",
    "QtCore",
    "QtGui",
    "QtModule",
    "QtModuleName",
    "QtWidgets",
    "Signal",
    "Slot",
    "_SimpleTimer",
]


# qasync and quamash


def test_names_that_need_no_binding_are_defined() -> None:
    assert qasync.asyncio is asyncio
    assert qasync.logger is logging.getLogger("qtloop")
    assert qasync.QSelectorEventLoop is qasync.QEventLoop
    assert qasync.QEventLoop._logger is qasync.logger


@needs_binding
def test_names_of_the_binding_are_the_bindings_objects() -> None:
    assert qasync.QtModuleName == BINDING
    assert qasync.QtModule is sys.modules[qasync.QtModuleName]
    assert qasync.QtModule.QtCore is qasync.QtCore
    assert qasync.QtModule.QtWidgets.QApplication is qasync.QApplication
    prefix = "pyqt" if _binding.is_pyqt() else ""
    assert qasync.Slot is getattr(qasync.QtCore, f"{prefix}Slot")
    assert qasync.Signal is getattr(qasync.QtCore, f"{prefix}Signal")


@needs_binding
def test_signal_slot_and_all_events_work(app: Any) -> None:
    seen: list[int] = []

    class Counter(qasync.QtCore.QObject):  # type: ignore[misc]
        counted = qasync.Signal(int)

        @qasync.Slot(int)  # type: ignore[untyped-decorator]
        def count(self, number: int) -> None:
            seen.append(number)

    counter = Counter()
    counter.counted.connect(counter.count, qasync.QtCore.Qt.ConnectionType.QueuedConnection)
    counter.counted.emit(3)
    app.eventDispatcher().processEvents(qasync.AllEvents)
    app.processEvents(qasync.AllEvents)
    assert seen == [3]


@pytest.mark.parametrize("name", NEED_A_BINDING)
def test_without_a_binding_a_name_that_needs_one_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(_binding, "binding", None)
    with pytest.raises(AttributeError, match=f"'{name}'.*pip install PySide6"):
        getattr(qasync, name)


def test_unknown_name_raises_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'qtloop' has no attribute 'QIOCPEventLoop'"):
        _ = qasync.QIOCPEventLoop
    assert not hasattr(qasync, "_QEventLoop")  # programs that find one replace its methods


def test_star_import_takes_the_public_names_only() -> None:
    taken: dict[str, Any] = {}
    exec("from qtloop import *", taken)
    assert {"QEventLoop", "QThreadExecutor", "asyncSlot", "asyncClose", "asyncWrap"} <= set(taken)
    assert not {"asyncio", "logger", "Signal", "QtCore"} & set(taken)


def test_reading_each_name_imports_no_module_of_qt(child: Child) -> None:
    """`help(qtloop)` reads each name. Importing QtWidgets would change the application made."""
    done = child("""
        import inspect
        print(len(inspect.getmembers(qtloop)) > 10, set(qtloop.__all__) <= set(dir(qtloop)))
        for name in list(sys.modules):  # the tests' own preamble has imported them
            if name.startswith(("PySide6.", "PyQt6.")):
                del sys.modules[name]
        inspect.getmembers(qtloop)
        print([name for name in sys.modules if name.startswith(("PySide6.Qt", "PyQt6.Qt"))])
        os._exit(0)
        """)
    assert done.stdout == "True True\n[]\n"
    assert "QtWidgets" not in dict(inspect.getmembers(qasync))


@needs_binding
def test_timer_class_is_one_class_and_takes_a_patch(app: Any) -> None:
    """Programs replace `timerEvent` at their start, to keep a KeyError of qasync's quiet."""
    original = qasync._SimpleTimer.timerEvent
    seen: list[int] = []

    def patched(self: Any, event: Any) -> Any:
        seen.append(event.timerId())
        return original(self, event)

    qasync._SimpleTimer.timerEvent = patched
    try:
        timer, loop = qasync._SimpleTimer(), asyncio.new_event_loop()
        assert type(timer) is qasync._SimpleTimer
        ended = qasync.QtCore.QEventLoop()
        cancelled = timer.add_callback(asyncio.Handle(seen.clear, (), loop))
        cancelled.cancel()
        timer.add_callback(asyncio.Handle(ended.quit, (), loop), 0.001)
        ended.exec()
        loop.close()
    finally:
        qasync._SimpleTimer.timerEvent = original
    assert len(seen) == 2
    assert timer._SimpleTimer__callbacks == {}
    timer.stop()


@needs_policies
@needs_runner
def test_policy_of_qasyncs_examples_lasts_for_its_block(app: Any) -> None:
    before = asyncio.get_event_loop_policy()

    async def main() -> type:
        return type(asyncio.get_running_loop())

    with qasync._set_event_loop_policy(qasync.DefaultQEventLoopPolicy()):
        runner = asyncio.Runner()
        try:
            assert runner.run(main()) is qasync.QEventLoop
        finally:
            runner.close()
    assert asyncio.get_event_loop_policy() is before


def test_modules_asyncio_sets_and_runs_the_loop(app: Any) -> None:
    loop = qasync.QEventLoop(app)
    qasync.asyncio.set_event_loop(loop)
    with loop:
        assert loop.run_until_complete(qasync.asyncio.sleep(0.001, "done")) == "done"
    qasync.asyncio.set_event_loop(None)


# Programs


PLAYER = """
from qtloop import AllEvents, DefaultQEventLoopPolicy, QEventLoop, QThreadExecutor

def run_in_executor(self, executor, callback, *args):
    self._logger.debug("running %r", callback)
    if executor is None:
        executor = getattr(self, "own_executor", None)
    if executor is None:
        executor = self.own_executor = QThreadExecutor()
        self.set_default_executor(executor)
    return asyncio.wrap_future(executor.submit(callback, *args), loop=self)

QEventLoop.run_in_executor = run_in_executor

class PlayerLoop(QEventLoop):
    def run_until_complete(self, future):
        if self.is_running():
            raise RuntimeError("Event loop already running")
        future = asyncio.ensure_future(future, loop=self)
        stop = lambda future: self.stop()
        future.add_done_callback(stop)
        try:
            self.run_forever()
        finally:
            future.remove_done_callback(stop)
        outer = asyncio._get_running_loop()
        asyncio._set_running_loop(self)
        try:
            QtWidgets.QApplication.instance().eventDispatcher().processEvents(AllEvents)
        finally:
            asyncio._set_running_loop(outer)
        if not future.done():
            raise RuntimeError("Event loop stopped before Future completed.")
        return future.result()

app = QtWidgets.QApplication([])
window = QtWidgets.QWidget()
window.show()
ended = asyncio.Event()
app.aboutToQuit.connect(ended.set)

async def main():
    name = lambda: threading.current_thread().name
    print(await asyncio.get_running_loop().run_in_executor(None, name))
    await until_the_end()
    return type(asyncio.get_running_loop()).__name__
"""


@needs_runner
@needs_binding
@pytest.mark.parametrize(
    "end",
    [
        pytest.param("asyncio.sleep(0.001)", id="main returns"),
        pytest.param("(QtCore.QTimer.singleShot(10, window.close), ended.wait())[1]", id="a quit"),
    ],
)
def test_player_that_overrides_run_until_complete_and_run_in_executor(
    child: Child, end: str
) -> None:
    """The program patches and subclasses the loop, and contains a copy of qasync's run."""
    run = f"""
until_the_end = lambda: {end}
with asyncio.Runner(loop_factory=PlayerLoop) as runner:
    print(runner.run(main()))
"""
    done = child(PLAYER + run)
    assert (done.stdout, done.stderr) == ("QThreadExecutor_0\nPlayerLoop\n", "")


@needs_binding
def test_display_that_asks_for_the_bindings_name_before_its_plots(child: Child) -> None:
    """The program compares the name with its own choice, and passes it on in the environment."""
    done = child(f"""
        import qtloop as qasync
        if qasync.QtModuleName != "{BINDING}":
            raise AssertionError(f"wrong binding for qasync: {{qasync.QtModuleName}}")
        os.environ.setdefault("PYQTGRAPH_QT_LIB", qasync.QtModuleName)

        class Window(QtWidgets.QMainWindow):
            @qasync.asyncClose
            async def closeEvent(self, event):
                await asyncio.sleep(0.001)
                print("closed")

        app = QtWidgets.QApplication([])
        ended = asyncio.Event()
        app.aboutToQuit.connect(ended.set)

        async def main():
            window = Window()
            window.show()
            QtCore.QTimer.singleShot(0, window.close)
            await ended.wait()
            print(os.environ["PYQTGRAPH_QT_LIB"])

        qasync.run(main())
        """)
    assert (done.stdout, done.stderr) == (f"closed\n{BINDING}\n", "")


@needs_binding
def test_test_plugin_that_makes_a_loop_per_test_on_one_application(app: Any) -> None:
    """The plugin reads the binding's name, and runs tasks that were made before the loop ran."""
    assert qasync.QtModuleName == BINDING
    assert isinstance(qasync.QApplication.instance(), qasync.QApplication)
    for number in range(3):
        loop = qasync.QEventLoop(app)
        assert type(loop) is qasync.QEventLoop
        task = asyncio.ensure_future(asyncio.sleep(0.001, number), loop=loop)
        assert loop.run_until_complete(task) == number
        loop.close()


@needs_policies
@needs_binding
def test_renderer_that_sets_the_policy_and_leaves_the_run_to_exec(child: Child) -> None:
    done = child("""
        import warnings
        from qtloop.QtAsyncio import QAsyncioEventLoopPolicy
        warnings.simplefilter("ignore", DeprecationWarning)  # get_event_loop() makes the loop
        app = QtWidgets.QApplication([])
        if not isinstance(asyncio.get_event_loop_policy(), QAsyncioEventLoopPolicy):
            asyncio.set_event_loop_policy(QAsyncioEventLoopPolicy())

        async def count():
            for number in range(3):
                await asyncio.sleep(0.001)
                print(number)
            app.quit()

        loop = asyncio.get_event_loop_policy().get_event_loop()
        task = loop.create_task(count())
        app.exec()
        loop.close()
        """)
    assert (done.stdout, done.stderr) == ("0\n1\n2\n", "")


# QtAsyncio and qtinter


def test_submodules_of_qtasyncio_have_its_names(child: Child) -> None:
    done = child("""
        import qtloop.QtAsyncio.events
        from qtloop.QtAsyncio import futures, tasks
        from qtloop.QtAsyncio.events import QAsyncioEventLoop, QAsyncioTimerHandle
        import qtloop.QtAsyncio as QtAsyncio
        assert QtAsyncio.events.QAsyncioEventLoop is QtAsyncio.QAsyncioEventLoop is QEventLoop
        assert QtAsyncio.events.QAsyncioHandle is QtAsyncio.QAsyncioHandle
        assert QAsyncioTimerHandle is QtAsyncio.QAsyncioTimerHandle
        assert futures.QAsyncioFuture is QtAsyncio.QAsyncioFuture
        assert tasks.QAsyncioTask is QtAsyncio.QAsyncioTask
        if sys.version_info < (3, 16):
            policy = QtAsyncio.QAsyncioEventLoopPolicy(quit_qapp=False)
            assert isinstance(policy, QtAsyncio.events.QAsyncioEventLoopPolicy)
        """)
    assert done.stderr == ""


@needs_binding
def test_dependency_finds_the_modules_by_their_first_names(child: Child) -> None:
    done = child("""
        import qtloop.QtAsyncio, qtloop.qtinter
        sys.modules.update({
            "qasync": qtloop,
            "qtinter": qtloop.qtinter,
            "PySide6.QtAsyncio": qtloop.QtAsyncio,
        })
        from qasync import QEventLoop, QtGui, asyncio as of_qasync
        from qtinter.bindings import QtCore as of_qtinter
        assert of_qtinter is QtCore and of_qasync is asyncio
        if binding.name == "PySide6":
            from PySide6.QtAsyncio.events import QAsyncioEventLoopPolicy
            assert QAsyncioEventLoopPolicy is qtloop.QtAsyncio.QAsyncioEventLoopPolicy
        """)
    assert done.stderr == ""


@needs_binding
def test_bindings_of_qtinter_are_the_bindings_modules() -> None:
    from qtloop import qtinter
    from qtloop.qtinter.bindings import QtCore, QtWidgets

    assert QtCore is qtinter.bindings.QtCore is qasync.QtCore
    assert QtWidgets is qasync.QtWidgets
    with pytest.raises(ImportError, match="QtNothing"):
        _ = qtinter.bindings.QtNothing
    with pytest.raises(AttributeError, match="'nothing'"):
        _ = qtinter.bindings.nothing


def test_bindings_of_qtinter_without_a_binding_say_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from qtloop.qtinter import bindings

    monkeypatch.setattr(_binding, "binding", None)
    with pytest.raises(AttributeError, match="pip install PySide6"):
        _ = bindings.QtCore


def test_other_names_of_qtinter_are_defined(app: Any) -> None:
    from qtloop import qtinter

    assert qtinter.QiBaseEventLoop is qtinter.QiSelectorEventLoop is qasync.QEventLoop
    assert qtinter.copy_signal_arguments((1, "two")) == (1, "two")
    for name in qtinter.__all__:
        assert hasattr(qtinter, name)


def test_task_that_may_not_nest_is_refused_inside_a_task(app: Any) -> None:
    from qtloop import qtinter

    async def work() -> int:
        return 7

    async def main() -> None:
        with pytest.raises(RuntimeError, match="cannot call run_task from a running task"):
            qtinter.run_task(work(), allow_task_nesting=False)
        tasks: list[asyncio.Task[int]] = []
        loop = asyncio.get_running_loop()
        loop.call_soon(lambda: tasks.append(qtinter.run_task(work(), allow_task_nesting=False)))
        await asyncio.sleep(0)
        assert await tasks[0] == 7

    qasync.run(main())
