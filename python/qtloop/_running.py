"""Runs of a loop and their end: `run_forever()`, `run_until_complete()`, and nested event loops.

Qt serves a loop also without a run. A run adds two things: the loop is the thread's running loop
also between its callbacks, and `stop()` or a quit of the application ends the run.
"""

from __future__ import annotations

import asyncio
import math
import sys
import threading
import weakref
from asyncio import base_events, events, futures, tasks
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from . import _attachment, _binding, _block_on, _native, _shutdown, _wakeup_fd
from ._last_window import LastWindow
from ._quit import awaited_future, made_progress

# Batches of callbacks that the main task may need to react to a quit. A chain of futures takes
# one batch per link; asyncio's longest, `wait_for()` around an event, takes four.
_MAX_BATCHES = 16


class RunMixin(_native.EventLoop, asyncio.SelectorEventLoop):
    """The part of the loop that runs it."""

    quit_grace: float = 5.0
    """Seconds for which some coroutines may still run after the application has quit:

    - the future of `run_until_complete()`, if it reacts: a slot of `aboutToQuit` has completed what
      it awaits. If it does not react, other tasks that do;
    - tasks that slots of `aboutToQuit` have started;
    - coroutines of `asyncClose` and `block_on()`, also after a `stop()`.

    After that the run ends; under `qtloop.run()` the main task is cancelled.

    Source: https://doc.qt.io/qt-6/qcoreapplication.html#aboutToQuit
    """

    _nest_patched = True  # makes nest_asyncio leave the methods of this class unchanged
    _cancels_on_quit = False
    _has_quit = False
    _given_app: Any = None
    _app_reference: Any = None  # the binding's wrapper; dropping it would delete the application
    _was_attached = False

    def __init__(self, *args: Any) -> None:
        # Restores the state that attach() has changed by `_as_running_loop()`.
        self._attach_state: ExitStack | None = None
        self._qt_loop_returned = threading.Event()
        self._tasks_before_quit: weakref.WeakSet[asyncio.Task[Any]] | None = None
        self._tasks_of_quit: weakref.WeakSet[asyncio.Task[Any]] = weakref.WeakSet()
        self._waits: list[_Wait] = []
        self._main: asyncio.Future[Any] | None = None  # of run_until_complete()
        self._outlived_windows = False
        super().__init__(*args)

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
                self._run_ready_callbacks(None)
                self._run_tasks_of_quit()
        return code

    def run_until_complete(self, future: Any) -> Any:
        """Runs until the future, or coroutine, is done, and returns its result.

        If Qt quits before, RuntimeError("Event loop stopped before Future completed.") is raised,
        perhaps after `quit_grace` seconds. The loop can run again.
        """
        if _block_on.may_nest(self):
            return _block_on.wait(self, future)
        self._check_closed()  # type: ignore[attr-defined]
        self._check_running()
        self._ensure_application()
        is_new = not futures.isfuture(future)
        future = tasks.ensure_future(future, loop=self)
        if is_new:
            # If an exception ends the run, the pending task must not be logged as well.
            future._log_destroy_pending = False
        awaited = {future}

        def done(future: asyncio.Future[Any]) -> None:
            # If a quit ends the run between the future's completion and this callback, the next
            # run calls it.
            if future in awaited:
                if self._outlived_windows and not _native.has_visible_window():
                    _binding.quit()  # deferred since the close of the last window
                else:
                    base_events._run_until_complete_cb(future)  # type: ignore[attr-defined]
            elif not future.cancelled():
                # Its run has raised the exception: mark it as retrieved.
                future.exception()

        future.add_done_callback(done)
        try:
            with self._as_running_loop():
                self._main = future
                self._run_qt()
                self._main = None
                self._raise_fatal()
                if not self._has_exited():
                    self._outlive_quit(future)
        except BaseException:
            if is_new and future.done() and not future.cancelled():
                future.exception()
            raise
        finally:
            self._main = None
            awaited.clear()
            future.remove_done_callback(done)
        if not future.done():
            raise RuntimeError("Event loop stopped before Future completed.")
        return future.result()

    # One run of a Qt loop

    def _run_qt(self, *, nested: bool = False) -> int:
        """Runs a Qt loop that serves this loop, until `stop()` or a quit. Returns its exit code."""
        _shutdown.block_if_exiting()
        _attachment.attach(self)  # type: ignore[arg-type]
        watch = ExitStack()
        is_application = False
        try:
            is_application = self._begin_run(nested)
            self._qt_loop_returned.clear()
            app = self._given_app or _binding.application()
            if not is_application or app is None:
                return self._exec()
            if self._main is not None:
                watch.enter_context(LastWindow(self, app, self._main).watched())
            # Called on the program's object, whose class may override `exec()`.
            code: int = app.exec()
            return code
        finally:
            self._end_run()
            watch.close()
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
                self._exec_nested(wait.nested_loop)
                if future.done() or not grace or self._has_fatal():
                    break
                wait.limit()
        finally:
            self._waits.remove(wait)
            wait.end()
            future.remove_done_callback(leave)

    # After a quit

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

    def _run_tasks_of_quit(self) -> None:
        """Runs tasks that slots of `aboutToQuit` have started, for at most `quit_grace` seconds."""
        self._run_until_done(self._take_tasks_of_quit(), self.time() + self.quit_grace)

    def _outlive_quit(self, main: asyncio.Future[Any]) -> None:
        """Runs `main` to its end after a quit, if `main` or a task that it may await reacts."""
        self._has_quit = True
        awaited = {task: awaited_future(task) for task in tasks.all_tasks(self)}
        limit = self.time() + self.quit_grace
        # If another thread has quit, slots of `aboutToQuit` are called by posted events.
        _native.send_posted_events()
        self._run_ready_callbacks(main)
        reacting = self._take_tasks_of_quit()
        if not (self._cancels_on_quit or made_progress(main, awaited)):
            # Main may await tasks that react. This cannot be found out: a TaskGroup, for example,
            # is not a future.
            reacting.update(task for task in awaited if made_progress(task, awaited))
        self._run_until_done(reacting, limit)
        self._run_ready_callbacks(main)
        if made_progress(main, awaited):
            self._run_until_done({main}, limit)
        if self._cancels_on_quit and not main.done():
            main.cancel()
            self._run_until_done({main}, None)

    def _run_ready_callbacks(self, main: asyncio.Future[Any] | None) -> None:
        """Runs callbacks that are ready, and those that they queue, but no timers or sockets.

        A timer could make a main task that sleeps in a loop look as if it reacted to the quit.
        """
        for _ in range(_MAX_BATCHES):
            if main is not None and main.done():
                break
            self._run_batch()
            self._raise_fatal()

    def _run_until_done(self, waited: set[asyncio.Future[Any]], limit: float | None) -> None:
        """Runs a nested event loop until all these are done, or until `time()` reaches `limit`."""
        left = {future for future in waited if not future.done()}
        if not left:
            return

        def done(future: asyncio.Future[Any]) -> None:
            if future in left:
                left.discard(future)
                if not left:
                    self.stop()

        for future in left:
            future.add_done_callback(done)
        timer = self.call_at(math.inf if limit is None else limit, self.stop)
        try:
            self._run_qt(nested=True)
        finally:
            timer.cancel()
            left.clear()
            for future in waited:
                future.remove_done_callback(done)
        self._raise_fatal()

    def _raise_fatal(self) -> None:
        error = self._take_fatal()
        if error is not None:
            if isinstance(error, _attachment.SecondApplicationError):
                _binding.keep_application()
            try:
                raise error
            finally:
                del error

    def _close_self_pipe(self) -> None:
        if self._ssock.fileno() < 0:  # type: ignore[attr-defined]
            return  # the garbage collector has closed the socket before the loop
        super()._close_self_pipe()  # type: ignore[misc]

    # The running loop

    @contextmanager
    def _as_running_loop(self) -> Iterator[None]:
        """Makes this the running loop for a block, with its hooks and signal wake-ups."""
        self._check_closed()  # type: ignore[attr-defined]
        self._check_running()
        self._ensure_application()
        self._outlived_windows = False
        with ExitStack() as undo:
            was_tracking = self._coroutine_origin_tracking_enabled  # type: ignore[attr-defined]
            undo.callback(self._set_coroutine_origin_tracking, was_tracking)  # type: ignore[attr-defined]
            self._set_coroutine_origin_tracking(self._debug)  # type: ignore[attr-defined]
            undo.callback(sys.set_asyncgen_hooks, *sys.get_asyncgen_hooks())
            sys.set_asyncgen_hooks(
                firstiter=self._asyncgen_firstiter_hook,  # type: ignore[attr-defined]
                finalizer=self._asyncgen_finalizer_hook,  # type: ignore[attr-defined]
            )
            undo.callback(events._set_running_loop, events._get_running_loop())
            events._set_running_loop(self)
            undo.callback(setattr, self, "_is_owned", self._is_owned)
            self._is_owned = True  # the code around this block raises a fatal exception
            undo.callback(self._restore_thread, self._thread_id)
            self._thread_id = threading.get_ident()
            undo.enter_context(_wakeup_fd.woken_by_signals(self))
            yield

    def _restore_thread(self, before: int | None) -> None:
        self._stopping = False
        self._thread_id = before

    def _enter_attach(self) -> None:
        """Makes this the running loop of the thread until the loop is closed."""
        with ExitStack() as stack:
            stack.enter_context(self._as_running_loop())
            _attachment.attach(self)  # type: ignore[arg-type]
            self._attach_state = stack.pop_all()

    def _exit_attach(self) -> None:
        if self._attach_state is not None:
            state, self._attach_state = self._attach_state, None
            state.close()

    def _check_running(self) -> None:
        # Inside attach(), run_forever() may be called while no Qt loop runs.
        if self._attach_state is None or _native.level() > 0 or self._depth() > 0:
            running = events._get_running_loop()
            if running is not None and running is not self:
                raise RuntimeError(
                    "Cannot run the event loop while another loop is running: "
                    f"{running!r} is; await in it, or run this loop in a thread of its own"
                )
            super()._check_running()  # type: ignore[misc]

    def _ensure_application(self) -> None:
        """Makes an application if there has been none. RuntimeError if the loop's was destroyed."""
        if _native.app_exists():
            return
        if self._was_attached:
            raise RuntimeError(
                "there is no QCoreApplication: make one before the loop runs, "
                "and keep it while it does"
            )
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError(
                "there is no QCoreApplication: make one in the main thread "
                "before a QEventLoop runs in another thread"
            )
        _binding.make_application()

    # Signals

    def remove_signal_handler(self, sig: int) -> bool:
        """Removes a handler of `add_signal_handler()`. Returns whether there was one."""
        removed = super().remove_signal_handler(sig)
        if removed and _wakeup_fd.is_woken_by_signals(self):
            _wakeup_fd.set_for(self)
        return removed


class _Wait:
    """A wait in a nested event loop, with an optional time limit."""

    def __init__(self, loop: RunMixin, grace: float) -> None:
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
