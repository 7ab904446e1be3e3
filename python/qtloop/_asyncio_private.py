"""The private names of asyncio that qtloop uses: the list of what a new CPython may break.

No other module reads a private name of asyncio's modules. `AsyncioLoop` and `SSLProtocol` are
asyncio's own classes: they declare the private names that our subclasses use, for type checkers.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from asyncio import (
    base_events,
    constants,
    events,
    format_helpers,
    futures,
    runners,
    sslproto,
    tasks,
    transports,
)
from collections.abc import Callable, Coroutine, Iterable
from operator import methodcaller
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import socket
    import ssl

    class AsyncioLoop(asyncio.SelectorEventLoop):
        """`asyncio.SelectorEventLoop` with the private names that qtloop calls or overrides."""

        _coroutine_origin_tracking_enabled: bool
        _csock: socket.socket
        _current_handle: asyncio.Handle | None
        _default_executor: Any
        _executor_shutdown_called: bool
        _signal_handlers: dict[int, asyncio.Handle]
        _ssock: socket.socket
        _transports: Any

        def _accept_connection2(self, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, None]: ...
        def _asyncgen_finalizer_hook(self, agen: Any) -> None: ...
        def _asyncgen_firstiter_hook(self, agen: Any) -> None: ...
        def _check_callback(self, callback: object, method: str) -> None: ...
        def _check_closed(self) -> None: ...
        def _check_running(self) -> None: ...
        def _check_thread(self) -> None: ...
        def _close_self_pipe(self) -> None: ...
        def _ensure_fd_no_transport(self, fd: int | socket.socket) -> None: ...
        def _read_from_self(self) -> None: ...
        def _remove_reader(self, fd: Any) -> bool: ...
        def _set_coroutine_origin_tracking(self, enabled: bool) -> None: ...
        def _start_serving(self, *args: Any, **kwargs: Any) -> None: ...

    class SSLProtocol(sslproto.SSLProtocol):
        """asyncio's TLS protocol with the private names that `_tls.TLSProtocol` uses."""

        _app_protocol: Any
        _app_protocol_get_buffer: Callable[[int], Any]
        _app_protocol_is_buffer: bool
        _app_reading_paused: bool
        _app_transport: Any
        _app_writing_paused: bool
        _incoming: ssl.MemoryBIO
        _outgoing: ssl.MemoryBIO
        _ssl_buffer: bytearray
        _ssl_buffer_view: memoryview
        _ssl_reading_paused: bool
        _sslobj: Any
        _state: Any
        _write_backlog: Any

        def _call_eof_received(self) -> None: ...
        def _control_ssl_reading(self) -> None: ...
        def _do_write(self) -> None: ...
        def _fatal_error(self, exc: BaseException, message: str = ...) -> None: ...
        def _process_outgoing(self) -> None: ...
        def _set_app_protocol(self, app_protocol: asyncio.BaseProtocol) -> None: ...
        def _start_shutdown(self) -> None: ...
        def _write_appdata(self, list_of_data: Any) -> None: ...

else:
    AsyncioLoop = asyncio.SelectorEventLoop
    SSLProtocol = sslproto.SSLProtocol

# The attributes of asyncio's loops, except those that the native loop has.
LOOP_ATTRIBUTES = (
    "_asyncgens",
    "_asyncgens_shutdown_called",
    "_clock_resolution",
    "_coroutine_origin_tracking_enabled",
    "_coroutine_origin_tracking_saved_depth",
    "_csock",
    "_current_handle",
    "_default_executor",
    "_exception_handler",
    "_executor_shutdown_called",
    "_internal_fds",
    "_old_agen_hooks",
    "_selector",
    "_signal_handlers",
    "_ssock",
    "_timer_cancelled_count",
    "_transports",
    "_unix_server_sockets",
    "slow_callback_duration",
)

FlowControlMixin = transports._FlowControlMixin
SendfileMode = constants._SendfileMode

# As `Any`, because the stubs of asyncio lack these functions.
_base_events: Any = base_events
_format_helpers: Any = format_helpers
_futures: Any = futures
_handle: Any = asyncio.Handle
_runners: Any = runners

# The code whose frame calls the callback of a handle.
HANDLE_RUN: CodeType = _handle._run.__code__

