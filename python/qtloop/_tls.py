"""asyncio's TLS protocol with a fast path for the usual packet.

Everything up to the end of the handshake, and every rare case, is asyncio's code. After the
handshake that code takes twenty function calls, two exceptions and two buffers of 256 KiB for one
request and its response.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from ._asyncio_private import SSLProtocol

if TYPE_CHECKING:
    import asyncio

# The maximum size of a TLS record in bytes, and so of one read; a larger size would be allocated at
# each read for no gain. Source: RFC 8446, section 5.1
MAX_RECORD_SIZE = 1 << 14

if sys.version_info >= (3, 11):
    from asyncio.sslproto import SSLAgainErrors, SSLProtocolState

    class TLSProtocol(SSLProtocol):
        """A BufferedProtocol that our transports use as a plain Protocol: by `data_received()`."""

        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            # Replaces the read buffer of 256 KiB: our transports do not use it.
            self._ssl_buffer = bytearray()
            self._ssl_buffer_view = memoryview(self._ssl_buffer)

        def _set_app_protocol(self, app_protocol: asyncio.BaseProtocol) -> None:
            super()._set_app_protocol(app_protocol)
            if self._app_protocol_is_buffer:
                get_buffer = self._app_protocol_get_buffer

                # asyncio reads later records into a slice of the buffer, which must not be a copy.
                def get_view(size_hint: int) -> memoryview:
                    return memoryview(get_buffer(size_hint)).cast("B")

                self._app_protocol_get_buffer = get_view

        def data_received(self, data: bytes) -> None:
            """Called by the transport with encrypted bytes."""
            self._incoming.write(data)
            if (
                self._state is not SSLProtocolState.WRAPPED
                or self._app_protocol_is_buffer
                or self._app_reading_paused
            ):
                self.buffer_updated(0)  # asyncio's code does the rest
                return
            try:
                if self._deliver_decrypted():
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

        def _deliver_decrypted(self) -> bool:
            """Passes decrypted bytes to the application. Returns whether the peer has ended TLS."""
            read = self._sslobj._sslobj.read
            chunks = []
            ends = False
            try:
                while True:
                    chunk = read(MAX_RECORD_SIZE)
                    if not chunk:
                        ends = True
                        break
                    chunks.append(chunk)
                    if not self._incoming.pending:
                        break  # another read would only raise SSLWantReadError
            except SSLAgainErrors:
                pass
            if chunks:
                self._app_protocol.data_received(
                    chunks[0] if len(chunks) == 1 else b"".join(chunks)
                )
            return ends

        def _write_appdata(self, list_of_data: Any) -> None:
            if (
                type(list_of_data) is tuple  # from write(); writelines() passes any iterable
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
    TLSProtocol = SSLProtocol
