"""The name of PySide6.QtAsyncio.futures: asyncio's future."""

import asyncio

QAsyncioFuture = asyncio.Future

__all__ = ["QAsyncioFuture"]
