"""Tasks that the loop keeps alive and that end with a QObject: `spawn()`."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import gc
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
from conftest import Child, needs_binding

import qtloop
from qtloop._binding import binding, support

QtCore: Any = binding and binding.QtCore
log: list[str] = []


async def work(name: str = "work") -> None:
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        log.append(f"{name} cancelled")
        raise


@pytest.fixture(autouse=True)
def empty_log() -> None:
    log.clear()


def test_spawned_task_is_kept_alive_by_the_loop(app: Any) -> None:
    async def wait() -> None:
        # Only their own reference cycle refers to this future and the task.
        asyncio.get_running_loop().call_later(0.005, gc.collect)
        await asyncio.sleep(0.01)
        log.append("done")

    async def main() -> None:
        assert isinstance(qtloop.spawn(wait(), name="waits"), asyncio.Task)
        await asyncio.sleep(0.02)

    qtloop.run(main())
    assert log == ["done"]


def test_spawn_passes_name_and_context(app: Any) -> None:
    async def main() -> None:
        assert qtloop.spawn(asyncio.sleep(0), name="named").get_name() == "named"
        if sys.version_info >= (3, 11):
            variable = contextvars.ContextVar("variable", default=0)
            context = contextvars.copy_context()
            context.run(variable.set, 5)

            async def read() -> int:
                return variable.get()

            assert await qtloop.spawn(read(), context=context) == 5

    qtloop.run(main())


def test_error_of_a_spawned_task_is_passed_to_the_exception_handler(
    loop: qtloop.QEventLoop, reports: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    # On Python 3.10 the package exceptiongroup has set one.
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)

    async def fail() -> None:
        raise ValueError("as expected")

    async def main() -> None:
        qtloop.spawn(fail())
        await asyncio.sleep(0.001)

    loop.run_until_complete(main())
    assert [str(report["exception"]) for report in reports] == ["as expected"]
    reports.clear()


def test_task_spawned_before_the_run_starts_in_the_run(loop: qtloop.QEventLoop) -> None:
    async def note() -> None:
        log.append("started")

    asyncio.set_event_loop(loop)
    try:
        task = qtloop.spawn(note())
        assert log == []
        loop.run_until_complete(task)
    finally:
        asyncio.set_event_loop(None)
    assert log == ["started"]


def test_spawn_without_a_loop_raises_an_error_and_closes_the_coroutine(app: Any) -> None:
    asyncio.set_event_loop(None)
    with pytest.raises(RuntimeError, match=r"qtloop\.run"):
        qtloop.spawn(work())


@needs_binding
def test_thread_loop_lookup_does_not_make_a_loop(child: Child) -> None:
    """asyncio.get_event_loop() of Python 3.10 and 3.11 makes a loop that is never closed."""
    program = """
        import contextlib, gc, warnings
        warnings.simplefilter("always")
        app = QtCore.QCoreApplication([])
        async def work():
            app.quit()
        with contextlib.closing(QEventLoop(app)):
            qtloop.spawn(work())
            app.exec()
        asyncio.set_event_loop(None)
        gc.collect()
    """
    done = child(program)
    assert (done.stdout, done.stderr) == ("", "")


@pytest.mark.parametrize("function", [work, functools.partial(work, "other")])
@pytest.mark.parametrize("call", [qtloop.spawn, qtloop.block_on])
def test_coroutine_function_in_place_of_a_coroutine_is_refused(
    app: Any, call: Callable[[Any], object], function: object
) -> None:
    with pytest.raises(TypeError, match=r"did you mean work\(\)\?"):
        call(function)


def test_spawn_refuses_a_parent_that_is_no_qobject(app: Any) -> None:
    async def main() -> None:
        with pytest.raises(TypeError, match="parent must be a QObject"):
            qtloop.spawn(work(), parent=object())

    qtloop.run(main())


@needs_binding
@pytest.mark.parametrize("by", ["deleteLater", "del", "grandparent"])
def test_task_is_cancelled_when_its_parent_is_destroyed(app: Any, by: str) -> None:
    async def main() -> None:
        grandparent = QtCore.QObject()
        parent = QtCore.QObject(grandparent if by == "grandparent" else None)
        task = qtloop.spawn(work(), parent=parent)
        other = qtloop.spawn(work("other"))
        await asyncio.sleep(0.001)
        if by == "deleteLater":
            parent.deleteLater()
        del parent, grandparent
        await asyncio.wait([task], timeout=10)
        assert task.cancelled() and not other.done()

    qtloop.run(main())
    assert log == ["work cancelled", "other cancelled"]


@needs_binding
def test_task_never_runs_a_step_after_its_parent_was_destroyed(app: Any) -> None:
    async def main() -> None:
        parent = QtCore.QObject()
        event = asyncio.Event()

        async def wait() -> None:
            await event.wait()
            log.append("ran on")

        task = qtloop.spawn(wait(), parent=parent)
        await asyncio.sleep(0.001)
        event.set()
        support().delete(parent)
        await asyncio.wait([task], timeout=10)
        assert task.cancelled()

    qtloop.run(main())
    assert log == []


@needs_binding
def test_tasks_of_one_parent_share_one_connection(app: Any) -> None:
    async def main() -> None:
        parent = QtCore.QObject()
        for _ in range(10):
            await qtloop.spawn(asyncio.sleep(0), parent=parent)
        receivers = parent.receivers(
            QtCore.SIGNAL("destroyed(QObject*)") if hasattr(QtCore, "SIGNAL") else parent.destroyed
        )
        assert receivers <= 2  # PyQt's proxy has a connection of its own

    qtloop.run(main())


@needs_binding
def test_task_outlives_the_wrapper_of_an_object_that_qt_owns(app: Any) -> None:
    async def main() -> None:
        owner = QtCore.QObject()
        task = qtloop.spawn(work(), parent=QtCore.QObject(owner))
        gc.collect()
        await asyncio.sleep(0.001)
        assert not task.done()
        del owner
        await asyncio.wait([task], timeout=10)
        assert task.cancelled()

    qtloop.run(main())


@needs_binding
def test_parent_of_another_thread_cancels_the_task_on_the_loops_thread(app: Any) -> None:
    threads: list[int] = []

    async def wait() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            threads.append(threading.get_ident())

    async def main() -> None:
        thread, parent = QtCore.QThread(), QtCore.QObject()
        parent.moveToThread(thread)
        thread.start()
        task = qtloop.spawn(wait(), parent=parent)
        await asyncio.sleep(0.001)
        parent.deleteLater()
        del parent
        await asyncio.wait([task], timeout=10)
        thread.quit()
        thread.wait()
        assert task.cancelled()

    qtloop.run(main())
    assert threads == [threading.get_ident()]


@needs_binding
def test_parent_can_own_tasks_of_a_second_loop(app: Any) -> None:
    parent = QtCore.QObject()

    async def first() -> None:
        await qtloop.spawn(asyncio.sleep(0), parent=parent)

    async def second() -> None:
        nonlocal parent
        task = qtloop.spawn(work(), parent=parent)
        await asyncio.sleep(0.001)
        parent.deleteLater()
        parent = None
        await asyncio.wait([task], timeout=10)
        assert task.cancelled()

    qtloop.run(first())
    qtloop.run(second())


@needs_binding
@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks are new in 3.12")
def test_task_whose_first_step_destroys_the_parent_is_cancelled(app: Any) -> None:
    async def close(parents: list[Any]) -> None:
        parents.pop().deleteLater()
        kind = QtCore.QEvent.Type.DeferredDelete
        QtCore.QCoreApplication.sendPostedEvents(None, getattr(kind, "value", kind))
        await asyncio.sleep(60)

    async def main() -> None:
        parents = [QtCore.QObject()]
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        task = qtloop.spawn(close(parents), parent=parents[0])
        await asyncio.wait([task], timeout=10)
        assert task.cancelled()

    qtloop.run(main())


@needs_binding
def test_spawn_with_a_destroyed_parent_is_an_error(app: Any) -> None:
    async def main() -> None:
        parent = QtCore.QObject()
        task = qtloop.spawn(work(), parent=parent)
        parent.deleteLater()
        await asyncio.wait([task], timeout=10)
        await asyncio.sleep(0.001)
        with pytest.raises(RuntimeError, match=r"deleted|destroyed"):
            qtloop.spawn(work(), parent=parent)

    qtloop.run(main())


@needs_binding
def test_window_that_is_closed_ends_its_tasks_without_a_report(child: Child) -> None:
    program = """
        app = QtWidgets.QApplication([])
        app.setQuitOnLastWindowClosed(False)
        class Window(QtWidgets.QLabel):
            def __init__(self):
                super().__init__()
                self.setAttribute(QtCore.Qt.WidgetAttribute.WA_DeleteOnClose)
                qtloop.spawn(self.count(), parent=self)
            async def count(self):
                for number in range(1000):
                    self.setText(str(number))
                    await asyncio.sleep(0.001)
        async def main():
            window = Window()
            window.show()
            await asyncio.sleep(0.02)
            window.close()
            del window
            await asyncio.sleep(0.05)
            assert len(asyncio.all_tasks()) == 1
        qtloop.run(main())
        print("ended")
    """
    done = child(program)
    assert (done.stdout, done.stderr) == ("ended\n", "")
