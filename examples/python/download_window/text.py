"""Texts for the user: sizes, times, and the cause of a failure as one sentence."""

from __future__ import annotations

import asyncio
import errno
import os
from http import HTTPStatus

import aiohttp
from aiohttp.http import HttpProcessingError


def amount(count: float) -> str:
    """Formats a number of bytes: `640 B`, `12 kB`, `3.1 MB`."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6)):
        if count >= scale:
            return f"{count / scale:.1f} {unit}"
    return f"{count / 1e3:.0f} kB" if count >= 1e3 else f"{count:.0f} B"


def progress(received: int, size: int | None) -> str:
    """Formats how much of a file has arrived: `3.1 of 8.0 MB`."""
    if size is None:
        return amount(received) if received else ""
    if received == size:
        return amount(size)
    number, unit = amount(received).split()
    total = amount(size)
    return f"{number} of {total}" if total.endswith(f" {unit}") else f"{number} {unit} of {total}"


def duration(seconds: float) -> str:
    """Formats a remaining time: `4 s`, `2 min 05 s`."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{max(rest, 1)} s"


def sentence(error: BaseException) -> str:
    """Returns a sentence about a failed request, which helps the user to fix it."""
    match error:
        case aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError():
            return "This is not a web address: it should look like https://host/file."
        case aiohttp.ClientConnectorDNSError(host=host):
            return f"There is no server named {host}."
        case aiohttp.ClientConnectorCertificateError(certificate_error=cause):
            reason = getattr(cause, "verify_message", "") or str(cause)
            return f"The server's certificate is not to be trusted: {reason}."
        case aiohttp.ClientSSLError(host=host, port=port):
            return f"{_place(host, port)} does not speak TLS: no secure connection could be made."
        case aiohttp.ClientConnectorError(host=host, port=port, os_error=cause):
            return f"{_place(host, port)} {_refusal(cause)}"
        case aiohttp.TooManyRedirects():
            return "The server sends us round in circles (too many redirects)."
        case aiohttp.ClientResponseError(__cause__=HttpProcessingError()):
            return "What answered there does not speak HTTP."
        case aiohttp.ClientResponseError(status=404):
            return "The server has no such file (404)."
        case aiohttp.ClientResponseError(status=503):
            return "The server is too busy just now (503). Try again."
        case aiohttp.ClientResponseError(status=status):
            phrase = {known.value: known.phrase for known in HTTPStatus}.get(status, "")
            return f"The server refused: {f'{status} {phrase}'.strip()}."
        case aiohttp.ConnectionTimeoutError():
            return "The server did not answer in time."
        case asyncio.TimeoutError():
            return "The server stopped sending: nothing came for too long."
        case aiohttp.ClientPayloadError() | aiohttp.ServerDisconnectedError() | ConnectionError():
            return "The server closed the connection too early."
        case OSError():
            return f"{error.strerror or error}."
    return f"{error or type(error).__name__}."


def _place(host: str, port: int | None) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _refusal(cause: OSError) -> str:
    if cause.errno == errno.ECONNREFUSED or isinstance(cause, ConnectionRefusedError):
        return "refused the connection: no server listens there."
    if cause.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH):
        return "cannot be reached from this network."
    return f"could not be connected: {os.strerror(cause.errno) if cause.errno else cause}."
