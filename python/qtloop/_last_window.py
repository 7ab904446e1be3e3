"""Decides under `run_until_complete()` whether the close of the last window quits the application.

Qt quits when the last window closes. But a main task that has waited for just that window, such as
a login dialog, continues and shows the next one. So this module removes Qt's quit event from the
queue, and quits the application itself if the main task does not react.
"""

from __future__ import annotations

import asyncio
from asyncio import tasks
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from . import _binding, _native
from ._quit import QuitMixin, awaited_future, made_progress

# Milliseconds for which turns pause between the close of the window and the decision. Slots that
# the close calls, such as those of a dialog's `finished`, run in this time.
_PAUSE = 5


class LastWindow:
    """Watches the application's windows while a loop runs `main`."""

    quit_is_deferred = False
    """Whether the application quits if `main` completes while no window is visible."""

    def __init__(self, loop: QuitMixin, main: asyncio.Future[Any]) -> None:
        self._loop, self._main = loop, main
        self._was_in_turn = False
        # Tasks that may have closed the window, and that have not completed.
        self._closing: set[asyncio.Task[Any]] = set()
        # The tasks at that time, with the future that each awaited.
        self._awaited: dict[asyncio.Task[Any], Any] = {}

    @contextmanager
    def watched(self, app: Any) -> Iterator[None]:
        """Decides at each close of the application's last window. `app` may be None."""
        closed = getattr(app, "lastWindowClosed", None)
        if closed is None:  # no application runs, or one without windows
            yield
            return
        assert _binding.binding is not None
        self._app = app
        self._timer = _binding.binding.QtCore.QTimer()
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._decide)
        closed.connect(self._on_closed)
        try:
            yield
        finally:
            self._closing = set()
            self._timer.stop()
            del self._timer  # a traceback may keep this object
            # The application may have been destroyed.
            with suppress(RuntimeError, TypeError):
                closed.disconnect(self._on_closed)

    def _on_closed(self) -> None:
        if not self._app.quitOnLastWindowClosed() or self._main.done():
            return
        # Qt posts its quit when this slot has returned.
        _native.forget_quit_soon()
        # A task in the middle of a step has opened the window by exec(), or is closing it.
        self._awaited = self._awaited_futures()
        self._closing = {task for task in self._awaited if _is_in_step(task)}
        self._was_in_turn = self._loop._depth() > 0
        # No sockets and timers for now: a reaction to one would look like one to the close.
        self._loop._set_paused(True)
        self._timer.start(_PAUSE)

    def _decide(self) -> None:
        self._loop._set_paused(False)
        if _native.has_visible_window():
            return
        self.quit_is_deferred = True
        if self._closing or self._main.done() or self._reacts():
            self._loop.call_later(self._loop.quit_grace, self._check)
            if self._main not in self._closing:
                self._check_after(self._closing)
        else:
            self.quit_is_deferred = False
            _binding.quit()

    def _reacts(self) -> bool:
        # Sockets and timers queue callbacks inside turns; slots of the close, outside of them.
        if not (self._was_in_turn or self._loop._depth() or self._loop._queued_since_turn()):
            return False
        before = self._awaited_futures()
        self._loop._run_ready_callbacks(self._main)
        return made_progress(self._main, before)

    def _awaited_futures(self) -> dict[asyncio.Task[Any], Any]:
        return {task: awaited_future(task, to_dialogs=True) for task in tasks.all_tasks(self._loop)}

    def _check_after(self, closing: set[asyncio.Task[Any]]) -> None:
        """Checks, and does not wait for the end of `quit_grace`, as soon as these tasks are done.

        They, or tasks that they have started, may show the next window, or complete what the main
        task waits for.
        """

        def done(task: asyncio.Task[Any]) -> None:
            closing.discard(task)
            if closing or closing is not self._closing or self._main.done():
                return
            self._loop._run_ready_callbacks(self._main)
            started = {task for task in tasks.all_tasks(self._loop) if task not in self._awaited}
            if started:
                self._awaited.update(dict.fromkeys(started))
                self._closing = started
                self._check_after(started)
            elif not made_progress(self._main, self._awaited):
                self._check()

        for task in list(closing):
            task.add_done_callback(done)

    def _check(self) -> None:
        """Quits if main has not shown another window in time."""
        if not (self._main.done() or _native.has_visible_window()):
            _binding.quit()


def _is_in_step(task: asyncio.Task[Any]) -> bool:
    return getattr(task.get_coro(), "cr_running", False)
