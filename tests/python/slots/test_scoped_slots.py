"""Slots whose tasks end with their object: `scoped=True`."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from typing import Any

import pytest
from support.slots import QObject, QtCore, Sender, destroy, run

import qtloop
from qtloop import asyncSlot
from qtloop._binding import is_pyqt


class Window(QObject):  # type: ignore[misc]
    """A window with a scoped slot, a slot that is not scoped, and a scoped queued slot."""

    def __init__(self, log: list[str], parent: Any = None) -> None:
        super().__init__(parent)
        self.log = log

    async def work(self, text: str, seconds: float = 0.005) -> None:
        try:
            await asyncio.sleep(seconds)
            self.log.append(f"{text} ends")
        except asyncio.CancelledError:
            self.log.append(f"{text} is cancelled")
            raise

    @asyncSlot(str, scoped=True)
    async def scoped(self, text: str) -> None:
        await self.work(text)

    @asyncSlot(str)
    async def free(self, text: str) -> None:
        await self.work(text)

    @asyncSlot(str, scoped=True, when_busy="queue")
    async def queued(self, text: str) -> None:
        await self.work(text)

    @asyncSlot(scoped=True)
    async def destroys_itself(self) -> None:
        destroy(self)
        await self.work("destroys_itself")

    @asyncSlot(scoped=True)
    async def is_done_at_once(self) -> None:
        self.log.append("is done")


@pytest.mark.parametrize("way", ["itself", "its parent"])
def test_scoped_task_is_cancelled_when_its_object_is_destroyed(
    loop: qtloop.QEventLoop, reports: list[Any], way: str
) -> None:
    log: list[str] = []

    async def main() -> None:
        parent = QObject()
        window = Window(log, parent)
        tasks = [window.scoped("scoped"), window.free("free")]
        destroy(window if way == "itself" else parent)
        await asyncio.wait(tasks)
        assert [task.cancelled() for task in tasks] == [True, False]

    run(loop, main())
    assert log == ["scoped is cancelled", "free ends"]


def test_scoped_task_of_a_living_object_completes_and_leaves_no_reference(
    loop: qtloop.QEventLoop,
) -> None:
    log: list[str] = []

    async def main() -> None:
        sender, window = Sender(), Window(log)
        sender.edited.connect(window.scoped)
        sender.edited.emit("a")
        window.is_done_at_once()
        await window.scoped("b")
        gone = weakref.ref(window)
        del window
        gc.collect()
        assert gone() is None

    run(loop, main())
    assert log == ["is done", "a ends", "b ends"]


def test_queued_tasks_are_cancelled_with_their_object_too(loop: qtloop.QEventLoop) -> None:
    log: list[str] = []

    async def main() -> None:
        window = Window(log)
        tasks = [window.queued(text) for text in "abc"]
        destroy(window)
        await asyncio.wait(tasks)
        assert all(task.cancelled() for task in tasks)

    run(loop, main())
    assert log == ["a is cancelled"]


def test_scoped_slot_that_destroys_its_own_object_is_cancelled_at_its_next_wait(
    loop: qtloop.QEventLoop,
) -> None:
    log: list[str] = []

    async def main() -> None:
        await asyncio.wait([Window(log).destroys_itself()])

    run(loop, main())
    assert log == ["destroys_itself is cancelled"]


def test_object_that_is_destroyed_after_the_loop_was_closed_cancels_nothing(
    app: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    loop, log = qtloop.QEventLoop(app), list[str]()
    window = Window(log)

    async def main() -> None:
        window.scoped("left")._log_destroy_pending = False  # type: ignore[attr-defined]

    run(loop, main())
    loop.close()
    destroy(window)
    assert (log, capfd.readouterr().err) == ([], "")


@pytest.mark.skipif(
    is_pyqt(),
    reason="PyQt loses a `destroyed` that another thread emits, or crashes in it",
)
def test_object_that_another_thread_destroys_cancels_on_the_loops_thread(
    loop: qtloop.QEventLoop,
) -> None:
    log: list[str] = []
    threads: list[threading.Thread] = []

    class Noting(Window):
        @asyncSlot(scoped=True)
        async def note_thread(self) -> None:
            try:
                await asyncio.sleep(20)
            finally:
                threads.append(threading.current_thread())

    async def main() -> None:
        window, thread = Noting(log), QtCore.QThread()
        task = window.note_thread()
        window.moveToThread(thread)
        thread.start()
        queued = QtCore.Qt.ConnectionType.QueuedConnection
        QtCore.QMetaObject.invokeMethod(window, "deleteLater", queued)
        await asyncio.wait([task])
        assert task.cancelled()
        thread.quit()
        await asyncio.to_thread(thread.wait)

    run(loop, main())
    assert threads == [threading.current_thread()]


def test_scoped_function_and_scoped_method_of_a_plain_object_are_refused(
    loop: qtloop.QEventLoop,
) -> None:
    @asyncSlot(scoped=True)
    async def function() -> None: ...

    class Plain:
        @asyncSlot(scoped=True)
        async def method(self) -> None: ...

    async def main() -> None:
        for slot in (function, Plain().method):
            with pytest.raises(TypeError, match=r"scoped=True\) takes a method of a QObject"):
                slot()

    run(loop, main())
