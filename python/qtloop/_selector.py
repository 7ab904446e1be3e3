"""A stand-in for asyncio's selector, and its conversion of file objects to descriptors."""

from __future__ import annotations

import selectors
import weakref
from typing import Any, NoReturn

from . import _native


class SelectorView:
    """A read-only view of the watched descriptors, in place of asyncio's selector.

    The repr of asyncio's transports reads it. `add_reader()` and `add_writer()` register.
    """

    def __init__(self, loop: _native.EventLoop) -> None:
        self._loop = weakref.proxy(loop)

    def get_key(self, file: Any) -> selectors.SelectorKey:
        """Returns the watched directions of a descriptor. KeyError if none is watched."""
        fd = fileno(file)
        reads, writes = self._loop._is_watched(fd, False), self._loop._is_watched(fd, True)
        if not (reads or writes):
            raise KeyError(f"{file!r} is not registered")
        mask = reads * selectors.EVENT_READ | writes * selectors.EVENT_WRITE
        return selectors.SelectorKey(file, fd, mask, None)

    def close(self) -> None:
        """Does nothing: there is no selector."""

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(
            f"QEventLoop has no selector to ask for {name!r}: use add_reader() and add_writer()"
        )


def fileno(file: Any) -> int:
    """Returns the descriptor of a number or file object, by the rules of asyncio's selectors."""
    if isinstance(file, int):
        fd = file
    else:
        try:
            fd = int(file.fileno())
        except (AttributeError, TypeError, ValueError):
            raise ValueError(f"Invalid file object: {file!r}") from None
    if fd < 0:
        raise ValueError(f"Invalid file descriptor: {fd}")
    return fd
