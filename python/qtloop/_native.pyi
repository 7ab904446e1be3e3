"""The native half: the loop's hot path over Qt, and what of Qt is needed without a binding."""

import asyncio
from collections.abc import Callable
from contextvars import Context
from types import TracebackType
from typing import Any, Final, final

from typing_extensions import TypeVarTuple, Unpack, disjoint_base

_Ts = TypeVarTuple("_Ts")

__all__ = [
    "Datagrams",
    "Endpoint",
    "EventLoop",
    "Handle",
    "Nest",
    "Stream",
    "TimerHandle",
    "__version__",
    "app_exists",
    "ensure_app",
    "excepthook",
    "forget_quit",
    "forget_quit_soon",
    "has_visible_window",
    "is_main_thread",
    "level",
    "send_posted_events",
    "watch_application",
]

__version__: Final[str]

@final
class Handle(asyncio.Handle):
    """asyncio.Handle, made and cancelled natively."""

@final
class TimerHandle(asyncio.TimerHandle):
    """asyncio.TimerHandle, made and cancelled natively."""

@final
class Nest:
    """A QEventLoop for one wait; see EventLoop._exec_nest(). Belongs to the thread that made it."""

    def __new__(cls) -> Nest: ...
    def leave(self) -> None:
        """End the wait, also one that has not begun."""

@disjoint_base
class Endpoint:
    """What a transport's streams and datagrams share. Not for use by itself."""

    closing: bool
    lost: bool
    def context(self, writer: bool) -> Context | None:
        """A context for the protocol's methods on that side. It can be entered."""
    def call(self, method: Callable[..., object], *args: Any) -> None:
        """Call a method of the protocol in the context of the connection, if it has one."""
    def set_protocol(self, protocol: Any, buffered: bool) -> None:
        """Have another protocol called from now on."""
    def start(self, transport: Any) -> None:
        """Begin to read, unless it was paused."""
    def stop(self, transport: asyncio.BaseTransport) -> None:
        """Read no more, for ever."""
    def is_watched(self) -> bool:
        """Whether the reader waits in the poller."""
    def is_reading(self) -> bool:
        """Whether the protocol gets what comes."""
    def pause(self, transport: asyncio.BaseTransport) -> bool:
        """Returns whether it read."""
    def resume(self, transport: Any) -> bool:
        """Returns whether it was paused."""
    def buffered(self) -> int:
        """How many bytes wait to be written."""
    def limits(self) -> tuple[int, int]:
        """(low, high): the protocol is paused above high, and goes on at low or below."""
    def set_limits(self, transport: Any, high: int, low: int) -> None: ...
    def has_paused_protocol(self) -> bool:
        """Whether pause_writing() was called, and resume_writing() was not."""
    def detach(self) -> None:
        """Let go of the protocol: no method of it is called any more."""

@final
class Stream(Endpoint):
    """One connection's bytes; see _transports."""

    eof: bool
    def __new__(
        cls, event_loop: EventLoop, fd: int, medium: str, context: Context | None = None
    ) -> Stream: ...
    def write(self, transport: Any, data: bytes | bytearray | memoryview) -> None:
        """Send the bytes at once, or as soon as there is room for them."""
    def writelines(self, transport: Any, list: Any) -> None:
        """Send all these, in one call to the system where that is possible."""
    def discard(self, transport: asyncio.BaseTransport) -> None:
        """Forget what waits to be written."""
    def lend(self, lent: bool) -> None:
        """Say whether somebody else writes to the descriptor: sendfile()."""
    def ready(self, transport: Any, writer: bool) -> None:
        """Do what one side is ready for."""

