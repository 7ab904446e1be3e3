"""asyncio's TLS over our transports, with the usual packet on a shorter way.

The protocol is asyncio's in all but its traffic once the handshake is done, where a request and its
answer went through twenty functions, two exceptions and two buffers of 256 KiB.
"""

from __future__ import annotations

import sys
from asyncio import sslproto
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio
    import ssl
    from collections.abc import Callable

# The most that a record of TLS holds, and so the most that one read can give. To ask for more would
# allocate it, each time. Source: RFC 8446, section 5.1
RECORD = 1 << 14

if sys.version_info >= (3, 11):
    from asyncio.sslproto import SSLAgainErrors, SSLProtocolState

    class TLSProtocol(sslproto.SSLProtocol):
        """A BufferedProtocol for asyncio's transports, and a plain one for ours."""

        if TYPE_CHECKING:
            _app_protocol: Any
            _app_protocol_get_buffer: Callable[[int], Any]
            _app_protocol_is_buffer: bool
            _app_reading_paused: bool
            _app_writing_paused: bool
            _incoming: ssl.MemoryBIO
            _outgoing: ssl.MemoryBIO
            _ssl_reading_paused: bool
            _sslobj: Any
            _state: Any
            _write_backlog: Any
            _call_eof_received: Callable[[], None]
            _control_ssl_reading: Callable[[], None]
            _do_write: Callable[[], None]
            _process_outgoing: Callable[[], None]
            _start_shutdown: Callable[[], None]

        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            # Made when somebody asks for it, which our transports do not.
            self._ssl_buffer = bytearray()
            self._ssl_buffer_view = memoryview(self._ssl_buffer)

        def _set_app_protocol(self, app_protocol: asyncio.BaseProtocol) -> None:
            super()._set_app_protocol(app_protocol)
            if self._app_protocol_is_buffer:
                get_buffer = self._app_protocol_get_buffer

                # asyncio reads the second record of several into a slice, which must not be a copy.
                def get_view(size_hint: int) -> memoryview:
                    return memoryview(get_buffer(size_hint)).cast("B")

                self._app_protocol_get_buffer = get_view

        def data_received(self, data: bytes) -> None:
            """What has come from the other end, still encrypted."""
            self._incoming.write(data)
            if (
                self._state is not SSLProtocolState.WRAPPED
                or self._app_protocol_is_buffer
                or self._app_reading_paused
            ):
                self.buffer_updated(0)  # asyncio's own way from here on
                return
            try:
                if self._give_to_application():
                    self._call_eof_received()
                    self._start_shutdown()
                if self._write_backlog:
                    self._do_write()
                elif self._app_writing_paused or self._outgoing.pending:
                    self._process_outgoing()
                if self._ssl_reading_paused or self._incoming.pending:
                    self._control_ssl_reading()
            except Exception as error:
                self._fatal_error(error, "Fatal error on SSL protocol")

        def _give_to_application(self) -> bool:
            """Give it what can be decrypted; returns whether that is the end."""
            read = self._sslobj._sslobj.read
            chunks = []
            ends = False
            try:
                while True:
                    chunk = read(RECORD)
                    if not chunk:
                        ends = True
                        break
                    chunks.append(chunk)
                    if not self._incoming.pending:
                        break  # Another read would only raise that there is no more.
            except SSLAgainErrors:
                pass
            if chunks:
                # The application may close the connection, and so end this.
                self._app_protocol.data_received(
                    chunks[0] if len(chunks) == 1 else b"".join(chunks)
                )
            return ends

        def _write_appdata(self, list_of_data: Any) -> None:
            if (
                type(list_of_data) is tuple  # as write() makes it; writelines() passes what it gets
                and len(list_of_data) == 1
                and self._state is SSLProtocolState.WRAPPED
                and not self._write_backlog
            ):
                (data,) = list_of_data
                try:
                    count = self._sslobj._sslobj.write(data)
                except SSLAgainErrors:
                    count = 0
                except Exception as error:
                    self._fatal_error(error, "Fatal error on SSL protocol")
                    return
                if count == len(data):
                    self._process_outgoing()
                    return
                list_of_data = (data[count:],)
            super()._write_appdata(list_of_data)

else:
    TLSProtocol = sslproto.SSLProtocol
