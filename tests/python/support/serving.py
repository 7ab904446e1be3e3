"""Ways in which Qt processes events without a run of the loop; they need a binding."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from qtloop._binding import binding

if binding is None:
    pytest.skip("a program without a binding cannot run Qt by itself", allow_module_level=True)

QtCore: Any = binding.QtCore
QtWidgets: Any = binding.module("QtWidgets")

Serve = Callable[[Callable[[], bool]], None]


def by_exec(until: Callable[[], bool]) -> None:
    """The program's own `app.exec()`."""
    app = QtCore.QCoreApplication.instance()
    timer = QtCore.QTimer()
    timer.timeout.connect(lambda: until() and app.exit(0))
    timer.start(1)
    app.exec()


def by_process_events(until: Callable[[], bool]) -> None:
    while not until():
        QtCore.QCoreApplication.processEvents(QtCore.QEventLoop.ProcessEventsFlag.WaitForMoreEvents)


def by_dialog(until: Callable[[], bool]) -> None:
    dialog = QtWidgets.QDialog()
    timer = QtCore.QTimer()
    timer.timeout.connect(lambda: until() and dialog.accept())
    timer.start(1)
    dialog.exec()


def by_event_loop(until: Callable[[], bool]) -> None:
    qt = QtCore.QEventLoop()
    timer = QtCore.QTimer()
    timer.timeout.connect(lambda: until() and qt.quit())
    timer.start(1)
    qt.exec()


each_way = pytest.mark.parametrize("serve", [by_exec, by_process_events, by_dialog, by_event_loop])


@pytest.fixture
def limit(app: Any) -> Iterator[None]:
    """Fails a test that hangs in Qt: an exception in a timer would not end it."""
    timer = threading.Timer(20, lambda: app.exit(-1))
    timer.start()
    yield
    timer.cancel()
