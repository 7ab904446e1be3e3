"""`QEventLoop`: the asyncio event loop that runs inside Qt's, Python half.

Code that runs once per callback is native (`_native.EventLoop`). Code that runs once per
connection, process or loop is inherited from `asyncio.SelectorEventLoop`. This module joins them.
"""

from __future__ import annotations

from asyncio import events, tasks
from collections.abc import Callable
from contextlib import ExitStack
from contextvars import Context
from types import TracebackType
from typing import Any

from . import (
    _attachment,
    _binding,
    _environment,
    _native,
    _qasync_names,
    _registry,
    _wakeup_fd,
)
from ._asyncio_private import (
    cancel_all_tasks,
    format_callback,
    get_running_loop,
    source_traceback,
)
from ._instruments import InstrumentsMixin
from ._recording import RecordingMixin
from ._running import RunMixin
from ._selector import SelectorView, fileno
from ._slow_callbacks import SlowCallbacksMixin
from ._sockets import SocketsMixin
from ._stats import StatsMixin
from ._virtual_time import VirtualTimeMixin
from ._watchdog import WatchdogMixin


@_native.add_scheduling_methods
class QEventLoop(
    RunMixin,
    VirtualTimeMixin,
    SocketsMixin,
    SlowCallbacksMixin,
    StatsMixin,
    InstrumentsMixin,
    RecordingMixin,
    WatchdogMixin,
):
    """A complete asyncio event loop that runs inside Qt's.

    Qt serves the loop from its construction until `close()`: callbacks, timers and file descriptors
    work whenever Qt processes events on the loop's thread, also in the program's own `app.exec()`,
    in `processEvents()` and in dialogs. During `run_forever()` and `run_until_complete()` it is the
    running loop of the thread also between its callbacks. Otherwise it is the running loop in its
    callbacks only.

    `app` is the application object, or a `QThread` whose thread will run the loop; another object
    raises TypeError. By default it is the application that exists, now or later. If none exists
    when the loop runs, the loop makes one: a `QApplication` if there is a display and the binding
    has QtWidgets, else a `QCoreApplication`. On a thread other than the main thread, a run without
    an application raises RuntimeError.

    The loop's thread is the one that made it, until it runs on another one. As in asyncio, only
    `call_soon_threadsafe()` may be called from other threads. A loop that is never closed is served
    until it is garbage collected, or until the interpreter ends.

    With `already_running=True` the loop stays alive without a reference until `close()`, and Ctrl-C
    ends the program's own `app.exec()` at once. With `set_running_loop=True` the loop is the
    running loop of this thread from now on until `close()`; `qtloop.attach()` does the same for a
    block. `qtparent` is accepted for programs that were written for qasync, and has no effect.

    With a `clock`, the loop has virtual time: see `VirtualClock`.

    Source: https://docs.python.org/3/library/asyncio-eventloop.html
    """

    _logger = _qasync_names.logger

    def __init__(
        self,
        app: Any = None,
        set_running_loop: bool = False,
        already_running: bool = False,
        qtparent: Any = None,
        *,
        clock: _native.VirtualClock | None = None,
    ) -> None:
        self._undo = ExitStack()
        super().__init__(SelectorView(self))
        # asyncio reads signals from the self-pipe. Signal handlers run with the highest priority.
        read = self._read_from_self
        self._watch(self._ssock.fileno(), False, False, read, (), None, urgent=True)
        _registry.all_loops.add(self)
        # asyncio's part is initialised now, so on an error the loop can be closed.
        try:
            self._given_app, is_elsewhere = _checked(app)
            if clock is not None:
                self._use_clock(clock)
            if not is_elsewhere:
                _attachment.attach(self)
            self._app_reference = self._given_app or _binding.application()
            if already_running:
                _registry.kept_alive.add(self)
                self._undo.enter_context(_wakeup_fd.woken_by_signals(self))
            _environment.instrument(self, self._undo)
            if set_running_loop:
                self._enter_attach()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Closes the loop and drops queued callbacks. Idempotent. RuntimeError while it runs."""
        # A nested wait, such as that of block_on(), could never end on a closed loop.
        if self._depth() > 0 or self._waits:
            raise RuntimeError("Cannot close a running event loop")
        self._exit_attach()
        if not self.is_running():
            self._undo.close()
            _attachment.detach(self)
            _registry.kept_alive.discard(self)
        self._drop_paced_calls()
        super().close()
        self._watched_files.clear()
        if self._wall_clock is not None:
            self._wall_clock.close()
        self._raise_fatal()

    def __enter__(self) -> QEventLoop:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Closes the loop as `asyncio.run()` does: remaining tasks are cancelled and clean up."""
        try:
            self._cancel_and_shut_down()
        finally:
            self.close()

    def _cancel_and_shut_down(self) -> None:
        was_attached = self._attach_state is not None
        self._exit_attach()
        if self.is_closed() or get_running_loop() is not None:
            return
        if not _native.app_exists() and (self._was_attached or not tasks.all_tasks(self)):
            return
        if not self._has_fatal():
            with self._as_running_loop():
                if was_attached:
                    self._finish_after_quit()  # as run_forever() does after exec()
                else:
                    self._run_tasks_of_quit()
        self._drop_paced_calls()  # one that waits for a task would start when that is cancelled
        cancel_all_tasks(self)
        self.run_until_complete(self.shutdown_asyncgens())
        self.run_until_complete(self.shutdown_default_executor())

    def _drop_paced_calls(self) -> None:
        for drop in list(self._close_callbacks):
            drop()

    # Methods that the native half calls

    def _has_room(self, frames: int = 150) -> None:
        """Raises RecursionError if the stack has no room for a callback and its error report."""
        if frames:
            self._has_room(frames - 1)

    def _handle_failed(self, handle: events.Handle, error: BaseException) -> None:
        """Reports a callback's exception as asyncio does."""
        context = {
            "message": f"Exception in callback {format_callback(handle)}",
            "exception": error,
            "handle": handle,
        }
        if traceback := source_traceback(handle):
            context["source_traceback"] = traceback
        self.call_exception_handler(context)

    # File descriptors: overrides of asyncio's methods, which would use a selector

    def _add_reader(
        self,
        fd: Any,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> events.Handle:
        return self._add_watch(fd, False, callback, args, context)

    def _add_writer(
        self,
        fd: Any,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> events.Handle:
        return self._add_watch(fd, True, callback, args, context)

    def _remove_reader(self, fd: Any) -> bool:
        return self._remove_watch(fd, False)

    def _remove_writer(self, fd: Any) -> bool:
        return self._remove_watch(fd, True)

    def _add_watch(
        self,
        file: Any,
        writer: bool,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        context: Context | None,
    ) -> events.Handle:
        self._check_closed()
        fd = fileno(file)
        handle = self._watch(fd, writer, False, callback, args, context)
        if file is not fd:
            # Kept alive while it is watched, and to find its descriptor after it is closed.
            self._watched_files[fd, writer] = file
        return handle

    def _remove_watch(self, file: Any, writer: bool) -> bool:
        if self.is_closed():
            return False
        try:
            fd = fileno(file)
        except ValueError:
            watched = (
                key
                for key, kept in self._watched_files.items()
                if kept is file and key[1] == writer
            )
            key = next(watched, None)
            if key is None:
                raise
            fd = key[0]
        self._watched_files.pop((fd, writer), None)
        return self._unwatch(fd, writer)

    # Methods that the native half calls for a transport

    def _transport_handle(
        self, transport: Any, writer: bool, context: Context | None = None
    ) -> events.Handle:
        """Returns a handle for one direction of a transport, like the one that asyncio has."""
        ready = transport._write_ready if writer else transport._read_ready
        return events.Handle(ready, (), self, context)

    def _run_transport(self, transport: Any, writer: bool) -> None:
        """Runs one direction of a transport in debug mode."""
        context = transport._io.context(writer)
        self._run_handle(self._transport_handle(transport, writer, context))

    def _transport_failed(self, transport: Any, writer: bool, error: BaseException) -> None:
        """Reports an exception that a transport has not handled, as asyncio's handle would."""
        self._handle_failed(self._transport_handle(transport, writer), error)

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} running={self.is_running()} "
            f"closed={self.is_closed()} debug={self.get_debug()}>"
        )


def _checked(app: Any) -> tuple[Any, bool]:
    """Returns the given application, or None, and whether the loop is for another thread."""
    binding = _binding.binding
    if app is None:
        return None, False
    classes = (binding.QtCore.QCoreApplication, binding.QtCore.QThread) if binding else ()
    if binding is None or not isinstance(app, classes):
        of = f" of {binding.name}" if binding else "; there is no Qt binding, so leave it out"
        raise TypeError(f"app must be a QCoreApplication or a QThread{of}, not {app!r}")
    if isinstance(app, binding.QtCore.QCoreApplication):
        return app, False
    return None, app != binding.QtCore.QThread.currentThread()


def new_event_loop() -> QEventLoop:
    """Returns a new `QEventLoop`, for APIs that take a loop factory."""
    return QEventLoop()
