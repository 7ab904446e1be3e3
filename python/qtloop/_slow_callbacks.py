"""Debug mode: runs handles, and logs slow ones with the line where the time went.

asyncio logs only the handle. A thread samples the stack of the callback while it runs, to find the
line. The thread needs the GIL. If C code holds it, the sample is taken when that code returns. This
is soon enough for a message about the past.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from asyncio import events
from types import FrameType
from typing import Any

from ._asyncio_private import HANDLE_RUN, log_slow_callback, run_handle
from ._base import BaseLoop
from ._library_folders import library_folders

# A callback is sampled this many times before it counts as slow, within these bounds, in seconds.
_SAMPLES = 4
_SHORTEST_INTERVAL, _LONGEST_INTERVAL = 0.01, 1.0

# The beginnings of the paths of files that do not belong to the program.
_LIBRARIES = ("<frozen ", *(folder + os.sep for each in library_folders() for folder in each))


class Sample:
    """The lines at which one callback was seen."""

    __slots__ = ("_places", "last", "outer", "thread")

    def __init__(self, outer: Sample | None, now: float) -> None:
        self.outer = outer  # the callback in which this one runs, in a nested event loop
        self.thread = threading.get_ident()
        self.last = now  # the time of the last sample, or of the begin
        # The time until a sample was taken there and the innermost line, by the program's line.
        self._places: dict[str, tuple[float, str]] | None = None

    def add(self, frame: FrameType | None) -> None:
        """Adds the time since the last sample to the line of the program that is running."""
        now = time.monotonic()
        inner = own = None
        while frame is not None and frame.f_code is not HANDLE_RUN:
            inner = inner or frame
            if own is None and not frame.f_code.co_filename.startswith(_LIBRARIES):
                own = frame
            frame = frame.f_back
        if inner is not None and frame is not None:
            if self._places is None:
                self._places = {}
            line = _line(own or inner)
            seconds, _ = self._places.get(line, (0.0, ""))
            self._places[line] = seconds + now - self.last, _line(inner)
        self.last = now

    def __str__(self) -> str:
        """Returns the line that took most of the time, or nothing without a sample."""
        if self._places is None:
            return ""
        line, (seconds, inner) = max(self._places.items(), key=lambda place: place[1])
        called = f", which called {inner}" if inner != line else ""
        return f", {seconds:.3f} of them in {line}{called}"


def _line(frame: FrameType) -> str:
    return f"{frame.f_code.co_name}() at {frame.f_code.co_filename}:{frame.f_lineno}"


class Sampler:
    """A thread that samples the running callback of one loop. While there is none, it sleeps."""

    def __init__(self) -> None:
        self.running: Sample | None = None
        self._slow = 0.0
        self._interval = _SHORTEST_INTERVAL
        self._wake = threading.Event()
        self._is_asleep = False
        self._is_stopped = False
        self._thread: threading.Thread | None = None

    def begin(self, now: float, slow: float) -> Sample:
        """Begins to sample the callback that this thread runs; it is slow after `slow` seconds."""
        if slow != self._slow:
            self._slow = slow
            self._interval = min(max(slow / _SAMPLES, _SHORTEST_INTERVAL), _LONGEST_INTERVAL)
        self.running = sample = Sample(self.running, now)
        if self._is_asleep:
            self._wake.set()
        elif self._thread is None:
            self._thread = threading.Thread(target=self._run, name="qtloop-debug", daemon=True)
            self._thread.start()
        return sample

    def end(self, sample: Sample) -> None:
        """Ends the callback that has begun last."""
        self.running = sample.outer

    def stop(self) -> None:
        """Ends the thread."""
        self._is_stopped = True
        self._wake.set()
        thread, self._thread = self._thread, None
        # The garbage collector may close a loop on any thread, and when the interpreter exits: then
        # the thread runs no more, and a join would wait for ever.
        if thread not in (None, threading.current_thread()) and not sys.is_finalizing():
            thread.join()

    def _run(self) -> None:
        while not self._is_stopped:
            if self.running is None:
                self._is_asleep = True
                if self.running is None:  # a callback that begins from now on wakes this thread
                    self._wake.wait()
                self._is_asleep = False
                self._wake.clear()
                if self._is_stopped:
                    return
            sample = self.running
            if sample is not None and time.monotonic() - sample.last >= self._interval:
                sample.add(sys._current_frames().get(sample.thread))
            del sample
            self._wake.wait(self._interval)


class SlowCallbacksMixin(BaseLoop):
    """The part of the loop that runs handles in debug mode."""

    __slots__ = ()

    def __init__(self, *args: Any) -> None:
        self._sampler = Sampler()
        super().__init__(*args)

    def _run_handle(self, handle: events.Handle) -> None:
        """Runs a handle in debug mode."""
        outer = self._current_handle
        self._current_handle = handle
        slow, began, turns = self.slow_callback_duration, time.monotonic(), self._nested_turns()
        sample = self._sampler.begin(began, slow)
        try:
            run_handle(handle)
            took = time.monotonic() - began
            # With nested turns, for example in a dialog, it did not delay other callbacks.
            if took >= self.slow_callback_duration and turns == self._nested_turns():
                log_slow_callback(handle, took, str(sample))
        finally:
            self._sampler.end(sample)
            self._current_handle = outer
            # The traceback of a task's exception keeps this frame; its locals would keep the task.
            del handle, outer

    def close(self) -> None:
        """Ends the thread of the samples, too."""
        super().close()
        self._sampler.stop()

    def _after_fork(self) -> None:
        super()._after_fork()
        self._sampler = Sampler()  # the thread of the old one is that of the parent
