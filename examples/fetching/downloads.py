"""One download: fetch, hash and perhaps keep the bytes of one address. No Qt in here."""

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

from .words import sentence


class State(Enum):
    """Where a download is in its life."""

    READY = "ready"
    RUNNING = "running"
    ASKING = "asking"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


# A connection that broke: if some bytes came before, it is worth asking whether to go on.
BROKEN = (
    aiohttp.ClientConnectionError,
    aiohttp.ClientPayloadError,
    ConnectionError,
    asyncio.TimeoutError,
)


class Damaged(Exception):
    """Every byte came, yet they are not the bytes that the server has hashed."""


class Download:
    """One address, and what has become of it so far."""

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
        """Whether a task is at work on this download."""
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
        """Fetch it; if the connection breaks, `ask` whether to go on; `state` tells the end."""
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
        except Exception as error:  # whatever it is, the row tells it
            self.state, self.cause = State.FAILED, sentence(error)
        else:
            self.state = State.DONE

    async def _transfer(self, session: aiohttp.ClientSession) -> None:
        headers = {"Accept-Encoding": "identity"}  # count and hash the bytes of the file itself
        if self.received and self._etag:  # the same file still? then only what is missing
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
        if self._path:  # a disk may be slow: the loop, and with it the window, must not wait for it
            await asyncio.to_thread(_write, self._path, self.received, data)
        self._hash.update(data)  # a cancelled write is not counted: it is made again
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
    """Return the name of the file at an address, with a number if the name is taken."""
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
    """Return the SHA-256 out of a `Repr-Digest` header (RFC 9530), or nothing."""
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
    os.truncate(_part(path), size)  # an older, longer part may have been there
    _part(path).replace(path)