cancel_all_tasks: Callable[[asyncio.AbstractEventLoop], None] = _runners._cancel_all_tasks
check_ssl_socket: Callable[[Any], None] = _base_events._check_ssl_socket
# Without a frame of its own: a traceback of the callback would keep the frame, and so the handle.
run_handle: Callable[[asyncio.Handle], None] = methodcaller("_run")
set_nodelay: Callable[[Any], None] = _base_events._set_nodelay
set_result_unless_cancelled: Callable[[asyncio.Future[Any], Any], None]
set_result_unless_cancelled = _futures._set_result_unless_cancelled
stop_loop_of: Callable[[asyncio.Future[Any]], None] = _base_events._run_until_complete_cb

# The local variable that names the futures, in the functions of asyncio that wait for several.
_WAITS: dict[CodeType, str] = {tasks._wait.__code__: "fs"}  # type: ignore[attr-defined]
_GROUP_EXITS: set[CodeType] = set()
if sys.version_info >= (3, 11):
    for _name in ("__aexit__", "_aexit"):
        if _method := vars(asyncio.TaskGroup).get(_name):
            _GROUP_EXITS.add(_method.__code__)
if sys.version_info < (3, 12):
    _WAITS[tasks.wait_for.__code__] = "fut"


# The functions below look their names up at each call: CPython's own tests replace some of them.


def get_running_loop() -> asyncio.AbstractEventLoop | None:
    """Returns the running loop of the thread, or None."""
    return events._get_running_loop()


def set_running_loop(loop: asyncio.AbstractEventLoop | None) -> None:
    """Sets the running loop of the thread."""
    events._set_running_loop(loop)


def enter_task(loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any]) -> None:
    """Makes a task the current one of its loop, which must have none."""
    tasks._enter_task(loop, task)


def leave_task(loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any]) -> None:
    """Makes the loop have no current task."""
    tasks._leave_task(loop, task)


def get_event_loop_makes_one() -> bool:
    """Returns whether `asyncio.get_event_loop()` would make a loop, without a warning."""
    if sys.version_info >= (3, 12):
        return False
    policy: Any = asyncio.get_event_loop_policy()
    is_default = isinstance(policy, events.BaseDefaultEventLoopPolicy)
    return is_default and policy._local._loop is None


def log_slow_callback(handle: asyncio.Handle, seconds: float, where: str) -> None:
    """Logs that a callback took long, as asyncio does in debug mode, and appends `where`."""
    text: str = _base_events._format_handle(handle)
    _base_events.logger.warning("Executing %s took %.3f seconds%s", text, seconds, where)


def format_callback(handle: asyncio.Handle) -> str:
    """Returns the description of a handle's callback, for a log message."""
    callback: Any = handle
    text: str = _format_helpers._format_callback_source(callback._callback, callback._args)
    return text


def process_exited(transport: Any) -> Any:
    """Returns the method of a subprocess transport that takes the exit code of the process."""
    return transport._process_exited


def source_traceback(handle: asyncio.Handle) -> Any:
    """Returns where a handle was made, in debug mode; else None."""
    value: Any = handle
    return value._source_traceback


def do_not_log_if_pending(future: asyncio.Future[Any]) -> None:
    """Makes asyncio not log an error if the task is destroyed while it is pending."""
    task: Any = future
    task._log_destroy_pending = False


def future_awaited_by(future: asyncio.Future[Any]) -> Any:
    """Returns the future that a task awaits; None if the task is about to run, or is no task."""
    return getattr(future, "_fut_waiter", None)


def tasks_awaiting(task: asyncio.Task[Any]) -> list[asyncio.Task[Any]]:
    """Returns the tasks that await a task: directly, in `gather()`, `wait()` or a TaskGroup.

    From Python 3.14 asyncio keeps them: `asyncio.capture_call_graph()` reads the same set.
    """
    awaited: Any = task
    if hasattr(awaited, "_asyncio_awaited_by"):
        waiting = list(awaited._asyncio_awaited_by or ())
        return [future for future in waiting if isinstance(future, asyncio.Task)]
    futures, parents = [awaited], []
    for callback, _ in awaited._callbacks or ():
        # The callback of a TaskGroup is its method.
        parent = getattr(getattr(callback, "__self__", None), "_parent_task", None)
        if isinstance(parent, asyncio.Task):
            parents.append(parent)
        futures += _futures_of(callback)
    others = asyncio.all_tasks(awaited.get_loop())
    waits = (each for each in others if any(future_awaited_by(each) is one for one in futures))
    return [*waits, *parents]


