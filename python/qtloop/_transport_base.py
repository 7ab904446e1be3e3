"""The base classes of all transports: protocol, descriptor, flow control and close.

Code that runs once per packet is native: the transport's `_io`. Method names and the order of
events are asyncio's, because its `Server`, `start_tls` and `sendfile` call some of these methods.
"""

from __future__ import annotations

import asyncio
import sys
import warnings
from asyncio import protocols
from asyncio.log import logger
from contextvars import Context
from typing import TYPE_CHECKING, Any

from . import _native
from ._asyncio_private import detach_from_server, set_result_unless_cancelled
from ._base import BaseLoop
from ._tls import TLSProtocol

# The slots of a transport; its `__dict__` is made only when it is used. Only the final classes have
# these slots: a class cannot have two bases with slots.
SLOTS = (
    "_loop",
    "_protocol",
    "_server",
    "_sock",
    "_sock_fd",
    "_io",
)


class BaseTransport(asyncio.BaseTransport):
    """The base class of all transports: protocol, descriptor and close."""

    if TYPE_CHECKING:
        _extra: dict[str, Any]
        _loop: BaseLoop
        _protocol: Any
        _server: Any
        _sock: Any  # the socket or file; None once it is closed
        _sock_fd: int
        _io: _native.Stream | _native.Datagrams

    def __init__(
        self,
        loop: BaseLoop,
        sock: Any,
        io: _native.Stream | _native.Datagrams,
        protocol: asyncio.BaseProtocol,
        extra: dict[str, Any],
        server: Any = None,
    ) -> None:
        self._extra = extra
        self._loop = loop
        self._sock = sock
        self._sock_fd = sock.fileno()
        self._server = server
        self._io = io
        self.set_protocol(protocol)

    def _start(
        self,
        waiter: asyncio.Future[None] | None,
        reads: bool = True,
        context: Context | None = None,
    ) -> None:
        """Queues `connection_made()`, then the start of reading, then the waiter's wake-up."""
        loop = self._loop
        loop._transports[self._sock_fd] = self
        loop.call_soon(self._protocol.connection_made, self, context=context)
        if reads:
            loop.call_soon(self._io.start, self)
        if waiter is not None:
            loop.call_soon(set_result_unless_cancelled, waiter, None)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Replaces the protocol."""
        self._protocol = protocol
        is_buffered = isinstance(protocol, protocols.BufferedProtocol)
        self._io.set_protocol(protocol, is_buffered and not isinstance(protocol, TLSProtocol))

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Returns the protocol; None after `connection_lost()`."""
        protocol: asyncio.BaseProtocol = self._protocol
        return protocol

    def is_closing(self) -> bool:
        """Returns whether the transport is closed or closing."""
        return self._io.closing

    def close(self) -> None:
        """Stops reading, writes queued data, then closes the connection."""
        self._io.close(self)

    def abort(self) -> None:
        """Drops queued data and closes the connection."""
        self._force_close(None)

    def _fatal_error(self, error: BaseException, message: str = "Fatal error on transport") -> None:
        if self._is_connection_error(error):
            if self._loop.get_debug():
                logger.debug("%r: %s", self, message, exc_info=error)
        else:
            self._report(error, message)
        self._force_close(error)

    def _is_connection_error(self, error: BaseException) -> bool:
        """Returns whether the error is one of the connection, which is not reported."""
        return isinstance(error, OSError)

    def _report(self, error: BaseException, message: str) -> None:
        self._loop.call_exception_handler(
            {
                "message": message,
                "exception": error,
                "transport": self,
                "protocol": self._protocol,
            }
        )

    def _force_close(self, error: BaseException | None) -> None:
        if not self._io.lost:
            self._io.discard(self)
            self._io.lose(self, error)

    def _call_connection_lost(self, error: BaseException | None) -> None:
        """Calls `_finish_close()` in the connection's context. The loop runs this as a callback."""
        self._io.call(self._finish_close, error)

    def _finish_close(self, error: BaseException | None) -> None:
        try:
            self._protocol.connection_lost(error)
        finally:
            # Detach the endpoint first: it uses the descriptor while it has a protocol.
            self._io.detach()
            self._sock.close()
            self._sock = None
            self._protocol = None
            self._loop = None  # type: ignore[assignment]
            server, self._server = self._server, None
            if server is not None:
                detach_from_server(server, self)

    # Methods that the native endpoint calls

    def _on_eof(self) -> None:
        """Called when the other side has closed the connection, or its direction of it."""
        raise NotImplementedError

    def _on_flushed(self) -> None:
        """Called when all queued data has been written."""
        if self._io.closing:
            self._io.mark_lost(self)
            self._finish_close(None)

    # Callbacks for debug mode, which times them

    def _read_ready(self) -> None:
        self._io.ready(self, False)

    def _write_ready(self) -> None:
        self._io.ready(self, True)

    def __repr__(self) -> str:
        info = [type(self).__name__]
        if self._sock is None:
            info.append("closed")
        elif self._io.closing:
            info.append("closing")
        info.append(f"fd={self._sock_fd}")
        if self._loop is not None and not self._loop.is_closed():
            info += self._directions()
        elif self._sock is not None:
            info.append("open")
        return f"<{' '.join(info)}>"

    def _directions(self) -> list[str]:
        """Returns the state of both directions, for the repr."""
        waiting = self._io.buffered()
        return [
            f"read={'polling' if self._io.is_watched() else 'idle'}",
            f"write=<{'polling' if waiting else 'idle'}, bufsize={waiting}>",
        ]

    def __del__(self, _warn: Any = warnings.warn) -> None:
        # The attribute is missing if the constructor has failed.
        if getattr(self, "_sock", None) is not None:
            _warn(f"unclosed transport {self!r}", ResourceWarning, source=self)
            self._sock.close()
            if self._server is not None:
                detach_from_server(self._server, self)


