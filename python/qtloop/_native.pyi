"""The native module: the loop's hot path over Qt, and Qt functions that work without a binding."""

import asyncio
from collections.abc import Callable, Generator
from contextvars import Context
from types import TracebackType
from typing import Any, Final, TypeVar, final

from typing_extensions import TypeVarTuple, Unpack, disjoint_base

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")
_LoopType = TypeVar("_LoopType", bound="EventLoop")

__all__ = [
    "Datagrams",
    "Endpoint",
    "EventLoop",
    "Handle",
    "NestedLoop",
    "Recording",
    "StackDump",
    "Stream",
    "TimerHandle",
    "VirtualClock",
    "WallTimer",
    "Watchdog",
    "Yield",
    "__version__",
    "add_instrument",
    "add_scheduling_methods",
    "app_exists",
    "check_priority",
    "count_handles",
    "ensure_app",
    "excepthook",
    "forget_quit",
    "forget_quit_soon",
    "get_priority",
    "handles",
    "has_visible_window",
    "hold_time",
    "is_main_thread",
    "level",
    "nanoseconds",
    "observe_tasks",
    "place_accounts",
    "recent_figures",
    "remove_instrument",
    "send_posted_events",
    "set_priority",
    "set_qt_functions",
    "start_recording",
    "stats",
    "task_accounts",
    "task_changes",
    "use_clock",
    "watch_application",
    "watches",
    "yield_if_needed",
]

__version__: Final[str]

@final
class Handle(asyncio.Handle):
    """asyncio.Handle, made and cancelled natively."""

@final
class TimerHandle(asyncio.TimerHandle):
    """asyncio.TimerHandle, made and cancelled natively."""

@final
class NestedLoop:
    """A nested QEventLoop for one wait; see EventLoop._exec_nested(). Use it on one thread only."""

    def __new__(cls) -> NestedLoop: ...
    def exit(self) -> None:
        """Ends the wait; if it has not begun, it returns at once."""

@final
class WallTimer:
    """A descriptor that becomes readable at a wall-clock time, and when the clock was set."""

    def __new__(cls) -> WallTimer: ...
    @staticmethod
    def now() -> int:
        """Returns the wall-clock time, in nanoseconds since 1970-01-01 UTC."""
    def fileno(self) -> int:
        """Returns the number of the descriptor."""
    def set(self, deadline: int | None) -> None:
        """Makes it readable at a time in nanoseconds, or when the clock is set before that.

        With None it is not readable.
        """
    def close(self) -> None:
        """Closes the descriptor. Idempotent."""

@final
class VirtualClock:
    """A clock that jumps to the next timer when nothing else can happen before it:

        clock = qtloop.VirtualClock()
        qtloop.run(main(), clock=clock)  # `await asyncio.sleep(3600)` takes no time

    Pass it to `run()`, `attach()` or `QEventLoop`. It becomes the clock of all timers of that loop:
    `loop.time()` is `now`. One clock is for one open loop at a time.

    The clock stands still while the loop works. It jumps when no callback is ready and Qt has
    processed its events. It does not jump while a job of an executor runs, a child process runs, or
    a call from another thread is pending. While the loop watches file descriptors, it jumps only
    after `idle` real seconds without a callback. Each timer runs at its own time: in its callback
    `loop.time()` is its deadline.

    `start` is the first time, in seconds. Time is kept in whole nanoseconds. ValueError if `start`
    is not within 292 years of 0, or if `idle` is negative or NaN.

    `sleep_until()` and `call_at_datetime()` use this clock, too, as seconds since 1970-01-01 UTC.
    Qt's own timers and animations keep real time.
    """

    def __new__(cls, start: float = 0.0, idle: float = 0.05) -> VirtualClock: ...
    @property
    def now(self) -> float:
        """The current time, in seconds."""
    @property
    def idle(self) -> float:
        """Real seconds without a callback before a jump, while file descriptors are watched."""
    def advance(self, seconds: float) -> None:
        """Lets `seconds` pass, 0 or more, as a function does that takes so long.

        No callback runs in this call. Timers that become due run in the loop, each at its own
        time: `now` stops at the first deadline. It moves on when the loop has run the callbacks,
        until `seconds` have passed. Nothing delays that, not even a job of an executor.

        ValueError if `seconds` is negative or NaN, or would pass the end of the clock, 292 years
        after 0.
        """