def _futures_of(callback: Any) -> list[Any]:
    """Returns the futures that a callback of `gather()`, `wait()` or `wait_for()` completes."""
    values = [*getattr(callback, "args", ())]
    for cell in getattr(callback, "__closure__", None) or ():
        with contextlib.suppress(ValueError):  # the cell is empty
            values.append(cell.cell_contents)
    return [value for value in values if asyncio.isfuture(value)]


def children_of_gather(future: asyncio.Future[Any]) -> Any:
    """Returns the futures that a future of `gather()` waits for; None for other futures."""
    return getattr(future, "_children", None)


def awaited_by_frame(frame: FrameType, future: asyncio.Future[Any]) -> tuple[Iterable[Any], bool]:
    """Returns the futures that asyncio's code in a suspended frame waits for.

    `future` is the one that it awaits for them. The second value says whether further tasks can
    join them: those of a TaskGroup.
    """
    if (name := _WAITS.get(frame.f_code)) is not None:
        found = frame.f_locals.get(name, ())
        return (found if isinstance(found, Iterable) and name == "fs" else (found,)), False
    if frame.f_code in _GROUP_EXITS:
        return tuple(getattr(frame.f_locals.get("self"), "_tasks", ())), True
    for callback in _callbacks(future):
        if getattr(callback, "__qualname__", "") == "shield.<locals>._outer_done_callback":
            cells = (cell.cell_contents for cell in callback.__closure__)
            return tuple(each for each in cells if each is not future), False
    return (), False


def _callbacks(future: asyncio.Future[Any]) -> list[Any]:
    """Returns the callbacks of a future, without their contexts."""
    value: Any = future
    return [callback for callback, _ in getattr(value, "_callbacks", None) or ()]


def tasks_woken_by(future: asyncio.Future[Any]) -> list[asyncio.Task[Any]]:
    """Returns the tasks that the future wakes when it is done."""
    woken = (getattr(callback, "__self__", None) for callback in _callbacks(future))
    return [task for task in woken if isinstance(task, asyncio.Task)]


def task_of_timeout(timeout: object) -> asyncio.Task[Any] | None:
    """Returns the task that an `asyncio.Timeout` would interrupt; None for other objects."""
    task = getattr(timeout, "_task", None)
    return task if isinstance(task, asyncio.Task) else None


def callback_of(handle: asyncio.Handle) -> tuple[Any, tuple[Any, ...]]:
    """Returns the callback of a handle and its arguments; (None, ()) if it was cancelled."""
    value: Any = handle
    return value._callback, value._args or ()


def unretrieved_exception(future: asyncio.Future[Any]) -> BaseException | None:
    """Returns the exception that asyncio will report if it is not retrieved, without doing so."""
    value: Any = future
    if not (future.done() and getattr(value, "_log_traceback", False)):
        return None
    error: BaseException | None = value._exception
    return error


def has_coroutine_mark(fn: Any) -> bool:
    """Returns whether a compiler such as Cython has marked the function as a coroutine function."""
    mark = getattr(asyncio.coroutines, "_is_coroutine", None)
    return mark is not None and getattr(fn, "_is_coroutine", None) is mark


def take_buffered(protocol: asyncio.BaseProtocol) -> bytes:
    """Takes the bytes that the StreamReader of a stream's protocol has buffered."""
    reader: Any = getattr(protocol, "_stream_reader", None)
    if not isinstance(protocol, asyncio.StreamReaderProtocol) or reader is None:
        return b""
    buffered = bytes(reader._buffer)
    reader._buffer.clear()
    return buffered


if sys.version_info >= (3, 13):

    def attach_to_server(server: Any, transport: asyncio.BaseTransport) -> None:
        """Adds a connection to those that the server waits for."""
        server._attach(transport)

    def detach_from_server(server: Any, transport: asyncio.BaseTransport) -> None:
        """Removes a connection that is lost."""
        server._detach(transport)
else:

    def attach_to_server(server: Any, transport: asyncio.BaseTransport) -> None:
        """Counts a connection that the server waits for."""
        server._attach()

    def detach_from_server(server: Any, transport: asyncio.BaseTransport) -> None:
        """Stops counting a connection that is lost."""
        server._detach()
