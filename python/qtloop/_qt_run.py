"""One run of a Qt loop, by `exec()`, and waits in nested event loops."""

from __future__ import annotations

import asyncio
from typing import Any

from . import _attachment, _binding, _native, _shutdown
from ._thread_state import ThreadStateMixin


class QtRunMixin(ThreadStateMixin):
    """The part of the loop that runs a Qt loop and can end it."""

    def __init__(self, *args: Any) -> None:
        self._waits: list[_Wait] = []
        super().__init__(*args)

    def _host_loop(self) -> str:
        """Returns the kind of Qt loop to run, as `_begin_run()` takes it."""
        if _native.level() > 0:
            return "nested"
        return "application" if _native.is_main_thread() else "thread"

    def _app_to_exec(self, host_loop: str) -> Any:
        """Returns the application object whose `exec()` runs this Qt loop, or None."""
        if host_loop != "application":
            return None
        return self._given_app or _binding.application()

    def _run_qt(self, host_loop: str) -> int:
        """Runs a Qt loop that serves this loop, until `stop()` or a quit. Returns its exit code."""
        _shutdown.block_if_exiting()
        _attachment.attach(self)
        try:
            self._begin_run(host_loop)
            self._qt_loop_returned.clear()
            if (app := self._app_to_exec(host_loop)) is None:
                return self._exec()
            # Called on the program's object, whose class may override `exec()`.
            code: int = app.exec()
            return code
        finally:
            self._end_run()
            self._qt_loop_returned.set()
            _shutdown.block_if_exiting()
            if host_loop == "application" and not self._has_exited():
                _native.forget_quit()

    def _run_nested(self, future: asyncio.Future[Any], grace: float = 0.0) -> None:
        """Runs a nested event loop until the future is done or the loop is stopped.

        After a stop, or a quit of the application, the wait lasts at most `grace` seconds more. If
        `grace` is 0, a stop ends the wait at once, and a quit does not end it.
        """
        wait = _Wait(self, grace)

        def leave(_: object) -> None:
            if wait.nest is not None:
                wait.nest.leave()

        future.add_done_callback(leave)
        self._waits.append(wait)
        try:
            while not (future.done() or wait.is_over):
                wait.nest = _native.Nest()
                self._exec_nest(wait.nest)
                if future.done() or not grace or self._has_fatal():
                    break
                wait.limit()
        finally:
            self._waits.remove(wait)
            wait.end()
            future.remove_done_callback(leave)

    def _raise_fatal(self) -> None:
        error = self._take_fatal()
        if error is not None:
            if isinstance(error, _attachment.SecondApplicationError):
                _binding.keep_application()
            try:
                raise error
            finally:
                del error


class _Wait:
    """A wait in a nested event loop, with an optional time limit."""

    def __init__(self, loop: QtRunMixin, grace: float) -> None:
        self.nest: _native.Nest | None = None
        self.is_over = False
        self._loop, self._grace = loop, grace
        self._timer: asyncio.TimerHandle | None = None

    def limit(self) -> None:
        """Starts the grace period, after which the wait ends. Later calls have no effect."""
        if self._grace and self._timer is None:
            self._timer = self._loop.call_later(self._grace, self._expire)

    def _expire(self) -> None:
        self.is_over = True
        if self.nest is not None:
            self.nest.leave()

    def end(self) -> None:
        """Cancels the time limit, and drops the Qt loop, which must happen on this thread."""
        self.nest = None
        if self._timer is not None:
            self._timer.cancel()
