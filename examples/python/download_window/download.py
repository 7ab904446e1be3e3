"""One download: fetches and hashes a file, and perhaps saves it. This module does not use Qt."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import os
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from enum import Enum
from pathlib import Path, PurePath

import aiohttp
from yarl import URL

from .text import sentence


class State(Enum):
    """The state of a download."""

    READY = "ready"
    RUNNING = "running"
    ASKING = "asking"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


# Errors of a broken connection: if some bytes have arrived, the user is asked whether to resume.
BROKEN = (
    aiohttp.ClientConnectionError,
    aiohttp.ClientPayloadError,
    ConnectionError,
    asyncio.TimeoutError,
)


class Damaged(Exception):
    """All bytes have arrived, but their checksum differs from the server's."""


class Download:
    """The download of one address: its state and progress."""

    def __init__(self, url: str, name: str = "", folder: Path | None = None) -> None:
        self.url = url
        self.name = name or file_name(url)
        self.state = State.READY
        self.cause = ""
        self.size: int | None = None
        self.received = 0
        self.seconds = 0.0
        self.sha256 = ""
        self.verified = False
        self._hash = hashlib.sha256()
        self._etag = ""
        self._expected = b""
        self._recent: deque[tuple[float, int]] = deque(maxlen=500)
        self._path = folder / self.name if folder else None

    @property
    def active(self) -> bool:
        """Whether a task is running for this download."""
        return self.state in (State.RUNNING, State.ASKING)

    @property
    def speed(self) -> float:
        """Bytes per second over the last two seconds."""
        now = time.monotonic()
        while self._recent and self._recent[0][0] < now - 2:
            self._recent.popleft()
        if self.state is not State.RUNNING or len(self._recent) < 2:
            return 0.0
        then, received = self._recent[0]
        return (self.received - received) / (now - then)

    async def run(
        self, session: aiohttp.ClientSession, ask: Callable[[Download], Awaitable[bool]]
    ) -> None:
        """Fetches the file, and sets `state` at the end. If the connection breaks, awaits `ask`."""
        self.state, self.cause = State.RUNNING, ""
        try:
            try:
                await self._transfer(session)
            except BROKEN as error:
                if not self.received:
                    raise
                self.state, self.cause = State.ASKING, sentence(error)
                if not await ask(self):
                    raise
                self.state, self.cause = State.RUNNING, ""
                await self._transfer(session)
            await self._finish()
        except asyncio.CancelledError:
            self.state = State.CANCELLED
            raise
        except Exception as error:  # the row shows any error
            self.state, self.cause = State.FAILED, sentence(error)
        else:
            self.state = State.DONE

    async def _transfer(self, session: aiohttp.ClientSession) -> None:
        headers = {"Accept-Encoding": "identity"}  # count and hash the bytes of the file itself
        if self.received and self._etag:  # request only the missing bytes, if the file is the same
            headers |= {"Range": f"bytes={self.received}-", "If-Range": self._etag}
        began = time.monotonic()
        self._recent.clear()
        try:
            async with session.get(self.url, headers=headers) as response:
                response.raise_for_status()
                if response.status != 206:
                    self.received = 0
                    self._hash = hashlib.sha256()
                if response.content_length is not None:
                    self.size = self.received + response.content_length
                self._etag = response.headers.get("ETag", "")
                self._expected = _digest(response.headers.get("Repr-Digest", ""))
                async for data in response.content.iter_any():
                    await self._take(data)
        finally:
            self.seconds += time.monotonic() - began

    async def _take(self, data: bytes) -> None:
        if self._path:  # in a thread: a slow disk must not block the loop and the window
            await asyncio.to_thread(_write, self._path, self.received, data)
        self._hash.update(data)  # only after the write: a cancelled write is repeated
        self.received += len(data)
        self._recent.append((time.monotonic(), self.received))

    async def _finish(self) -> None:
        self.size = self.received
        self.sha256 = self._hash.hexdigest()
        if self._expected and self._expected != self._hash.digest():
            self.received, self._etag = 0, ""
            raise Damaged("The bytes that came are not those the server sent: checksums differ")
        self.verified = bool(self._expected)
        if self._path:
            await asyncio.to_thread(_complete, self._path, self.size)


def file_name(url: str, taken: Iterable[str] = ()) -> str:
    """Returns the name of the file at an address, with a number if the name is taken."""
    try:
        parsed = URL(url)
        name = parsed.name.replace("/", "_").lstrip(".") or parsed.host or url
    except ValueError:
        name = url
    path, number = PurePath(name), 1
    while name in taken:
        number += 1
        name = f"{path.stem}-{number}{path.suffix}"
    return name


def _digest(header: str) -> bytes:
    """Returns the SHA-256 from a `Repr-Digest` header (RFC 9530), or empty bytes."""
    for item in header.split(","):
        name, _, value = item.strip().partition("=")
        if name == "sha-256":
            try:
                return base64.b64decode(value.strip(":"))
            except binascii.Error:
                return b""
    return b""


def _part(path: Path) -> Path:
    return path.with_name(path.name + ".part")


def _write(path: Path, offset: int, data: bytes) -> None:
    part = os.open(_part(path), os.O_WRONLY | os.O_CREAT, 0o666)
    try:
        os.pwrite(part, data, offset)
    finally:
        os.close(part)


def _complete(path: Path, size: int) -> None:
    os.truncate(_part(path), size)  # an older part may be longer
    _part(path).replace(path)
