"""Socket transports: code that runs once per connection."""

from __future__ import annotations

import asyncio
import socket
from asyncio import trsock
from asyncio.log import logger
from contextvars import Context
from typing import TYPE_CHECKING, Any

from . import _native
from ._asyncio_private import FlowControlMixin, SendfileMode, attach_to_server, set_nodelay
from ._base import BaseLoop
from ._transport_base import SLOTS, ReadTransport, WriteTransport


class SocketTransport(ReadTransport, WriteTransport, FlowControlMixin, asyncio.Transport):
    """The transport of a TCP or Unix stream socket."""

    __slots__ = (*SLOTS, "_empty_waiter")

    if TYPE_CHECKING:
        _io: _native.Stream

    _start_tls_compatible = True
    _sendfile_compatible = SendfileMode.TRY_NATIVE

    def __init__(
        self,
        loop: BaseLoop,
        sock: socket.socket,
        protocol: asyncio.BaseProtocol,
        waiter: asyncio.Future[None] | None = None,
        extra: dict[str, Any] | None = None,
        server: Any = None,
        context: Context | None = None,
    ) -> None:
        kind = "unix" if sock.family == socket.AF_UNIX else "socket"
        io = _native.Stream(loop, sock.fileno(), kind, context)
        super().__init__(loop, sock, io, protocol, _extra_info(sock, extra), server)
        self._empty_waiter: asyncio.Future[None] | None = None
        if server is not None:
            attach_to_server(server, self)
        set_nodelay(sock)
        self._start(waiter, context=context)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Sends the bytes now, or queues those for which the system has no room. Never blocks."""
        self._io.write(self, data)

    def writelines(self, list_of_data: Any) -> None:
        """Sends all items, up to 64 per system call."""
        self._io.writelines(self, list_of_data)

    def can_write_eof(self) -> bool:
        """Returns True."""
        return True

    def write_eof(self) -> None:
        """Shuts down the write direction when all data is sent. Reading continues."""
        if self._io.end_writes() and not self._io.buffered():
            self._sock.shutdown(socket.SHUT_WR)

    def _on_eof(self) -> None:
        if self._loop.get_debug():
            logger.debug("%r received EOF", self)
        try:
            keep_open = self._protocol.eof_received()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self._fatal_error(error, "Fatal error: protocol.eof_received() call failed.")
            return
        if self._io.lost:
            return  # the protocol has aborted the connection
        if keep_open:
            self._io.stop(self)
        else:
            self.close()

    def _on_flushed(self) -> None:
        if self._empty_waiter is not None and not self._empty_waiter.done():
            self._empty_waiter.set_result(None)
        if self._io.eof and not self._io.closing:
            self._sock.shutdown(socket.SHUT_WR)
        super()._on_flushed()

    def _finish_close(self, error: BaseException | None) -> None:
        try:
            super()._finish_close(error)
        finally:
            if self._empty_waiter is not None and not self._empty_waiter.done():
                self._empty_waiter.set_exception(
                    error or ConnectionError("Connection is closed by peer")
                )

    # For `loop.sendfile()`, which writes to the socket directly

    def _make_empty_waiter(self) -> asyncio.Future[None]:
        if self._empty_waiter is not None:
            raise RuntimeError("Empty waiter is already set")
        self._empty_waiter = self._loop.create_future()
        if not self._io.buffered():
            self._empty_waiter.set_result(None)
        self._io.set_sendfile_active(True)
        return self._empty_waiter

    def _reset_empty_waiter(self) -> None:
        self._empty_waiter = None
        self._io.set_sendfile_active(False)


class DatagramTransport(
    ReadTransport,
    WriteTransport,
    FlowControlMixin,
    asyncio.DatagramTransport,
):
    """The transport of a UDP or Unix datagram socket."""

    __slots__ = SLOTS

    if TYPE_CHECKING:
        _io: _native.Datagrams

    def __init__(
        self,
        loop: BaseLoop,
        sock: socket.socket,
        protocol: asyncio.BaseProtocol,
        address: Any = None,
        waiter: asyncio.Future[None] | None = None,
        extra: dict[str, Any] | None = None,
    ) -> None:
        known = _extra_info(sock, extra)
        io = _native.Datagrams(
            loop,
            sock.fileno(),
            address or None,
            bool(known["peername"]),
            sock.family == socket.AF_INET6,
        )
        super().__init__(loop, sock, io, protocol, known)
        self._start(waiter)

    def sendto(self, data: bytes | bytearray | memoryview, addr: Any = None) -> None:
        """Sends a packet to `addr`; by default, to the address that the socket was made for."""
        self._io.sendto(self, data, addr)

    def _send_by_socket(self, data: bytes, addr: Any) -> None:
        """Sends by Python's socket, which resolves names and raises for invalid addresses."""
        self._sock.sendto(data, addr)


def _extra_info(sock: socket.socket, extra: dict[str, Any] | None) -> dict[str, Any]:
    """Returns the values for `get_extra_info()`, which stay available after the close."""
    known = dict(extra or ())
    known["socket"] = trsock.TransportSocket(sock)
    try:
        known["sockname"] = sock.getsockname()
    except OSError:
        known["sockname"] = None
    if "peername" not in known:
        try:
            known["peername"] = sock.getpeername()
        except OSError:
            known["peername"] = None
    return known
