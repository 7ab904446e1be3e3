"""The watchdog of a loop: reports callbacks, slots and event handlers that block its thread.

The native half decides when a stall is reported. A thread of this module, the *reporter*, gets the
reports, finds out where the loop is, logs it, and calls the program's handler.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import math
import os
import sys
import threading
import traceback
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import _native, _stack_dump
from ._await_chain import await_chain, stack_of, summary
from ._base import BaseLoop
from ._library_folders import library_folders
from ._registry import attached, this_thread

_logger = logging.getLogger("qtloop")

# Seconds for which the end of a watchdog waits for a report that is being handled.
_PATIENCE = 1.0


@dataclass(frozen=True)
class Stall:
    """A report of the watchdog: the loop's thread is or was blocked. `str()` is the logged text.

    `seconds` is how long the thread has been blocked so far or, if `is_over`, in total.

    `location` is the frame that blocks: the innermost one of the program itself, outside of the
    standard library, qtloop and installed packages. It is None if no Python frame is known.

    `stack` is the Python stack of the thread, the innermost frame last, as in a traceback. In the
    report of the end it is the stack of the last report before. If C code has held the GIL, it is
    the stack of that time.

    `task` is the name of the running task, or None. `await_chain` has the frames of its coroutines,
    the innermost first, and behind them those of the tasks that await it.

    `thread` is the name of the loop's thread, or None for that of the application.
    """

    seconds: float
    is_over: bool
    location: traceback.FrameSummary | None
    stack: tuple[traceback.FrameSummary, ...]
    task: str | None
    await_chain: tuple[traceback.FrameSummary, ...]
    thread: str | None
    text: str

    def __str__(self) -> str:
        return self.text


class WatchdogMixin(BaseLoop):
    """The part of the loop for the watchdog."""

    def __init__(self, *args: Any) -> None:
        self._watchdog_seconds = 0.0
        self._stall_handler: Callable[[Stall], object] | None = None
        self._running_watchdog: _RunningWatchdog | None = None
        super().__init__(*args)
        self._watchdog_seconds = _seconds_of_environment()

    @property
    def watchdog(self) -> float:
        """Seconds without progress after which the loop's thread is reported as blocked; 0 is off.

        A report is logged to the logger `qtloop`, as a warning, while the thread is blocked: at
        this time, after 1 s and after 8 s. A last one follows when it is over. A callback, a slot,
        an event handler and a paint event may block. A loop around `processEvents()`, a dialog and
        an idle loop do not.

        Set it on the loop's thread; RuntimeError elsewhere. ValueError for values that are
        negative, below 0.001, infinite or NaN; TypeError for other types. The first value is that
        of the environment variable QTLOOP_WATCHDOG, or 0.
        """
        return self._watchdog_seconds

    @watchdog.setter
    def watchdog(self, seconds: float) -> None:
        seconds = _checked(seconds)
        self._check_closed()
        if self._is_attached() and attached.get(self) is not this_thread():
            raise RuntimeError(
                "loop.watchdog can only be set on the loop's thread: pass a function that sets it "
                "to loop.call_soon_threadsafe()"
            )
        self._watchdog_seconds = seconds
        self._stop_watchdog()
        if self._is_attached():
            self._start_watchdog()

    def set_stall_handler(self, handler: Callable[[Stall], object] | None) -> None:
        """Sets a function that is called with each `Stall`, after it was logged; None removes it.

        It is called on the thread "qtloop-reporter", while the loop's thread is still blocked, so
        it must not use widgets. An exception in it is logged. While C code holds the GIL, no Python
        code runs: the text of the report is then written to `sys.stderr` at once, and the handler
        is called when the GIL is released.

        TypeError if it is not callable.
        """
        if handler is not None and not callable(handler):
            raise TypeError(f"a function or None is required, not {handler!r}")
        self._stall_handler = handler

    def _on_attach(self) -> None:
        super()._on_attach()
        running = self._running_watchdog
        if running is not None and running.place is not this_thread():
            self._stop_watchdog()  # the loop runs on another thread now
        self._start_watchdog()

    def _on_detach(self) -> None:
        self._stop_watchdog()
        super()._on_detach()

    def _after_fork(self) -> None:
        super()._after_fork()
        # The child has no thread of the watchdog.
        if self._running_watchdog is not None:
            self._watchdog_seconds = 0.0
            self._stop_watchdog()

    def _start_watchdog(self) -> None:
        while (seconds := self._watchdog_seconds) > 0 and self._running_watchdog is None:
            running = _RunningWatchdog(self, seconds)
            # A signal handler or a destructor may have set `watchdog` meanwhile.
            if self._running_watchdog is None and self._watchdog_seconds == seconds:
                self._running_watchdog = running
                _loops.add(self)
            else:
                running.stop(self)

    def _stop_watchdog(self) -> None:
        running, self._running_watchdog = self._running_watchdog, None
        if running is not None:
            running.stop(self)

    def _report_stall(self, stall: Stall) -> None:
        _logger.warning("%s", stall)
        handler = self._stall_handler
        if handler is None:
            return
        try:
            handler(stall)
        except BaseException:  # a SystemExit would end the reporter, not the program
            _logger.exception("Exception in the stall handler %r", handler)


class _RunningWatchdog:
    """A watchdog of a loop that is attached to Qt on this thread, until `stop()`."""

    def __init__(self, loop: WatchdogMixin, seconds: float) -> None:
        self.place = this_thread()
        self._process = os.getpid()
        self._thread = threading.get_ident()
        self._thread_name = None if _native.is_main_thread() else _thread_name()
        dump = _stack_dump.acquire()
        self._has_dump = dump is not None
        try:
            self._native = _native.Watchdog(
                loop, seconds, dump, _error_fd(), self._thread_name, *library_folders()
            )
            self._reporter = threading.Thread(
                target=self._run, args=(weakref.ref(loop),), name="qtloop-reporter", daemon=True
            )
            self._reporter.start()
        except BaseException:
            self._release_dump()
            raise

    def stop(self, loop: WatchdogMixin) -> None:
        """Ends the watchdog, after its last report. In a forked child it only forgets it."""
        self._native.stop(loop)
        if self._process != os.getpid():
            return
        if self._reporter is not threading.current_thread():
            self._reporter.join(_PATIENCE)
        self._release_dump()

    def _release_dump(self) -> None:
        if self._has_dump:
            _stack_dump.release()
            self._has_dump = False

    def _run(self, reference: weakref.ref[WatchdogMixin]) -> None:
        """Runs the reporter: reports stalls until `stop()`."""
        last, last_number = _Place(), 0
        while (report := self._native.next()) is not None:
            seconds, is_over, has_window, task, rows, number = report
            loop = reference()
            if loop is None:
                continue
            if not is_over:
                last, last_number = _place(loop, self._thread), number
            elif number != last_number:
                last, last_number = _Place(task=task), number
            if rows:
                # C code has held the GIL. A signal has brought the stack of that time.
                last.stack = [summary(*row) for row in rows]
            loop._report_stall(self._stall(last, seconds, is_over, has_window))
            del loop  # until the next report, the reporter does not keep it alive

    def _stall(self, place: _Place, seconds: float, is_over: bool, has_window: bool) -> Stall:
        index, text = self._native.describe(
            seconds, is_over, has_window, place.task, _rows(place.stack), _rows(place.chain)
        )
        return Stall(
            seconds=seconds,
            is_over=is_over,
            location=None if index is None else place.stack[index],
            stack=tuple(reversed(place.stack)),
            task=place.task,
            await_chain=tuple(place.chain),
            thread=self._thread_name,
            text=text,
        )


class _Place:
    """Where a loop's thread is: its stack, the innermost frame first, its task, the await chain."""

    def __init__(
        self,
        stack: list[traceback.FrameSummary] | None = None,
        task: str | None = None,
        chain: list[traceback.FrameSummary] | None = None,
    ) -> None:
        self.stack = stack or []
        self.task = task
        self.chain = chain or []


