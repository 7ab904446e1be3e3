"""A small file server on loopback: generated files, a speed limit, and two kinds of failures."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import random
from dataclasses import dataclass
from enum import Enum

from aiohttp import web

BLOCK = 16 * 1024


class Failure(Enum):
    """The failure of the first request for a file; the second request succeeds."""

    NONE = "nothing"
    BUSY = "the server answers 503"
    DROPS = "the connection breaks in the middle"


@dataclass(frozen=True)
class File:
    """A file whose bytes are generated while it is sent, with its name as the seed."""

    name: str
    size: int
    rate: float
    failure: Failure = Failure.NONE

    def read(self, start: int) -> bytes:
        """Returns the bytes from `start` to the end of their block."""
        number, skip = divmod(start, BLOCK)
        block = random.Random(f"{self.name} {number}").randbytes(BLOCK)
        return block[skip : self.size - number * BLOCK]

    def digest(self) -> bytes:
        """Returns the SHA-256 of the whole file."""
        sha256 = hashlib.sha256()
        for start in range(0, self.size, BLOCK):
            sha256.update(self.read(start))
        return sha256.digest()


# name, share of the largest size, share of the highest rate, failure
CATALOGUE = [
    ("linux-image.iso", 0.92, 0.95, Failure.NONE),
    ("aurora-timelapse.mp4", 1.00, 1.00, Failure.DROPS),
    ("moon-panorama.tiff", 0.50, 0.85, Failure.BUSY),
    ("birdsong-at-dawn.flac", 0.48, 0.65, Failure.NONE),
    ("weather-station.csv", 0.22, 0.35, Failure.NONE),
    ("city-map.pbf", 0.66, 0.60, Failure.NONE),
    ("field-notes.pdf", 0.08, 0.25, Failure.NONE),
]


def catalogue(count: int, size: int, rate: float) -> list[File]:
    """Returns `count` files of at most `size` bytes, sent at up to `rate` bytes a second."""
    files = []
    for number in range(count):
        again, place = divmod(number, len(CATALOGUE))
        name, part, pace, failure = CATALOGUE[place]
        if again:
            stem, _, suffix = name.rpartition(".")
            name, failure = f"{stem}-{again + 1}.{suffix}", Failure.NONE
        files.append(File(name, max(1, int(size * part)), rate * pace, failure))
    return files


class Server:
    """Serves the files to `http://127.0.0.1:<a free port>/`, on the loop it was started in."""

    def __init__(self, files: list[File]) -> None:
        self._files = {file.name: file for file in files}
        self._digests: dict[str, bytes] = {}
        self._asked: set[str] = set()
        self._url = ""

    async def __aenter__(self) -> Server:
        for file in self._files.values():  # in a thread: hashing megabytes takes long
            self._digests[file.name] = await asyncio.to_thread(file.digest)
        app = web.Application()
        app.router.add_get("/{name}", self._send)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self._url = f"http://{host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    @property
    def urls(self) -> list[str]:
        """The addresses of the files, in their order."""
        return [f"{self._url}/{name}" for name in self._files]

    async def _send(self, request: web.Request) -> web.StreamResponse:
        file = self._files.get(request.match_info["name"])
        if file is None:
            raise web.HTTPNotFound
        failure = Failure.NONE if file.name in self._asked else file.failure
        self._asked.add(file.name)
        if failure is Failure.BUSY:
            raise web.HTTPServiceUnavailable

        digest = self._digests[file.name]
        etag = f'"{digest.hex()}"'
        start = 0
        if request.headers.get("If-Range") == etag:
            start = request.http_range.start or 0
        response = web.StreamResponse(status=206 if start else 200)
        response.content_length = file.size - start
        response.headers["ETag"] = etag
        response.headers["Repr-Digest"] = f"sha-256=:{base64.b64encode(digest).decode()}:"
        if start:
            response.headers["Content-Range"] = f"bytes {start}-{file.size - 1}/{file.size}"
        await response.prepare(request)

        end = file.size * 3 // 5 if failure is Failure.DROPS else file.size
        loop = asyncio.get_running_loop()
        due, at = loop.time(), start
        while at < end:
            data = file.read(at)
            await response.write(data)
            at += len(data)
            due += len(data) / file.rate
            await asyncio.sleep(due - loop.time())
        if end < file.size and request.transport is not None:
            request.transport.abort()
        return response