class ReadTransport(BaseTransport, asyncio.ReadTransport):
    """The methods of a transport that reads."""

    __slots__ = ()

    def is_reading(self) -> bool:
        """Returns whether reading is not paused, and the transport is not closing."""
        return self._io.is_reading()

    # Two attributes of asyncio's transports, which CPython's own tests read

    @property
    def _paused(self) -> bool:
        return not (self._io.closing or self._io.is_reading())

    @property
    def _read_ready_cb(self) -> Any:
        return None if self._io.closing else self._read_ready

    def pause_reading(self) -> None:
        """Stops reading until `resume_reading()`."""
        if self._io.pause(self) and self._loop.get_debug():
            logger.debug("%r pauses reading", self)

    def resume_reading(self) -> None:
        """Reads again after `pause_reading()`."""
        if self._io.resume(self) and self._loop.get_debug():
            logger.debug("%r resumes reading", self)


class WriteTransport(BaseTransport, asyncio.WriteTransport):
    """The methods of a transport that writes."""

    __slots__ = ()

    def get_write_buffer_size(self) -> int:
        """Returns the number of bytes that wait to be sent."""
        return self._io.buffered()

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """Returns (low, high) in bytes: writing is paused above high, resumed at low or below."""
        return self._io.limits()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Sets the limits. Default: high is 64 KiB, or 4 times low; low is a quarter of high."""
        if high is None:
            high = 64 * 1024 if low is None else 4 * low
        if low is None:
            low = high // 4
        if not high >= low >= 0:
            raise ValueError(f"high ({high!r}) must be >= low ({low!r}) must be >= 0")
        self._io.set_limits(self, min(int(high), sys.maxsize), min(int(low), sys.maxsize))

    @property
    def _protocol_paused(self) -> bool:
        """Whether writing is paused, for `loop.sendfile()`."""
        return self._io.has_paused_protocol()
