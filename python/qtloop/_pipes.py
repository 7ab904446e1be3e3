"""The transports of pipes, one for each direction; character devices count as pipes."""

from __future__ import annotations

import asyncio
import errno
import os
import stat
from asyncio.log import logger
from typing import TYPE_CHECKING, Any

from . import _native
from ._asyncio_private import FlowControlMixin
from ._base import BaseLoop
from ._transport_base import SLOTS, ReadTransport, WriteTransport


class ReadPipeTransport(ReadTransport):
    """The read end of a pipe, or a socket or character device that is read."""

    __slots__ = SLOTS

    if TYPE_CHECKING:
        _io: _native.Stream

    def __init__(
        self,
        loop: BaseLoop,
        pipe: Any,
        protocol: asyncio.BaseProtocol,
        waiter: asyncio.Future[None] | None = None,
        extra: dict[str, Any] | None = None,
    ) -> None:
        _check_pipe(pipe, "Pipe transport is for pipes/sockets only.")
        io = _native.Stream(loop, pipe.fileno(), "read_pipe")
        super().__init__(loop, pipe, io, protocol, {**(extra or {}), "pipe": pipe})
        self._start(waiter)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Replaces the protocol. As in asyncio, pipes do not support BufferedProtocol."""
        self._protocol = protocol
        self._io.set_protocol(protocol, False)

    def _on_eof(self) -> None:
        if self._loop.get_debug():
            logger.info("%r was closed by peer", self)
        # Stop reading first. The next line raises if the protocol has no `eof_received()`; the end
        # of file would then be read again and again.
        self._io.mark_lost(self)
        self._loop.call_soon(self._protocol.eof_received)
        self._loop.call_soon(self._call_connection_lost, None)

    def _is_connection_error(self, error: BaseException) -> bool:
        # A read from a pseudo-terminal fails with EIO when the other side is closed.
        return isinstance(error, OSError) and error.errno == errno.EIO

    def _directions(self) -> list[str]:
        return ["polling" if self._io.is_watched() else "idle"]


class WritePipeTransport(WriteTransport, FlowControlMixin):
    """The write end of a pipe, or a socket or character device that is written."""

    __slots__ = SLOTS

    if TYPE_CHECKING:
        _io: _native.Stream

    def __init__(
        self,
        loop: BaseLoop,
        pipe: Any,
        protocol: asyncio.BaseProtocol,
        waiter: asyncio.Future[None] | None = None,
        extra: dict[str, Any] | None = None,
    ) -> None:
        mode = _check_pipe(pipe, "Pipe transport is only for pipes, sockets and character devices")
        io = _native.Stream(loop, pipe.fileno(), "write_pipe")
        super().__init__(loop, pipe, io, protocol, {**(extra or {}), "pipe": pipe})
        # A write pipe becomes readable when its reader closes it. A character device, such as a
        # terminal, also becomes readable on input, so it is not watched.
        self._start(waiter, reads=not stat.S_ISCHR(mode))

    def can_write_eof(self) -> bool:
        """Returns True."""
        return True

    def write_eof(self) -> None:
        """Closes the pipe when all data is written: for a pipe that is the end of file."""
        self._io.close(self, keep_reading=True)

    def close(self) -> None:
        """Closes the pipe when all data is written."""
        self.write_eof()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Writes the bytes now, or queues those for which the system has no room. Never blocks."""
        self._io.write(self, data)

    def _on_eof(self) -> None:
        """Called when the reader has closed the pipe."""
        if self._loop.get_debug():
            logger.info("%r was closed by peer", self)
        self._force_close(BrokenPipeError() if self._io.buffered() else None)

    def _directions(self) -> list[str]:
        waiting = self._io.buffered()
        return ["polling" if waiting else "idle", f"bufsize={waiting}"]


def _check_pipe(pipe: Any, message: str) -> int:
    """Raises ValueError for a regular file, which epoll cannot watch. Returns the file mode."""
    mode = os.fstat(pipe.fileno()).st_mode
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or stat.S_ISCHR(mode)):
        raise ValueError(message)
    os.set_blocking(pipe.fileno(), False)
    return mode
