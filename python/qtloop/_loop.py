"""The asyncio loop that lives inside Qt's: the Python half of `QEventLoop`.

What runs once per callback is in the native half. What runs once per connection, per process or per
loop is inherited from asyncio's own selector loop; here is what joins the two.
"""

from __future__ import annotations

import asyncio
import math
import signal
import sys
import threading
from asyncio import base_events, events, format_helpers, futures, runners, tasks
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager, suppress
from types import TracebackType
from typing import Any

from . import _binding, _end, _excepthook, _native, _ported
from ._connecting import Connecting
from ._default_executor import Executing
from ._quit import listens_to, moved
from ._sockets import Sockets
from ._watched import Watched, fileno

# How many batches of callbacks may pass between a quit and the main task's noticing it. A chain of
# futures takes a batch per link; asyncio's longest, wait_for around an event, takes four.
_LINKS = 16

# Loops inside an exec() that somebody else calls; nobody else needs to keep them alive.
_guests: set[QEventLoop] = set()


class QEventLoop(Connecting, Sockets, Executing):
    """A complete asyncio event loop that runs inside Qt's own.

    `app` is the application object, or a `QThread` whose thread will run the loop; by default the
    application that there is, or else a new `QCoreApplication` (a `QApplication` if the program has
    imported QtWidgets and there is a display). The loop may be made anywhere and
    runs on the thread that calls `run_forever()` or `run_until_complete()`; as in asyncio, only
    `call_soon_threadsafe()` may be called from another thread.

    With `already_running=True` the program calls `app.exec()` itself: the loop works whenever Qt's
    does, until it is closed. `qtloop.attach()` is the same with an end.

    `set_running_loop` and `qtparent` are accepted for programs that were written for qasync, and
    have no effect.

    Source: https://docs.python.org/3/library/asyncio-eventloop.html
    """

    quit_grace: float = 5.0
    """Seconds for which `run_until_complete()` lets its future go on after the application has
    quit, if the future reacts to that: if it waited for something that `aboutToQuit` has brought
    about. After that it is cut short; under `qtloop.run()` it is cancelled."""

    _cancels_on_quit = False
    _has_quit = False
    _logger = _ported.logger

    def __init__(
        self,
        app: Any = None,
        set_running_loop: bool = False,
        already_running: bool = False,
        qtparent: Any = None,
    ) -> None:
        self._files: dict[tuple[int, bool], Any] = {}
        self._guest: ExitStack | None = None
        self._off_qt = threading.Event()
        super().__init__(Watched(self))
        _end.loops.add(self)
        # asyncio's part is there, so whatever fails from here on can close it.
        try:
            self._app = _application_for(app)
            if already_running:
                self._be_guest()
        except BaseException:
            self.close()
            raise

    # Running

    def run_forever(self) -> int:  # type: ignore[override]
        """Run until `stop()`, or until Qt quits. Returns the exit code of Qt's loop.

        On the main thread it calls the application's own `exec()`. `stop()` ends that without an
        `aboutToQuit`: the loop has ended, not the application. Inside of a Qt loop that runs
        already, for example in a slot, it runs a nested one.
        """
        with self._running():
            code = self._run_qt(self._home())
            self._raise_fatal()
        return code

    def run_until_complete(self, future: Any) -> Any:
        """Run until the future, or coroutine, is done, and return its result.

        If Qt quits before, RuntimeError("Event loop stopped before Future completed.") is raised,
        and the loop can run again; but see `quit_grace`.
        """
        self._check_closed()  # type: ignore[attr-defined]
        self._check_running()
        is_new = not futures.isfuture(future)
        future = tasks.ensure_future(future, loop=self)
        if is_new:
            # An exception on the way out must not complain of the task as well.
            future._log_destroy_pending = False
        awaited = {future}

        def done(future: asyncio.Future[Any]) -> None:
            # A quit may end the run between the future's end and this; then it comes in the next.
            if future in awaited:
                base_events._run_until_complete_cb(future)  # type: ignore[attr-defined]
            elif not future.cancelled():
                # It was raised where it was waited for.
                future.exception()

        future.add_done_callback(done)
        try:
            with self._running():
                self._run_qt(self._home())
                self._raise_fatal()
                if not (future.done() or self._has_left()):
                    self._outlive_quit(future)
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

    def close(self) -> None:
        """Close the loop. Idempotent; what is still queued is dropped. Not while it runs."""
        if self._depth() > 0:
            raise RuntimeError("Cannot close a running event loop")
        self._leave_guest()
        super().close()
        self._files.clear()
        self._raise_fatal()

    def __enter__(self) -> QEventLoop:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End as `asyncio.run` does: cancel what is left, let it clean up, close."""
        try:
            self._wind_up()
        finally:
            self.close()

    def _wind_up(self) -> None:
        self._leave_guest()
        if self.is_closed() or not _native.app_exists() or asyncio._get_running_loop() is not None:
            return
        runners._cancel_all_tasks(self)  # type: ignore[attr-defined]
        self.run_until_complete(self.shutdown_asyncgens())
        self.run_until_complete(self.shutdown_default_executor())

    def _home(self) -> str:
        """Which Qt loop to live in; the native half knows the words."""
        if _native.level() > 0:
            return "nest"
        return "application" if _native.is_main_thread() else "thread"

    def _run_qt(self, home: str) -> int:
        """Run Qt's loop with this one in it."""
        _end.wait()
        try:
            self._attach(home)
            self._off_qt.clear()
            _end.hanging.add(self)
            if home != "application" or self._app is None:
                return self._exec()
            # The program's own, which it may have overridden.
            code: int = self._app.exec()
            return code
        finally:
            self._detach()
            _end.hanging.discard(self)
            self._off_qt.set()
            _end.wait()
            if home == "application" and not self._has_left():
                _native.forget_quit()

    def _run_nested(self, future: asyncio.Future[Any]) -> None:
        """Run Qt's events, and this running loop's, until the future is done or the loop ends."""
        nest = _native.Nest()

        def leave(_: object) -> None:
            nest.leave()

        future.add_done_callback(leave)
        try:
            if not future.done():
                self._exec_nest(nest)
        finally:
            future.remove_done_callback(leave)

    def _outlive_quit(self, main: asyncio.Future[Any]) -> None:
        """Qt has quit while `main` waits: let it finish if it, or a task it waits for, reacts."""
        self._has_quit = True
        heard = {task: listens_to(task) for task in tasks.all_tasks(self)}
        limit = self.time() + self.quit_grace
        # Slots of aboutToQuit are among it, if another thread has said so.
        _native.send_posted_events()
        self._settle(main)
        if not (self._cancels_on_quit or moved(main, heard)):
            # Main may wait for those that react; that cannot be known, a TaskGroup is no future.
            self._go_on({task for task in heard if moved(task, heard)}, limit)
            self._settle(main)
        if moved(main, heard):
            self._go_on({main}, limit)
        if self._cancels_on_quit and not main.done():
            main.cancel()
            self._go_on({main}, None)

    def _settle(self, main: asyncio.Future[Any]) -> None:
        """Run what follows from what has happened: callbacks that are ready, no timers, no sockets.

        With those, a main that merely sleeps in a loop would seem to react to a quit.
        """
        for _ in range(_LINKS):
            if main.done():
                break
            self._run_batch()
            self._raise_fatal()

    def _go_on(self, waited: set[asyncio.Future[Any]], limit: float | None) -> None:
        """Run in a Qt loop of our own until all these are done, or the time has come."""
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
            self._run_qt("nest")
        finally:
            timer.cancel()
            left.clear()
            for future in waited:
                future.remove_done_callback(done)
        self._raise_fatal()

    def _raise_fatal(self) -> None:
        error = self._take_fatal()
        if error is not None:
            try:
                raise error
            finally:
                del error

    @contextmanager
    def _running(self) -> Iterator[None]:
        """All that is different while the loop runs."""
        self._check_closed()  # type: ignore[attr-defined]
        self._check_running()
        with ExitStack() as undo:
            if self._guest is not None:
                self._leave_guest()
                undo.callback(self._be_guest_again)
            undo.callback(self._set_coroutine_origin_tracking, False)  # type: ignore[attr-defined]
            self._set_coroutine_origin_tracking(self._debug)  # type: ignore[attr-defined]
            undo.callback(sys.set_asyncgen_hooks, *sys.get_asyncgen_hooks())
            sys.set_asyncgen_hooks(
                firstiter=self._asyncgen_firstiter_hook,  # type: ignore[attr-defined]
                finalizer=self._asyncgen_finalizer_hook,  # type: ignore[attr-defined]
            )
            undo.callback(events._set_running_loop, None)
            events._set_running_loop(self)
            undo.callback(self._forget_thread)
            self._thread_id = threading.get_ident()
            undo.enter_context(self._prompt_signals())
            undo.enter_context(_excepthook.installed())
            yield

    def _forget_thread(self) -> None:
        self._stopping = False
        self._thread_id = None

    # Somebody else calls exec()

    def _be_guest(self) -> None:
        """Work whenever Qt does, from now on."""
        with ExitStack() as stack:
            stack.enter_context(self._running())
            self._attach("guest")
            stack.callback(self._detach)
            _end.hanging.add(self)
            _guests.add(self)
            self._guest = stack.pop_all()

    def _leave_guest(self) -> None:
        if self._guest is not None:
            guest, self._guest = self._guest, None
            guest.close()
            _end.hanging.discard(self)
            _guests.discard(self)

    def _be_guest_again(self) -> None:
        if _native.app_exists():
            self._be_guest()

    def _check_running(self) -> None:
        # A guest may run by itself where no exec() runs it.
        if self._guest is None or _native.level() > 0:
            super()._check_running()  # type: ignore[misc]
        if not _native.app_exists():
            raise RuntimeError(
                "there is no QCoreApplication: make one before the loop runs, "
                "and keep it while it does"
            )

    # What the native half calls

    def _run_handle(self, handle: events.Handle) -> None:
        """Run a handle in debug mode."""
        outer = self._current_handle  # type: ignore[has-type]
        self._current_handle = handle
        try:
            began, turns = self.time(), self._nested_turns()
            handle._run()
            took = self.time() - began
            # One that has had a dialog open did not hold the others up.
            if took >= self.slow_callback_duration and turns == self._nested_turns():
                words = base_events._format_handle(handle)  # type: ignore[attr-defined]
                base_events.logger.warning(  # type: ignore[attr-defined]
                    "Executing %s took %.3f seconds", words, took
                )
        finally:
            self._current_handle = outer
            # The traceback of a task's exception keeps this frame, and would keep the task with it.
            del handle, outer

    def _handle_failed(self, handle: events.Handle, error: BaseException) -> None:
        """Report a callback's exception as asyncio does."""
        source = format_helpers._format_callback_source(handle._callback, handle._args)  # type: ignore[attr-defined]
        context = {
            "message": f"Exception in callback {source}",
            "exception": error,
            "handle": handle,
        }
        if handle._source_traceback:  # type: ignore[attr-defined]
            context["source_traceback"] = handle._source_traceback  # type: ignore[attr-defined]
        self.call_exception_handler(context)

    # Descriptors: asyncio's own methods of these names, without the selector

    def _add_reader(self, fd: Any, callback: Callable[..., object], *args: Any) -> events.Handle:
        return self._add_watch(fd, False, callback, args)

    def _add_writer(self, fd: Any, callback: Callable[..., object], *args: Any) -> events.Handle:
        return self._add_watch(fd, True, callback, args)

    def _remove_reader(self, fd: Any) -> bool:
        return self._remove_watch(fd, False)

    def _remove_writer(self, fd: Any) -> bool:
        return self._remove_watch(fd, True)

    def _add_watch(
        self, file: Any, writer: bool, callback: Callable[..., object], args: tuple[Any, ...]
    ) -> events.Handle:
        self._check_closed()  # type: ignore[attr-defined]
        fd = fileno(file)
        handle = self._watch(fd, writer, False, callback, args)
        if file is not fd:
            # Kept alive while it is watched, and known again when it is closed.
            self._files[fd, writer] = file
        return handle

    def _remove_watch(self, file: Any, writer: bool) -> bool:
        if self.is_closed():
            return False
        try:
            fd = fileno(file)
        except ValueError:
            watched = (
                key for key, kept in self._files.items() if kept is file and key[1] == writer
            )
            key = next(watched, None)
            if key is None:
                raise
            fd = key[0]
        self._files.pop((fd, writer), None)
        return self._unwatch(fd, writer)

    # What the native half calls for a transport

    def _run_transport(self, transport: Any, writer: bool) -> None:
        """Run one side of a transport in debug mode."""
        ready = transport._write_ready if writer else transport._read_ready
        self._run_handle(events.Handle(ready, (), self, transport._io.context(writer)))

    def _transport_failed(self, transport: Any, writer: bool, error: BaseException) -> None:
        """Report what asyncio's transports leave to the handle that has called them."""
        ready = transport._write_ready if writer else transport._read_ready
        self._handle_failed(events.Handle(ready, (), self), error)

    # Signals

    @contextmanager
    def _prompt_signals(self) -> Generator[None]:
        """Let a signal end Qt's sleep: its Python handler runs at once, not with the next event."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = self._wake_on_signals()
        try:
            yield
        finally:
            # add_signal_handler() wants it to stay; it is undone by remove_signal_handler().
            if not self._signal_handlers:  # type: ignore[attr-defined]
                # Whoever it was, closed it meanwhile.
                with suppress(ValueError, OSError):
                    signal.set_wakeup_fd(before)

    def _wake_on_signals(self) -> int:
        descriptor: int = self._csock.fileno()  # type: ignore[attr-defined]
        return signal.set_wakeup_fd(descriptor, warn_on_full_buffer=False)

    def remove_signal_handler(self, sig: int) -> bool:
        """Remove a handler of `add_signal_handler()`; returns whether there was one."""
        removed = super().remove_signal_handler(sig)
        if removed and self.is_running():
            self._wake_on_signals()
        return removed

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} running={self.is_running()} "
            f"closed={self.is_closed()} debug={self.get_debug()}>"
        )


def _application_for(app: Any) -> Any:
    """The application whose `exec()` the loop calls; None if it is the native half's."""
    binding = _binding.binding
    if app is not None:
        classes = (binding.QtCore.QCoreApplication, binding.QtCore.QThread) if binding else ()
        if not isinstance(app, classes):
            of = f" of {binding.name}" if binding else "; there is no Qt binding, so leave it out"
            raise TypeError(f"app must be a QCoreApplication or a QThread{of}, not {app!r}")
        if binding and isinstance(app, binding.QtCore.QCoreApplication):
            return app
    elif not _native.app_exists():
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError(
                "there is no QCoreApplication: make one in the main thread "
                "before the first QEventLoop of another thread"
            )
        if binding is None:
            _native.ensure_app()
        else:
            return _binding.make_application()
    return _binding.application()


def new_event_loop() -> QEventLoop:
    """A loop for the application that there is, for those who want a factory."""
    return QEventLoop()
