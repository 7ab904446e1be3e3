"""How to start each loop, following its documentation; for `probes.py` and the benchmarks."""

from __future__ import annotations

import asyncio
import importlib
import os
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any, ClassVar


class Peer:
    """One loop: how to make it, run a coroutine as a program, and run a blocking call in Qt."""

    module: ClassVar[str]
    binding: ClassVar = "PySide6"

    def __init__(self) -> None:
        os.environ["QT_API"] = self.binding
        self.core = importlib.import_module(f"{self.binding}.QtCore")
        self.widgets = importlib.import_module(f"{self.binding}.QtWidgets")
        self.library = importlib.import_module(self.module)
        self.app = self.widgets.QApplication([])
        self.threads = len(os.listdir("/proc/self/task"))  # Qt has some, without any loop

    def new_loop(self) -> Any:
        return self.library.QEventLoop(self.app)

    def run(self, main: Coroutine[Any, Any, Any]) -> Any:
        return self.library.run(main)

    async def pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def create_urgent_task(self, main: Coroutine[Any, Any, Any]) -> Awaitable[Any]:
        """Makes a task of the highest priority, if the loop has priorities."""
        return asyncio.create_task(main)

    async def call_modal(self, function: Callable[[], Any]) -> Any:
        raise NotImplementedError("there is no such wrapper")


class Qasync(Peer):
    module = "qasync"

    async def call_modal(self, function: Callable[[], Any]) -> Any:
        return await self.library.asyncWrap(function)


class Qtloop(Qasync):
    module = "qtloop"  # it has taken over the names of qasync

    def create_urgent_task(self, main: Coroutine[Any, Any, Any]) -> Awaitable[Any]:
        loop: Any = asyncio.get_running_loop()
        task: asyncio.Task[Any] = loop.create_task(main, priority=self.library.Priority.HIGH)
        return task


class Quamash(Peer):
    module, binding = "quamash", "PyQt5"  # the newest binding that it supports

    def run(self, main: Coroutine[Any, Any, Any]) -> Any:
        loop = self.new_loop()
        asyncio.set_event_loop(loop)
        with loop:
            return loop.run_until_complete(main)


class Qtinter(Peer):
    module = "qtinter"

    def new_loop(self) -> Any:
        return self.library.new_event_loop()

    def run(self, main: Coroutine[Any, Any, Any]) -> Any:
        with self.library.using_qt_from_asyncio():
            return asyncio.run(main)

    async def call_modal(self, function: Callable[[], Any]) -> Any:
        return await self.library.modal(function)()


class QtAsyncio(Peer):
    module = "PySide6.QtAsyncio"

    def new_loop(self) -> Any:
        return self.library.QAsyncioEventLoop(self.app)

    def run(self, main: Coroutine[Any, Any, Any]) -> Any:
        return self.library.run(main, keep_running=False, handle_sigint=True)


class Asyncio(Peer):
    module = "asyncio"

    def new_loop(self) -> Any:
        return asyncio.new_event_loop()


PEERS: dict[str, type[Peer]] = {
    peer.module: peer for peer in (Qtloop, Quamash, Qasync, Qtinter, QtAsyncio, Asyncio)
}


# The benchmarks measure loops without Qt as well, in processes that never load Qt.


class Plain(Peer):
    """A loop without Qt."""

    def __init__(self) -> None:
        self.library = importlib.import_module(self.module)

    def new_loop(self) -> Any:
        return self.library.new_event_loop()

    def run(self, main: Coroutine[Any, Any, Any]) -> Any:
        loop = self.new_loop()
        asyncio.set_event_loop(loop)
        return loop.run_until_complete(main)


class PlainAsyncio(Plain):
    module = "asyncio"


class Uvloop(Plain):
    module = "uvloop"


class Rloop(Plain):
    module = "rloop"


class Asynkit(Plain):
    """asyncio's loop with a queue of priorities."""

    module = "asynkit.experimental.priority"

    def new_loop(self) -> Any:
        return self.library.DefaultPriorityEventLoop()

    def create_urgent_task(self, main: Coroutine[Any, Any, Any]) -> Awaitable[Any]:
        loop = asyncio.get_running_loop()
        task: asyncio.Task[Any] = self.library.PriorityTask(main, loop=loop, priority=-10)
        return task


class Trio(Plain):
    """No asyncio: only the workloads for it run."""

    module = "trio"

    def run(self, main: Coroutine[Any, Any, Any]) -> Any:
        async def start() -> Any:
            return await main

        return self.library.run(start)


class Pause:
    """An awaitable for a coroutine without a loop: it resumes after that many seconds."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __await__(self) -> Generator[float, None, None]:
        yield self.seconds


class Bare(Peer):
    """Qt's event loop only: a coroutine can pause, but cannot use asyncio."""

    module = "PySide6"

    def run(self, main: Coroutine[Any, Any, Any]) -> Any:
        def step() -> None:
            try:
                pause = main.send(None)
            except StopIteration:
                self.app.quit()
            else:
                self.core.QTimer.singleShot(round(pause * 1000), step)

        self.core.QTimer.singleShot(0, step)
        self.app.exec()

    async def pause(self, seconds: float) -> None:
        await Pause(seconds)


BARE = "Qt alone"
QT_LOOPS: dict[str, type[Peer]] = {
    "qtloop": Qtloop,
    "qasync": Qasync,
    "qtinter": Qtinter,
    "QtAsyncio": QtAsyncio,
}
PLAIN_LOOPS: dict[str, type[Peer]] = {
    "asyncio": PlainAsyncio,
    "uvloop": Uvloop,
    "rloop": Rloop,
}
SCHEDULERS: dict[str, type[Peer]] = {"asynkit": Asynkit, "trio": Trio}
BENCHED: dict[str, type[Peer]] = {
    "qtloop": Qtloop,
    **PLAIN_LOOPS,
    **QT_LOOPS,
    **SCHEDULERS,
    BARE: Bare,
}
