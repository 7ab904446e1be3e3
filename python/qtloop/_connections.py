"""The loop's methods that make transports: asyncio's hooks, `start_tls()` and accepting."""

from __future__ import annotations

import asyncio
import errno
import socket
import sys
from asyncio import constants, trsock
from asyncio.log import logger
from collections.abc import Callable
from contextvars import Context
from typing import TYPE_CHECKING, Any

from ._asyncio_private import process_exited, take_buffered
from ._base import BaseLoop
from ._pipes import ReadPipeTransport, WritePipeTransport
from ._tls import TLSProtocol
from ._transports import DatagramTransport, SocketTransport

if TYPE_CHECKING:
    import ssl

# Errors of `accept()` that are temporary: no file descriptor or memory is left.
_RESOURCE_ERRORS = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}

# The key of a priority in the extra information of the transport of a process.
_PRIORITY = "qtloop_priority"

# The TLS handshake timeout and, from Python 3.11 on, the shutdown timeout.
_TIMEOUTS = tuple(
    getattr(constants, name)
    for name in ("SSL_HANDSHAKE_TIMEOUT", "SSL_SHUTDOWN_TIMEOUT")
    if hasattr(constants, name)
)

# The defaults of the arguments that asyncio's servers pass after the backlog: the TLS timeouts and,
# from Python 3.15 on, a context.
_DEFAULT_ARGUMENTS = (*_TIMEOUTS, None) if sys.version_info >= (3, 15) else _TIMEOUTS