@final
class StackDump:
    """The reader of the stacks that a signal brings; see _stack_dump."""

    def __new__(cls, signal: int, pipe: int) -> StackDump: ...
    @staticmethod
    def free_signal() -> int | None:
        """Returns a real-time signal that nothing in this process handles, or None."""
    def is_pending(self) -> bool:
        """Returns whether a signal was sent that its thread has not received."""

@final
class Watchdog:
    """The watchdog of a loop on the thread that has made it; see _watchdog."""

    def __new__(
        cls,
        event_loop: EventLoop,
        seconds: float,
        dump: StackDump | None,
        error_fd: int | None,
        thread_name: str | None,
        hidden: list[str],
        installed: list[str],
    ) -> Watchdog: ...
    def next(
        self,
    ) -> tuple[float, bool, bool, str | None, list[tuple[str, int, str]] | None, int] | None:
        """Waits for the next report, without the GIL; None after stop().

        The seconds, whether it is over, whether there is a window, the name of the task, the stack
        that a signal has brought, and the number of the stall.
        """
    def describe(
        self,
        seconds: float,
        is_over: bool,
        has_window: bool,
        task: str | None,
        stack: list[tuple[str, int, str]],
        chain: list[tuple[str, int, str]],
    ) -> tuple[int | None, str]:
        """Returns the index of the frame that a report names, and its text."""
    def stop(self, event_loop: EventLoop) -> None:
        """Ends the watchdog, after its last report was posted. Idempotent; on any thread."""

@disjoint_base
class Endpoint:
    """The base class of Stream and Datagrams: one file descriptor of a transport."""

    @property
    def closing(self) -> bool: ...
    @property
    def lost(self) -> bool: ...
    def close(self, transport: Any, keep_reading: bool = False) -> None:
        """Closes the transport when all data is written; stops reading, unless `keep_reading`."""
    def lose(self, transport: asyncio.BaseTransport, error: BaseException | None) -> None:
        """Stops reading and queues connection_lost(error), once."""
    def mark_lost(self, transport: asyncio.BaseTransport) -> None:
        """Stops reading and marks the transport as lost; the caller calls connection_lost()."""
    def context(self, writer: bool) -> Context | None:
        """Returns the context of the protocol's methods for a direction; a copy if it is in use."""
    def call(self, method: Callable[..., object], *args: Any) -> None:
        """Calls a method of the protocol in the context of the connection, if it has one."""
    def set_protocol(self, protocol: Any, buffered: bool) -> None:
        """Replaces the protocol. `buffered` says whether it is a BufferedProtocol."""
    def start(self, transport: Any) -> None:
        """Starts reading, unless it is paused or the transport is closing."""
    def stop(self, transport: asyncio.BaseTransport) -> None:
        """Stops reading."""
    def is_watched(self) -> bool:
        """Returns whether the descriptor is registered for reading."""
    def is_reading(self) -> bool:
        """Returns whether reading is not paused, and the transport is not closing."""
    def pause(self, transport: asyncio.BaseTransport) -> bool:
        """Pauses reading. False if it is paused already, or the transport is closing."""
    def resume(self, transport: Any) -> bool:
        """Resumes reading. False if it is not paused, or the transport is closing."""
    def buffered(self) -> int:
        """Returns the number of bytes that wait to be written."""
    def limits(self) -> tuple[int, int]:
        """Returns (low, high): writing is paused above high, and resumed at low or below."""
    def set_limits(self, transport: Any, high: int, low: int) -> None: ...
    def has_paused_protocol(self) -> bool:
        """Returns whether pause_writing() was called and resume_writing() not yet."""
    def detach(self) -> None:
        """Drops the protocol: none of its methods is called any more."""

@final
class Stream(Endpoint):
    """The bytes of one connection; see _transports."""

    @property
    def eof(self) -> bool: ...
    def end_writes(self) -> bool:
        """Ends the writes of an open transport. False if it is closing, or if they have ended."""
    def __new__(
        cls, event_loop: EventLoop, fd: int, kind: str, context: Context | None = None
    ) -> Stream: ...
    def write(self, transport: Any, data: bytes | bytearray | memoryview) -> None:
        """Sends the bytes now, or queues those for which the system has no room."""
    def writelines(self, transport: Any, list: Any) -> None:
        """Sends all items, up to 64 per system call."""
    def discard(self, transport: asyncio.BaseTransport) -> None:
        """Drops the queued bytes."""
    def set_sendfile_active(self, active: bool) -> None:
        """Sets whether sendfile() is writing to the descriptor; write() then raises."""
    def ready(self, transport: Any, writer: bool) -> None:
        """Reads or writes, for debug mode: called when the direction is ready."""

