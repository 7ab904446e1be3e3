"""Event loop policies, for Python before 3.16."""

from __future__ import annotations

import asyncio
import sys
import warnings
from typing import Any

from ._loop import QEventLoop

if sys.version_info < (3, 16):
    with warnings.catch_warnings():
        # Importing the base class warns here; the user's `set_event_loop_policy()` still warns.
        warnings.simplefilter("ignore", DeprecationWarning)
        from asyncio import DefaultEventLoopPolicy as _Base

    class QEventLoopPolicy(_Base):
        """Makes every new loop a `QEventLoop`.

        Policies are deprecated since Python 3.14 and removed in 3.16: prefer `asyncio.run(main(),
        loop_factory=QEventLoop)` or `qtloop.run(main())`.
        Source: https://docs.python.org/3/library/asyncio-policy.html
        """

        _loop_factory: Any = QEventLoop

        def new_event_loop(self) -> asyncio.AbstractEventLoop:
            """Returns a new `QEventLoop`."""
            return QEventLoop()

    class QAsyncioEventLoopPolicy(QEventLoopPolicy):
        """`QEventLoopPolicy` by its name in `PySide6.QtAsyncio`. The arguments have no effect."""

        def __init__(self, quit_qapp: bool = True, handle_sigint: bool = False) -> None:
            super().__init__()