def _place(loop: WatchdogMixin, thread: int) -> _Place:
    """Returns where the loop's thread is now. Called on another thread, with the GIL."""
    frame = sys._current_frames().get(thread)
    task = asyncio.current_task(loop)
    if task is None:
        return _Place(stack_of(frame))
    return _Place(stack_of(frame), task.get_name(), await_chain(task, frame))


def _rows(frames: list[traceback.FrameSummary]) -> list[tuple[str, int, str]]:
    return [(frame.filename, frame.lineno or 0, frame.name) for frame in frames]


def _thread_name() -> str:
    """Returns the name of this thread: that of `threading`, else that of the operating system."""
    ident = threading.get_ident()
    names = (thread.name for thread in threading.enumerate() if thread.ident == ident)
    name = next(names, "Dummy-")
    if name.startswith("Dummy-"):  # a QThread, or another one that Python has not started
        name = Path("/proc/thread-self/comm").read_text(errors="replace").strip()
    return name


def _error_fd() -> int | None:
    """Returns the descriptor of `sys.stderr`; None if it has none, or if warnings are off."""
    if sys.stderr is None or not _logger.isEnabledFor(logging.WARNING):
        return None
    try:
        return sys.stderr.fileno()
    except (AttributeError, OSError, ValueError):
        return None


def _checked(seconds: float) -> float:
    if isinstance(seconds, str | bytes | bytearray) or not hasattr(type(seconds), "__float__"):
        raise TypeError(f"watchdog: a number of seconds is required, not {seconds!r}")
    seconds = float(seconds)
    if seconds != 0 and not (0.001 <= seconds and math.isfinite(seconds)):
        raise ValueError(f"watchdog: 0 or seconds from 0.001 are required, not {seconds!r}")
    return seconds


_has_warned = False


def _seconds_of_environment() -> float:
    """Returns the value of QTLOOP_WATCHDOG; 0 without one, and for a wrong one, with a warning."""
    global _has_warned
    text = os.environ.get("QTLOOP_WATCHDOG", "")
    if not text:
        return 0.0
    try:
        return _checked(float(text))
    except ValueError:
        if not _has_warned:
            _has_warned = True
            _logger.warning(
                "QTLOOP_WATCHDOG=%s has no effect: set it to seconds, such as 0.2, or to 0", text
            )
        return 0.0


# Loops that have had a watchdog.
_loops: weakref.WeakSet[WatchdogMixin] = weakref.WeakSet()


@atexit.register
def _stop_all() -> None:
    for loop in list(_loops):
        loop._stop_watchdog()