class ConnectionsMixin(BaseLoop):
    """The part of the loop that makes transports. asyncio's loop calls these methods."""

    def __init__(self, *args: Any) -> None:
        # Listening sockets whose `accept()` fails for lack of resources, which has been reported.
        self._exhausted_sockets: set[socket.socket] = set()
        super().__init__(*args)

    def _make_socket_transport(
        self,
        sock: socket.socket,
        protocol: asyncio.BaseProtocol,
        waiter: asyncio.Future[None] | None = None,
        *,
        extra: dict[str, Any] | None = None,
        server: Any = None,
        context: Context | None = None,
    ) -> SocketTransport:
        self._ensure_fd_no_transport(sock)
        return SocketTransport(self, sock, protocol, waiter, extra, server, context)

    def _make_ssl_transport(
        self,
        rawsock: socket.socket,
        protocol: asyncio.BaseProtocol,
        sslcontext: Any,
        waiter: asyncio.Future[None] | None = None,
        *,
        extra: dict[str, Any] | None = None,
        server: Any = None,
        context: Context | None = None,
        **options: Any,
    ) -> asyncio.Transport:
        self._ensure_fd_no_transport(rawsock)
        # The waiter may be None, but typeshed does not allow that.
        waits: Any = waiter
        tls = TLSProtocol(self, protocol, sslcontext, waits, **options)
        SocketTransport(self, rawsock, tls, extra=extra, server=server, context=context)
        transport: asyncio.Transport = tls._app_transport
        return transport

    async def start_tls(
        self,
        transport: Any,
        protocol: asyncio.BaseProtocol,
        sslcontext: ssl.SSLContext,
        *,
        server_side: bool = False,
        server_hostname: str | None = None,
        **timeouts: Any,
    ) -> asyncio.Transport:
        import ssl  # not at module level: Python may be built without it

        if not isinstance(sslcontext, ssl.SSLContext):
            raise TypeError(
                f"sslcontext is expected to be an instance of ssl.SSLContext, got {sslcontext!r}"
            )
        if not getattr(transport, "_start_tls_compatible", False):
            raise TypeError(f"transport {transport!r} is not supported by start_tls()")
        waiter = self.create_future()
        tls = TLSProtocol(
            self,
            protocol,
            sslcontext,
            waiter,
            server_side,
            server_hostname,
            call_connection_made=False,
            **timeouts,
        )
        # Bytes that arrive now must not be read before `tls.connection_made()`.
        transport.pause_reading()
        transport.set_protocol(tls)
        steps = [self.call_soon(tls.connection_made, transport)]
        # A client may send its request for TLS and its handshake in one packet; then the server's
        # reader has read both. Newer versions of asyncio also pass these bytes to TLS.
        if server_side and (early := take_buffered(protocol)):
            steps.append(self.call_soon(tls.data_received, early))
        steps.append(self.call_soon(transport.resume_reading))
        try:
            await waiter
        except BaseException:
            transport.close()
            for step in steps:
                step.cancel()
            # Break a reference cycle: the waiter holds the exception, its traceback this frame.
            del waiter
            raise
        secured: asyncio.Transport = tls._app_transport
        return secured

    def _make_datagram_transport(
        self,
        sock: socket.socket,
        protocol: asyncio.BaseProtocol,
        address: Any = None,
        waiter: asyncio.Future[None] | None = None,
        extra: dict[str, Any] | None = None,
    ) -> DatagramTransport:
        self._ensure_fd_no_transport(sock)
        return DatagramTransport(self, sock, protocol, address, waiter, extra)

    def _make_read_pipe_transport(self, *args: Any, **kwargs: Any) -> ReadPipeTransport:
        return ReadPipeTransport(self, *args, **kwargs)

    def _make_write_pipe_transport(self, *args: Any, **kwargs: Any) -> WritePipeTransport:
        return WritePipeTransport(self, *args, **kwargs)

    async def _make_subprocess_transport(
        self, *args: Any, extra: dict[str, Any] | None = None, **kwargs: Any
    ) -> asyncio.SubprocessTransport:
        """Starts a child process. Called by `subprocess_exec()` and `subprocess_shell()`."""
        make: Any = super()._make_subprocess_transport  # type: ignore[misc]
        if priority := self._running_priority():
            extra = {**(extra or {}), _PRIORITY: priority}
        transport: asyncio.SubprocessTransport = await make(*args, extra=extra, **kwargs)
        return transport

    def _child_watcher_callback(self, pid: int, returncode: int, transport: Any) -> None:
        """Called when a child process has ended, perhaps on another thread.

        Queues the transport's callback with the priority of the job that has started the process.
        So it runs after `connection_made`, which that job has queued.
        """
        priority = transport.get_extra_info(_PRIORITY)
        if priority is None:
            super()._child_watcher_callback(pid, returncode, transport)  # type: ignore[misc]
        else:
            exited = process_exited(transport)
            self.call_soon_threadsafe(self.call_soon_priority, priority, exited, returncode)

    def _accept_connection(
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        sock: socket.socket,
        sslcontext: Any = None,
        server: Any = None,
        backlog: int = 100,
        *rest: Any,
    ) -> None:
        """Accepts pending connections, at most `backlog` of them, so that other callbacks run too.

        Without free file descriptors it reports that once, and tries again every second.

        `rest` holds the TLS timeouts and, from Python 3.15 on, the context in which the server was
        made. Each connection runs in a copy of that context.
        """
        rest = rest or _DEFAULT_ARGUMENTS
        timeouts, (context,) = rest[: len(_TIMEOUTS)], rest[len(_TIMEOUTS) :] or (None,)
        for _ in range(backlog):
            try:
                connection, address = sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _RESOURCE_ERRORS:
                    raise
                self._remove_reader(sock.fileno())
                arguments = (protocol_factory, sock, sslcontext, server, backlog, *rest)
                self.call_later(constants.ACCEPT_RETRY_DELAY, self._accept_again, *arguments)
                if sock not in self._exhausted_sockets:
                    self._exhausted_sockets.add(sock)
                    self.call_exception_handler(
                        {
                            "message": "socket.accept() out of system resource",
                            "exception": error,
                            "socket": trsock.TransportSocket(sock),
                        }
                    )
                return
            self._exhausted_sockets.discard(sock)
            connection.setblocking(False)
            if self.get_debug():
                logger.debug("%r got a new connection from %r: %r", server, address, connection)
            options = {} if context is None else {"context": context.copy()}
            made = self._accept_connection2(
                protocol_factory,
                connection,
                {"peername": address},
                sslcontext,
                server,
                *timeouts,
                **options,
            )
            self.create_task(made, **options)

    def _accept_again(
        self, protocol_factory: Callable[[], asyncio.BaseProtocol], sock: socket.socket, *rest: Any
    ) -> None:
        if sock.fileno() == -1:
            self._exhausted_sockets.discard(sock)  # the server was closed during the delay
        else:
            self._start_serving(protocol_factory, sock, *rest)