@final
class Datagrams(Endpoint):
    """The packets of one socket; see _transports."""

    def __new__(
        cls,
        event_loop: EventLoop,
        fd: int,
        remote: Any,
        connected: bool,
        v6: bool,
    ) -> Datagrams: ...
    def sendto(self, transport: Any, data: bytes | bytearray | memoryview, address: Any) -> None:
        """Sends a packet now, or queues it if the system has no room."""
    def discard(self, transport: asyncio.BaseTransport) -> None:
        """Drops the queued packets."""
    def ready(self, transport: Any, writer: bool) -> None:
        """Receives or sends, for debug mode: called when the direction is ready."""

def add_scheduling_methods(cls: type[_LoopType]) -> type[_LoopType]:
    """Adds call_soon() and its like to a subclass of EventLoop, and returns the class.

    Their calls are then faster for an instance of this class. TypeError for another class.
    """

@disjoint_base
class EventLoop:
    """The native base class of QEventLoop."""

    turn_budget: float
    """Seconds for which callbacks may run before Qt handles its own events; 0.002 by default.

    The callback that is running completes; those after it wait for the next turn. With 0 a turn is
    one whole batch. A negative value, NaN or infinity raises ValueError.
    """

    linger: float
    """Seconds for which a busy loop waits for more input before it returns to Qt.

    0.0001 by default, within the turn_budget. An idle loop does not wait. 0 switches it off.
    A negative value, NaN or infinity raises ValueError.
    """

    _debug: bool
    _closed: bool
    _thread_id: int | None
    _stopping: bool
    _task_factory: Any

    def __new__(cls, *_args: Any, **_kwargs: Any) -> EventLoop: ...
    def time(self) -> float:
        """Returns time.monotonic(), in seconds, or the time of the loop's VirtualClock."""
    def get_debug(self) -> bool:
        """Returns whether debug mode is on."""
    def is_running(self) -> bool:
        """Returns whether the loop runs: in its turns, and during a run or an attach()."""
    def create_future(self) -> asyncio.Future[Any]:
        """Makes a Future of this loop."""
    def create_task(
        self, coro: Any, *, priority: int | None = None, **kwargs: Any
    ) -> asyncio.Task[Any]:
        """Makes a Task of this loop that runs the coroutine.

        `priority` is from -100 to 100, and smaller runs first; see `qtloop.Priority`. By default it
        is that of the running task. TypeError if it is no whole number, ValueError for others.
        """
    def call_soon(
        self,
        callback: Callable[[Unpack[_Ts]], object],
        *args: Unpack[_Ts],
        context: Context | None = None,
    ) -> asyncio.Handle:
        """Queues callback(*args). Callbacks of one priority run in the order of the calls."""
    def call_soon_priority(
        self,
        priority: int,
        callback: Callable[[Unpack[_Ts]], object],
        *args: Unpack[_Ts],
        context: Context | None = None,
    ) -> asyncio.Handle:
        """Queues callback(*args) with a priority from -100 to 100, of which the smaller runs first.

        Jobs that the callback schedules inherit the priority. Errors are those of `create_task()`.
        """
    def call_soon_threadsafe(
        self,
        callback: Callable[[Unpack[_Ts]], object],
        *args: Unpack[_Ts],
        context: Context | None = None,
    ) -> asyncio.Handle:
        """Queues callback(*args), like call_soon(); callable on any thread."""
    def call_later(
        self,
        delay: float,
        callback: Callable[[Unpack[_Ts]], object],
        *args: Unpack[_Ts],
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Calls callback(*args) when delay seconds have passed, never earlier."""
    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[_Ts]], object],
        *args: Unpack[_Ts],
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Calls callback(*args) when time() has reached when; math.inf is legal."""
    def _add_callback(self, handle: asyncio.Handle, priority: int = 0) -> None: ...
    def _note_task(self, task: asyncio.Task[Any]) -> None: ...
    def _running_priority(self) -> int: ...
    def _uses_priorities(self) -> bool: ...
    def _with_priority(
        self,
        priority: int | None,
        make: Callable[[Unpack[_Ts]], asyncio.Task[_T]],
        *args: Unpack[_Ts],
    ) -> asyncio.Task[_T]: ...
    def _after_fork(self) -> None: ...
    def _attach(self) -> None: ...
    _is_owned: bool
    _is_quitting: bool
    def _begin_run(self, nested: bool) -> bool: ...
    def _depth(self) -> int: ...
    def _detach(self) -> None: ...
    def _end_run(self) -> None: ...
    def _exec(self) -> int: ...
    def _exec_nested(self, nested_loop: NestedLoop, until_exit: bool) -> None: ...
    def _fail(self, error: BaseException) -> None: ...
    def _has_exited(self) -> bool: ...
    def _has_fatal(self) -> bool: ...
    def _is_attached(self) -> bool: ...
    def _is_run(self) -> bool: ...
    def _is_watched(self, fd: int, writer: bool) -> bool: ...
    def _nested_turns(self) -> int: ...
    def _queued_since_turn(self) -> int: ...
    def _run_batch(self) -> None: ...
    def _set_paused(self, paused: bool) -> None: ...
    def _take_fatal(self) -> BaseException | None: ...
    def _unwatch(self, fd: int, writer: bool, handle: asyncio.Handle | None = None) -> bool: ...
    def _watch(
        self,
        fd: int,
        writer: bool,
        once: bool,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        context: Context | None = None,
        urgent: bool = False,
    ) -> asyncio.Handle: ...

def app_exists() -> bool:
    """Returns whether there is an application object."""

def count_handles(event_loop: EventLoop, timed: bool) -> int:
    """Returns the number of handles that are ready, or with `timed` of those that wait."""

def handles(event_loop: EventLoop, timed: bool) -> list[asyncio.Handle]:
    """Returns the handles that are ready, in order, or with `timed` those that wait, by deadline.

    For a transport it makes a handle.
    """

def add_instrument(
    event_loop: EventLoop,
    instrument: object,
    methods: list[Callable[..., object] | None],
    tasks: list[asyncio.Task[Any]],
) -> None:
    """Adds an instrument, with its methods in a fixed order; the tasks are those that exist.

    RuntimeError if the loop is closed, or on another thread.
    """

def remove_instrument(event_loop: EventLoop, instrument: object) -> None:
    """Removes an instrument. KeyError if it was not added, RuntimeError on another thread."""

def stats(event_loop: EventLoop) -> dict[str, Any]:
    """Returns the fields of `qtloop.Stats` that the native half knows, by name.

    RuntimeError if the loop is closed.
    """

def watches(event_loop: EventLoop) -> list[tuple[int, bool, asyncio.Handle]]:
    """Returns the watched directions of descriptors, in no order, without the loop's own.

    Each is the number, whether it is watched for writing, and the handle, which is made for a
    transport.
    """

def recent_figures(event_loop: EventLoop) -> tuple[int, int, int]:
    """Returns the number of `watches()`, the number of timers that have become ready, and the
    longest turn since the last call, in nanoseconds."""

@final
class Yield:
    """An awaitable, and its iterator: it yields once or not at all."""

    def __await__(self) -> Generator[Any]: ...
    def __iter__(self) -> Yield: ...
    def __next__(self) -> None: ...

def yield_if_needed() -> Yield:
    """Yields to Qt and to the other tasks if this turn has used up its time, else returns."""

def get_priority(task: asyncio.Task[Any]) -> int:
    """Returns the priority of a task of a `QEventLoop`, from -100 to 100; 0 if it is done.

    Call it on the loop's thread. TypeError for other tasks and objects.
    """

def set_priority(task: asyncio.Task[Any], priority: int) -> None:
    """Sets the priority of a task of a `QEventLoop`, from -100 to 100.

    If its next step is queued, it moves behind those of that priority. Timers that the task has
    started keep their priority. A watch or connection that wakes the task rises to a higher
    priority at that event. No effect if the task is done. Call it on the loop's thread. TypeError
    for other tasks and objects, ValueError for other numbers.
    """

def check_priority(priority: int) -> None:
    """Raises TypeError or ValueError if it is no whole number from -100 to 100."""

def ensure_app() -> None:
    """Makes a QCoreApplication on this thread, unless there is an application already."""

def excepthook(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    """Handles an exception of a slot: sys.excepthook while Qt serves a loop; see _excepthook."""

def forget_quit() -> None:
    """Removes quit events that are still queued."""

def forget_quit_soon() -> None:
    """Removes quit events when Qt next delivers queued events, also those queued in between."""

def watch_application(callback: Callable[[str], object] | None) -> None:
    """Calls callback(event) when the application is "made", "quits", has quit ("quit done") or is
    "destroyed", and when a second one is made ("doubled")."""

def has_visible_window() -> bool:
    """Returns whether the application shows a window."""

def is_main_thread() -> bool:
    """Returns whether this is the thread of the application object."""

def level() -> int:
    """Returns the nesting depth of Qt event loops on this thread; 0 if none runs."""

def send_posted_events() -> None:
    """Delivers the events posted to objects of this thread, without a loop."""

def set_qt_functions(table: object) -> None:
    """Sets the Qt functions for the rest of the process: the `table` of `qtloop._qt6` or `_qt5`.

    Only the first call has an effect. ImportError if the table belongs to another version of
    qtloop, TypeError or ValueError for another object.
    """

def use_clock(event_loop: EventLoop, clock: VirtualClock) -> None:
    """Makes the timers of a loop use a clock, before there are any.

    RuntimeError if another open loop uses it.
    """

def nanoseconds(event_loop: EventLoop) -> int:
    """Returns the loop's time in nanoseconds."""

def hold_time(event_loop: EventLoop, on: bool) -> None:
    """Keeps the virtual clock of a loop from jumping, or with False ends that. On any thread."""

def observe_tasks(event_loop: EventLoop, on: bool) -> None:
    """Turns the accounts of tasks and places on or off. Calls are counted."""

def task_changes(
    event_loop: EventLoop, live: list[asyncio.Task[Any]] | None = None
) -> tuple[list[tuple[int, int]], list[int], list[int], list[tuple[int, asyncio.Task[Any]]]] | None:
    """Returns what has happened to the tasks since the last call, for one reader.

    Four lists: the addresses and numbers of new tasks, the numbers of tasks that have stepped, the
    numbers of tasks that have ended, and the tasks whose exception was not retrieved, each with its
    number. `live` are all tasks of the loop, for a comparison. None if the accounts are off.
    """

def task_accounts(
    event_loop: EventLoop, keys: list[tuple[int, int]]
) -> list[tuple[int, int, int, int, int, int, int, int, int] | None]:
    """Returns the accounts of tasks, by their addresses and numbers; None for one that has ended.

    An account begins with the steps: their number, their time and the longest one; how often a step
    was scheduled, and how often by the task itself. The times follow: at which the task was first
    seen, at which its next step was scheduled (0: it is not), at which its step began (0: it does
    not run), and at which its last step has returned. All are nanoseconds, of CLOCK_MONOTONIC.
    """

def place_accounts(event_loop: EventLoop) -> list[tuple[str, int, str, int, int, int]] | None:
    """Returns the accounts of the code locations. None if the accounts are off.

    Each is the file, line and function, the number of jobs, their time and the longest one, in
    nanoseconds.
    """

def start_recording(event_loop: EventLoop, events: int) -> Recording:
    """Begins to record the jobs of a loop, on its thread.

    RuntimeError if it is being recorded or is closed.
    """

@final
class Recording:
    """A recording of one loop. Use it on the loop's thread."""

    def stop(self) -> None:
        """Ends the recording. Idempotent."""
    def events(self) -> int:
        """Returns the number of events that are kept."""
    def dropped(self) -> int:
        """Returns the number of events that newer ones have overwritten."""
    def duration(self) -> float:
        """Returns the seconds from the begin of the recording to its end, or until now."""
    def top(
        self, n: int, by_worst: bool
    ) -> list[
        tuple[
            tuple[str, int, str],
            tuple[int, float, float, float, float],
            tuple[float, float, float] | None,
            tuple[float, float, float] | None,
        ]
    ]:
        """Returns the times of the first `n` places."""
    def save(self, path: str) -> None:
        """Writes the trace."""
