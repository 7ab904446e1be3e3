"""The end of a run after the application has quit: which coroutines may still complete.

The rules are in the documentation of `QuitMixin._finish_after_quit()`.
"""

from __future__ import annotations

import asyncio
import inspect
import math
import weakref
from asyncio import tasks
from typing import Any

from . import _native
from ._async_wrap import asyncWrap
from ._asyncio_private import future_awaited_by
from ._qt_run import QtRunMixin

# Batches of callbacks that the main task may need to react to a quit. A chain of futures takes
# one batch per link; asyncio's longest, `wait_for()` around an event, takes four.
_MAX_BATCHES = 16

_SLEEP = asyncio.sleep.__code__

# Coroutines whose end does not show that the task reacts to a quit. A sleep ends anyway, and a quit
# ends the dialog that `asyncWrap` runs.
IGNORED_AT_QUIT = {_SLEEP, asyncWrap.__code__}


class QuitMixin(QtRunMixin):
    """The part of the loop that acts when the application quits."""

    quit_grace: float = 5.0
    """Seconds for which some coroutines may still run after the application has quit:

    - the future of `run_until_complete()`, if it reacts: a slot of `aboutToQuit` has completed what
      it awaits. If it does not react, other tasks that do, except under `qtloop.run()`;
    - tasks that slots of `aboutToQuit` have started;
    - coroutines of `asyncClose` and `block_on()`, also after a `stop()`.

    After that the run ends; under `qtloop.run()` the main task is cancelled.

    Source: https://doc.qt.io/qt-6/qcoreapplication.html#aboutToQuit
    """

    def __init__(self, *args: Any) -> None:
        self._cancels_main_on_quit = False  # True under qtloop.run()
        self._has_quit = False
        self._tasks_before_quit: weakref.WeakSet[asyncio.Task[Any]] | None = None
        self._tasks_of_quit: weakref.WeakSet[asyncio.Task[Any]] = weakref.WeakSet()
        super().__init__(*args)

    def _finish_after_quit(self, main: asyncio.Future[Any] | None = None) -> None:
        """Lets some coroutines complete after the application has quit and `exec()` has returned.

        `main` is the future of `run_until_complete()`; `run_forever()` has none.

        1. Callbacks that are ready run, and those that they queue. Timers and sockets do not, so a
           reaction of `main` here is one to the quit, such as to a slot of `aboutToQuit`.
        2. A task has reacted to the quit if it has completed, or the future that it awaited is
           done. A task that only sleeps or waits for a dialog does not react.
        3. The loop runs, with timers and sockets, until the tasks that slots of `aboutToQuit` have
           started are done. If `main` has not reacted, it also waits for other tasks that have,
           because `main` may await them; not under `qtloop.run()`.
        4. If `main` has reacted by now, the loop runs until `main` is done. Steps 3 and 4 together
           take at most `quit_grace` seconds.
        5. Under `qtloop.run()`, a `main` that is not done is cancelled. Its clean-up has no limit.

        A `main` that is not done after this stays pending, and `run_until_complete()` raises
        RuntimeError.
        """
        if main is None:
            self._run_ready_callbacks()
            self._run_tasks_of_quit()
            return
        self._has_quit = True
        awaited = {task: awaited_future(task) for task in tasks.all_tasks(self)}
        limit = self.time() + self.quit_grace
        # If another thread has quit, slots of `aboutToQuit` are called by posted events.
        _native.send_posted_events()
        self._run_ready_callbacks(main)
        reacting = self._take_tasks_of_quit()
        if not (self._cancels_main_on_quit or made_progress(main, awaited)):
            # Which tasks `main` awaits cannot be found out: a TaskGroup, for example, is no future.
            reacting.update(task for task in awaited if made_progress(task, awaited))
        self._run_until_done(reacting, limit)
        self._run_ready_callbacks(main)
        if made_progress(main, awaited):
            self._run_until_done({main}, limit)
        if self._cancels_main_on_quit and not main.done():
            main.cancel()
            self._run_until_done({main}, None)

    def _run_tasks_of_quit(self) -> None:
        """Runs tasks that slots of `aboutToQuit` have started, for at most `quit_grace` seconds."""
        self._run_until_done(self._take_tasks_of_quit(), self.time() + self.quit_grace)

    def _on_quit(self) -> None:
        """Called when the application emits `aboutToQuit`, before the program's slots."""
        self._has_quit = True
        self._is_quitting = True
        self._tasks_before_quit = weakref.WeakSet(tasks.all_tasks(self))
        for wait in self._waits:
            wait.limit()

    def _on_quit_done(self) -> None:
        """Called when the slots of `aboutToQuit` have returned."""
        self._is_quitting = False
        before, self._tasks_before_quit = self._tasks_before_quit, None
        if before is not None:
            started = (task for task in tasks.all_tasks(self) if task not in before)
            self._tasks_of_quit = weakref.WeakSet(started)

    def _take_tasks_of_quit(self) -> set[asyncio.Future[Any]]:
        """Returns the tasks that slots of `aboutToQuit` have started, and resets their set."""
        self._on_quit_done()  # `exec()` may return before Qt reports the end of `aboutToQuit`
        started, self._tasks_of_quit = self._tasks_of_quit, weakref.WeakSet()
        return set(started)

    def _run_ready_callbacks(self, main: asyncio.Future[Any] | None = None) -> None:
        """Runs callbacks that are ready, and those that they queue, but no timers or sockets.

        It stops when `main` is done. A timer could make a `main` that sleeps in a loop look as if
        it reacted to the quit.
        """
        for _ in range(_MAX_BATCHES):
            if main is not None and main.done():
                break
            self._run_batch()
            self._raise_fatal()

    def _run_until_done(self, futures: set[asyncio.Future[Any]], limit: float | None) -> None:
        """Runs a nested event loop until all these are done, or until `time()` reaches `limit`.

        A `stop()` ends it, too.
        """
        pending = {future for future in futures if not future.done()}
        if not pending:
            return

        def done(future: asyncio.Future[Any]) -> None:
            if future in pending:
                pending.discard(future)
                if not pending:
                    self.stop()

        for future in pending:
            future.add_done_callback(done)
        timer = self.call_at(math.inf if limit is None else limit, self.stop)
        try:
            self._run_qt(nested=True)
        finally:
            timer.cancel()
            pending.clear()
            for future in futures:
                future.remove_done_callback(done)
        self._raise_fatal()


def awaited_future(task: asyncio.Task[Any], *, to_dialogs: bool = False) -> Any:
    """Returns the future that a task awaits, if a quit may complete it; None if the task sleeps.

    A future of `asyncWrap`, which ends with a dialog's `exec()`, counts only with `to_dialogs`.
    """
    innermost: Any = task.get_coro()
    while inspect.iscoroutine(awaited := getattr(innermost, "cr_await", None)):
        innermost = awaited
    code = getattr(innermost, "cr_code", None)
    is_ignored = code is _SLEEP if to_dialogs else code in IGNORED_AT_QUIT
    return None if is_ignored else future_awaited_by(task)


def made_progress(task: asyncio.Future[Any], awaited: dict[Any, Any]) -> bool:
    """Returns whether a task is done, or awaits another future than the one in `awaited`.

    A task without a future in `awaited`, such as one that sleeps, must be done.
    """
    before = awaited.get(task)
    return task.done() or (before is not None and future_awaited_by(task) is not before)
