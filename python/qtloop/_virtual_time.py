"""Virtual time: the operations outside of the loop that hold its `VirtualClock`.

The driver knows its callbacks, timers and file descriptors. It does not know the jobs of executors
and the child processes. Their end is a call from another thread, or the event of a descriptor. So
each of them holds the clock until it has ended: until then the clock does not jump.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from . import _native
from ._connections import ConnectionsMixin
from ._default_executor import DefaultExecutorMixin
from ._native import VirtualClock


class TimeHold:
    """Keeps the clock of a loop from jumping until `release()`. On any thread."""

    __slots__ = ("_loop",)

    def __init__(self, loop: VirtualTimeMixin) -> None:
        self._loop: VirtualTimeMixin | None = loop
        _native.hold_time(loop, True)

    def release(self, *_: object) -> None:
        """Ends the hold. Idempotent."""
        loop, self._loop = self._loop, None
        if loop is not None:
            _native.hold_time(loop, False)


class VirtualTimeMixin(ConnectionsMixin, DefaultExecutorMixin):
    """The part of the loop for virtual time."""

    def _use_clock(self, clock: VirtualClock) -> None:
        if not isinstance(clock, VirtualClock):
            raise TypeError(f"clock must be a qtloop.VirtualClock, not {clock!r}")
        _native.use_clock(self, clock)
        self._clock = clock

    if not TYPE_CHECKING:  # asyncio's stub has the exact type, which 3.10 cannot express

        def run_in_executor(self, executor, func, *args):
            future = super().run_in_executor(executor, func, *args)
            if self._clock is not None:
                future.add_done_callback(TimeHold(self).release)
            return future

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        if self._clock is None:
            return await super().shutdown_default_executor(timeout)
        hold = TimeHold(self)
        try:
            await super().shutdown_default_executor(timeout)
        finally:
            hold.release()

    async def _make_subprocess_transport(
        self, *args: Any, extra: dict[str, Any] | None = None, **kwargs: Any
    ) -> asyncio.SubprocessTransport:
        """Starts a child process. Called by `subprocess_exec()` and `subprocess_shell()`."""
        make = super()._make_subprocess_transport
        if self._clock is None:
            return await make(*args, extra=extra, **kwargs)
        hold = TimeHold(self)
        try:
            transport = await make(*args, extra={**(extra or {}), _HOLD: hold}, **kwargs)
        except BaseException:
            hold.release()
            raise
        return transport

    def _child_watcher_callback(self, pid: int, returncode: int, transport: Any) -> None:
        """Called when a child process has ended, perhaps on another thread."""
        super()._child_watcher_callback(pid, returncode, transport)
        hold = transport.get_extra_info(_HOLD)
        if hold is not None:
            hold.release()


# The key of a child's hold in the extra information of its transport.
_HOLD = "qtloop_time_hold"
