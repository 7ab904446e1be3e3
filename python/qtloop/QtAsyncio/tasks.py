"""The name of PySide6.QtAsyncio.tasks: asyncio's task."""

import asyncio

QAsyncioTask = asyncio.Task

__all__ = ["QAsyncioTask"]
