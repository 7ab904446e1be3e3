"""One event loop for Qt and async code: a complete asyncio loop inside Qt's own.

    import sys
    from PySide6.QtWidgets import QApplication
    import qtloop

    app = QApplication(sys.argv)
    qtloop.run(main())

`QEventLoop` is the loop. `run()` and `attach()` are short ways in; `asyncSlot`, `asyncClose` and
`asyncWrap` join coroutines and slots; `QThreadExecutor` runs blocking code in threads. The modules
`qtloop.QtAsyncio` and `qtloop.qtinter` have the names of those libraries.
"""

import sys as _sys
from typing import Any as _Any

from . import _binding

_binding.preload(_binding.binding)
with _binding.explain_missing_qt():
    from . import _native as _native
    from . import _ported
    from ._executor import QThreadExecutor
    from ._loop import QEventLoop, new_event_loop
    from ._run import attach, run
    from ._slots import asyncClose, asyncSlot, asyncWrap

__version__ = _native.__version__

__all__ = [
    "QEventLoop",
    "QThreadExecutor",
    "asyncClose",
    "asyncSlot",
    "asyncWrap",
    "attach",
    "new_event_loop",
    "run",
]

if _sys.version_info < (3, 16):
    from ._policy import QEventLoopPolicy

    DefaultQEventLoopPolicy = QEventLoopPolicy
    __all__ += ["DefaultQEventLoopPolicy", "QEventLoopPolicy"]

# Names that programs written for qasync and quamash import from there.
QSelectorEventLoop = QEventLoop


def __getattr__(name: str) -> _Any:
    return _ported.find(name)
