"""One run of a Qt loop, by `exec()`, and waits in nested event loops."""

from __future__ import annotations

import asyncio
from typing import Any

from . import _attachment, _binding, _native, _shutdown
from ._thread_state import ThreadStateMixin


class QtRunMixin(ThreadStateMixin):
    """The part of the loop that runs a Qt loop, and waits in nested event loops."""

    def __init__(self, *args: Any) -> None:
        self._waits: list[_Wait] = []
        super().__init__(*args)

    def _app_to_exec(self) -> Any:
        """Returns the application object whose `exec()` the next run calls, or None."""
        if _native.level() > 0 or not _native.is_main_thread():
            return None
        return self._given_app or _binding.application()

    def _run_qt(self, *, nested: bool = False) -> int:
        """Runs a Qt loop that serves this loop, until `stop()` or a quit. Returns its exit code.

        It is the outermost one of the thread; a nested one if one runs already, or if `nested`.
        The caller calls `_raise_fatal()` afterwards.
        """
        _shutdown.block_if_exiting()
        _attachment.attach(self)
        is_application = False
        try:
            is_application = self._begin_run(nested)
            self._qt_loop_returned.clear()
            app = self._app_to_exec() if is_application else None
            if app is None:
                return self._exec()
            # Called on the program's object, whose class may override `exec()`.
            run = app.exec if hasattr(app, "exec") else app.exec_  # PySide2
            code: int = run()
            return code
        finally:
            self._end_run()
            self._qt_loop_returned.set()
            _shutdown.block_if_exiting()
            if is_application and not self._has_exited():
                _native.forget_quit()

    def _run_nested(self, future: asyncio.Future[Any], grace: float = 0.0) -> None:
        """Runs a nested event loop until the future is done or the loop is stopped.

        After a stop, or a quit of the application, the wait lasts at most `grace` seconds more. If
        `grace` is 0, a stop ends the wait at once, and a quit does not end it.
        """
        wait = _Wait(self, grace)

        def leave(_: object) -> None:
            if wait.nested_loop is not None:
                wait.nested_loop.exit()

        future.add_done_callback(leave)
        self._waits.append(wait)
        try:
            while not (future.done() or wait.is_over):
                wait.nested_loop = _native.NestedLoop()
                # An older Qt emits aboutToQuit, which limits the wait, only after it.
                self._exec_nested(wait.nested_loop, until_exit=not grace)
                if future.done() or not grace or self._has_fatal():
                    break
                wait.limit()
        finally:
            self._waits.remove(wait)
            wait.end()
            future.remove_done_callback(leave)

    def _raise_fatal(self) -> None:
        """Raises the exception that has stopped the loop, if there is one, and clears it."""
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
        self.nested_loop: _native.NestedLoop | None = None
        self.is_over = False
        self._loop, self._grace = loop, grace
        self._timer: asyncio.TimerHandle | None = None

    def limit(self) -> None:
        """Starts the grace period, after which the wait ends. Later calls have no effect."""
        if self._grace and self._timer is None:
            self._timer = self._loop.call_later(self._grace, self._expire)

    def _expire(self) -> None:
        self.is_over = True
        if self.nested_loop is not None:
            self.nested_loop.exit()

    def end(self) -> None:
        """Cancels the time limit, and drops the Qt loop, which must happen on this thread."""
        self.nested_loop = None
        if self._timer is not None:
            self._timer.cancel()
