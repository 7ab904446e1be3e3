"""One event loop for Qt and async code: a complete asyncio event loop that runs inside Qt's.

    import sys
    from PySide6.QtWidgets import QApplication
    import qtloop

    app = QApplication(sys.argv)
    qtloop.run(main())

`QEventLoop` is the loop; `run()` and `attach()` make and run one. `asyncSlot`, `asyncClose` and
`asyncWrap` join coroutines and slots; `once()` and `stream()` await signals, `exec_dialog()` awaits
a dialog, `sleep_until()` a time of the wall clock; `spawn()` binds a task to an object;
`block_on()` waits in a plain function; `throttle()` and `debounce()` make slots run less often;
`yield_if_needed()` splits a computation; `Priority` names the priorities of tasks, which
`get_priority()` and `set_priority()` read and change; `VirtualClock` makes time jump, for tests and
simulations; `qmlSlot` returns a promise to QML; `QThreadExecutor` runs blocking code in threads;
`inspector.show()` opens a window that shows what a loop does.
The modules `qtloop.QtAsyncio` and `qtloop.qtinter` have the names of those libraries.
"""

import sys as _sys
from typing import Any as _Any

# First `_binding`: it loads Qt, which the others use.
from . import _binding as _binding
from . import _native, _qasync_names, inspector
from ._async_close import asyncClose
from ._async_slot import asyncSlot
from ._async_wrap import asyncWrap
from ._block_on import block_on
from ._dialog import exec_dialog
from ._executor import QThreadExecutor
from ._loop import QEventLoop, new_event_loop
from ._native import VirtualClock, get_priority, set_priority, yield_if_needed
from ._pace import debounce, throttle
from ._priority import Priority
from ._qml import qmlSlot
from ._recording import PlaceTimes, Quantiles, Recording
from ._run import attach, run
from ._signal_connection import SenderDestroyed
from ._signals import SignalStream, once, stream
from ._spawn import spawn
from ._stats import Stats
from ._wall_clock import sleep_until
from ._watchdog import Stall

__version__ = _native.__version__

__all__ = [
    "PlaceTimes",
    "Priority",
    "QEventLoop",
    "QThreadExecutor",
    "Quantiles",
    "Recording",
    "SenderDestroyed",
    "SignalStream",
    "Stall",
    "Stats",
    "VirtualClock",
    "asyncClose",
    "asyncSlot",
    "asyncWrap",
    "attach",
    "block_on",
    "debounce",
    "exec_dialog",
    "get_priority",
    "inspector",
    "new_event_loop",
    "once",
    "qmlSlot",
    "run",
    "set_priority",
    "sleep_until",
    "spawn",
    "stream",
    "throttle",
    "yield_if_needed",
]

if _sys.version_info < (3, 16):
    from ._policy import QEventLoopPolicy

    DefaultQEventLoopPolicy = QEventLoopPolicy
    __all__ += ["DefaultQEventLoopPolicy", "QEventLoopPolicy"]

# The name of the loop in qasync and quamash, for ported programs.
QSelectorEventLoop = QEventLoop


def __getattr__(name: str) -> _Any:
    return _qasync_names.find(name)
