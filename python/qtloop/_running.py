"""Runs of a loop: `run_forever()`, `run_until_complete()`, and `block_on()` for one loop.

Qt serves a loop also without a run. A run adds two things: the loop is the thread's running loop
also between its callbacks, and `stop()` or a quit of the application ends the run.
"""

from __future__ import annotations

import asyncio
from asyncio import futures, tasks
from collections.abc import Awaitable
from typing import Any, TypeVar

from . import _binding, _native
from ._asyncio_private import do_not_log_if_pending, stop_loop_of
from ._last_window import LastWindow
from ._quit import QuitMixin

_T = TypeVar("_T")


class RunMixin(QuitMixin):
    """The part of the loop that runs it."""

    def run_forever(self) -> int:  # type: ignore[override]
        """Runs until `stop()`, or until Qt quits. Returns the exit code of Qt's loop.

        On the main thread it calls the application's own `exec()`. `stop()` exits that without
        emitting `aboutToQuit`, because the application does not quit. If a Qt loop runs already,
        for example in a slot, it runs a nested event loop. After a quit, callbacks that are ready
        run, and tasks that slots of `aboutToQuit` have started have `quit_grace` seconds.
        """
        with self._as_running_loop():
            code = self._run_qt()
            self._raise_fatal()
            if not self._has_exited():
                self._finish_after_quit()
        return code

    def run_until_complete(self, future: Any) -> Any:
        """Runs until the future, or coroutine, is done, and returns its result.

        If Qt quits before, RuntimeError("Event loop stopped before Future completed.") is raised,
        perhaps after `quit_grace` seconds. The loop can run again.
        """
        if self.is_running() and hasattr(asyncio, "_nest_patched"):  # nest_asyncio is applied
            return self._block_on(future)
        self._check_closed()
        self._check_running()
        self._ensure_application()
        is_new = not futures.isfuture(future)
        future = tasks.ensure_future(future, loop=self)
        if is_new:
            # If an exception ends the run, the pending task must not be logged as well.
            do_not_log_if_pending(future)
        last_window = LastWindow(self, future)
        awaited = {future}

        def done(future: asyncio.Future[Any]) -> None:
            # If a quit ends the run between the future's completion and this callback, the next
            # run calls it.
            if future in awaited:
                if last_window.quit_is_deferred and not _native.has_visible_window():
                    _binding.quit()
                else:
                    stop_loop_of(future)
            elif not future.cancelled():
                # Its run has raised the exception: mark it as retrieved.
                future.exception()

        future.add_done_callback(done)
        try:
            with self._as_running_loop():
                with last_window.watched(self._app_to_exec()):
                    self._run_qt()
                self._raise_fatal()
                if not self._has_exited():
                    self._finish_after_quit(future)
        except BaseException:
            if is_new and future.done() and not future.cancelled():
                future.exception()
            raise
        finally:
            awaited.clear()
            future.remove_done_callback(done)
        if not future.done():
            raise RuntimeError("Event loop stopped before Future completed.")
        return future.result()

    def _block_on(self, awaitable: Awaitable[_T]) -> _T:
        """Does what `qtloop.block_on()` does, for this loop, which must be one of this thread."""
        if not self.is_running() and _native.level() == 0:
            result: _T = self.run_until_complete(awaitable)
            return result
        future: asyncio.Future[_T] = tasks.ensure_future(awaitable, loop=self)
        if future is tasks.current_task(self):
            raise RuntimeError(f"a task cannot wait for itself: {future!r}")
        for _ in range(2):
            self._run_nested(future, self.quit_grace)
            if future.done():
                return future.result()
            future.cancel()  # the grace is over
        raise asyncio.CancelledError

    def _close_self_pipe(self) -> None:
        if self._ssock.fileno() < 0:
            return  # the garbage collector has closed the socket before the loop
        super()._close_self_pipe()
