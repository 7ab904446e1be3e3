"""`loop.sock_recv()` and similar: call the socket's method; if it would block, wait and retry."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any, TypeVar

from ._asyncio_private import check_ssl_socket, set_result_unless_cancelled
from ._base import BaseLoop

_T = TypeVar("_T")


class SocketsMixin(BaseLoop):
    """asyncio's operations on sockets that the program owns.

    asyncio calls the operation in the reader callback; here the waiting coroutine calls it. So a
    cancelled coroutine has not received bytes that would be lost.
    """

    async def sock_recv(self, sock: socket.socket, nbytes: int) -> bytes:
        return await self._sock_do(sock, False, lambda: sock.recv(nbytes))

    async def sock_recv_into(self, sock: socket.socket, buf: Any) -> int:
        return await self._sock_do(sock, False, lambda: sock.recv_into(buf))

    async def sock_recvfrom(self, sock: socket.socket, bufsize: int) -> tuple[bytes, Any]:
        return await self._sock_do(sock, False, lambda: sock.recvfrom(bufsize))

    async def sock_recvfrom_into(
        self, sock: socket.socket, buf: Any, nbytes: int = 0
    ) -> tuple[int, Any]:
        return await self._sock_do(sock, False, lambda: sock.recvfrom_into(buf, nbytes or len(buf)))

    async def sock_sendto(self, sock: socket.socket, data: Any, address: Any) -> int:
        return await self._sock_do(sock, True, lambda: sock.sendto(data, address))

    async def sock_sendall(self, sock: socket.socket, data: Any) -> None:
        left = memoryview(data).cast("B")
        while left := left[await self._sock_do(sock, True, lambda: sock.send(left)) :]:
            await self._sock_ready(sock.fileno(), True)

    async def sock_accept(self, sock: socket.socket) -> tuple[socket.socket, Any]:
        connection, address = await self._sock_do(sock, False, lambda: sock.accept())
        connection.setblocking(False)
        return connection, address

    async def _sock_do(self, sock: socket.socket, writes: bool, operation: Callable[[], _T]) -> _T:
        check_ssl_socket(sock)
        if self._debug and sock.gettimeout() != 0:
            raise ValueError("the socket must be non-blocking")
        while True:
            try:
                return operation()
            except (BlockingIOError, InterruptedError):  # noqa: PERF203 - how a socket says it
                await self._sock_ready(sock.fileno(), writes)

    async def _sock_ready(self, fd: int, writes: bool) -> None:
        self._ensure_fd_no_transport(fd)
        ready = self.create_future()
        # Drops the file of an add_reader() that this call replaces.
        self._watched_files.pop((fd, writes), None)
        handle = self._watch(fd, writes, True, set_result_unless_cancelled, (ready, None))
        try:
            await ready
        finally:
            if not ready.done() or ready.cancelled():
                handle.cancel()
                self._unwatch(fd, writes, handle)