@final
class Datagrams(Endpoint):
    """One socket's packets; see _transports."""

    def __new__(
        cls,
        event_loop: EventLoop,
        fd: int,
        remote: Any,
        connected: bool,
        v6: bool,
    ) -> Datagrams: ...
    def sendto(self, transport: Any, data: bytes | bytearray | memoryview, address: Any) -> None:
        """Send a packet at once, or as soon as there is room for it."""
    def discard(self, transport: asyncio.BaseTransport) -> None:
        """Forget what waits to be sent."""
    def ready(self, transport: Any, writer: bool) -> None:
        """Do what one side is ready for."""

@disjoint_base
class EventLoop:
    """The native half of QEventLoop. Not for use by itself."""

    turn_budget: float
    """How long, in seconds, callbacks may run before Qt sees to its own events; 0.002 by default.

    A batch is always finished. ValueError for what is no length of time.
    """

    linger: float
    """How long, in seconds, a busy loop waits for the next request before it goes back to Qt.

    0.0001 by default, within the turn_budget; an idle loop does not wait. Zero switches it off.
    ValueError for what is no length of time.
    """

    _debug: bool
    _closed: bool
    _thread_id: int | None
    _stopping: bool
    _task_factory: Any

    def __new__(cls, *_args: Any, **_kwargs: Any) -> EventLoop: ...
    def time(self) -> float:
        """time.monotonic(), in seconds."""
    def get_debug(self) -> bool:
        """Whether debug mode is on."""
    def is_running(self) -> bool:
        """Whether the loop is the running loop: in its turns, and during a run or an attach()."""
    def create_future(self) -> asyncio.Future[Any]:
        """A Future of this loop."""
    def create_task(self, coro: Any, **kwargs: Any) -> asyncio.Task[Any]:
        """Run a coroutine as a Task of this loop."""
    def call_soon(
        self,
        callback: Callable[[Unpack[_Ts]], object],
        *args: Unpack[_Ts],
        context: Context | None = None,
    ) -> asyncio.Handle:
        """Call callback(*args) as soon as possible, in the order of the calls."""
    def call_soon_threadsafe(
        self,
        callback: Callable[[Unpack[_Ts]], object],
        *args: Unpack[_Ts],
        context: Context | None = None,
    ) -> asyncio.Handle:
        """Like call_soon(), from any thread."""
    def call_later(
        self,
        delay: float,
        callback: Callable[[Unpack[_Ts]], object],
        *args: Unpack[_Ts],
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Call callback(*args) when delay seconds have passed, and never before."""
    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[_Ts]], object],
        *args: Unpack[_Ts],
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Call callback(*args) when time() has reached when; math.inf is legal."""
    def _add_callback(self, handle: asyncio.Handle) -> None: ...
    def _after_fork(self) -> None: ...
    def _attach(self) -> None: ...
    _is_owned: bool
    _is_quitting: bool
    def _begin_run(self, host_loop: str) -> None: ...
    def _depth(self) -> int: ...
    def _detach(self) -> None: ...
    def _end_run(self) -> None: ...
    def _exec(self) -> int: ...
    def _exec_nest(self, nest: Nest) -> None: ...
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
    ) -> asyncio.Handle: ...

def app_exists() -> bool:
    """Whether there is an application object, whoever made it."""

def ensure_app() -> None:
    """Make a QCoreApplication on this thread, unless there is an application already."""

def excepthook(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    """Set as sys.excepthook while Qt serves a loop; see qtloop._excepthook."""

def forget_quit() -> None:
    """Forget quit requests that are still queued."""

def forget_quit_soon() -> None:
    """The same, for requests that are queued before Qt next delivers queued events."""

def watch_application(callback: Callable[[str], object] | None) -> None:
    """Call callback(event) when the application is "made", "quits" or is "destroyed", and when a
    second one is made ("doubled")."""

def has_visible_window() -> bool:
    """Whether the application shows a window."""

def is_main_thread() -> bool:
    """Whether this is the thread of the application object."""

def level() -> int:
    """How many Qt event loops run on this thread, one inside the other."""

def send_posted_events() -> None:
    """Deliver what is posted to the objects of this thread, without a loop."""
