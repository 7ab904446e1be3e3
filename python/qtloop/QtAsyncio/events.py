"""The names of PySide6.QtAsyncio.events: the loop, its policy and its handles."""

import asyncio
import sys

# An absolute import also works if a program registers this module as PySide6.QtAsyncio.events.
from qtloop import QEventLoop

QAsyncioEventLoop = QEventLoop
QAsyncioHandle = asyncio.Handle
QAsyncioTimerHandle = asyncio.TimerHandle

__all__ = ["QAsyncioEventLoop", "QAsyncioHandle", "QAsyncioTimerHandle"]

if sys.version_info < (3, 16):
    from qtloop._policy import QAsyncioEventLoopPolicy as QAsyncioEventLoopPolicy

    __all__ += ["QAsyncioEventLoopPolicy"]
