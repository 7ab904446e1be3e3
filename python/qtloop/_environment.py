"""Instruments for the loops of a program that was not changed: `QTLOOP_RECORD`, and an inspector.

`_watchdog` reads `QTLOOP_WATCHDOG`.
"""

from __future__ import annotations

import atexit
import functools
import itertools
import os
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from ._base import BaseLoop

_process = os.getpid()  # not that of a forked child
_recordings = itertools.count(1)
# Functions that save a recording. They run when its loop is closed, else at the interpreter's exit.
_unsaved: set[Callable[[], None]] = set()
_when_first_run: Callable[[Any], object] | None = None
has_made_a_loop = False


def instrument(loop: BaseLoop, undo: ExitStack) -> None:
    """Starts the instruments of the environment for a new loop. `close()` closes `undo`."""
    global has_made_a_loop
    has_made_a_loop = True
    if (path := _trace_file()) is not None:
        _record(loop, path, undo)
    if _when_first_run and threading.current_thread() is threading.main_thread():
        loop.call_soon(_first_run, loop)


def say(text: str) -> None:
    """Prints a line to standard error, if the program has one."""
    if sys.stderr is not None:
        print(f"qtloop: {text}", file=sys.stderr, flush=True)


# The recorder


@functools.cache
def _trace_file() -> str | None:
    """Returns the absolute path in `QTLOOP_RECORD`, if a file can be written there."""
    path = os.environ.get("QTLOOP_RECORD")
    if not path:
        return None
    path = os.path.abspath(path)
    # A child process inherits the variable, and must not overwrite the file of this process.
    os.environ["QTLOOP_RECORD"] = path if "%p" in path else _with_suffix(path, "-%p")
    folder = os.path.dirname(path)
    if os.path.isdir(path):
        reason = "it is a folder"
    elif not os.path.isdir(folder):
        reason = f"there is no folder {folder}"
    elif not os.access(path if os.path.exists(path) else folder, os.W_OK):
        reason = "permission denied"
    else:
        return path
    say(f"QTLOOP_RECORD: cannot write {path}: {reason}; nothing is recorded")
    return None


def _with_suffix(path: str, suffix: str) -> str:
    """Inserts a suffix before `.json`, `.json.gz` or another extension."""
    packed = ".gz" if path.endswith(".gz") else ""
    stem, extension = os.path.splitext(path.removesuffix(packed))
    return f"{stem}{suffix}{extension}{packed}"


def _next_file(path: str) -> str:
    """Returns the name for the next recording, which no other loop or process of the program has.

    `%p` in the path is replaced by the number of the process.
    """
    process, number = os.getpid(), next(_recordings)
    if process != _process and "%p" not in path:
        path = _with_suffix(path, f"-{process}")
    path = path.replace("%p", str(process))
    return path if number == 1 else _with_suffix(path, f"-{number}")


def _record(loop: Any, path: str, undo: ExitStack) -> None:
    path, process = _next_file(path), os.getpid()
    recording = loop.record()

    def save() -> None:
        _unsaved.discard(save)
        if os.getpid() != process:
            return  # a forked child has a copy
        recording.stop()
        try:
            recording.save(path)
        except Exception as error:
            say(f"cannot save the recording in {path}: {error}")
        else:
            lost = f"; {recording.dropped} older ones were lost" if recording.dropped else ""
            say(f"recorded {recording.events} events in {path}{lost}")

    undo.callback(save)
    if not _unsaved:
        atexit.register(_save_all)
    _unsaved.add(save)


def _save_all() -> None:
    for save in list(_unsaved):
        save()


# The inspector


def call_when_first_run(function: Callable[[Any], object]) -> None:
    """Calls the function, once, with the first loop of the main thread that runs, in that loop."""
    global _when_first_run
    _when_first_run = function


def _first_run(loop: BaseLoop) -> None:
    global _when_first_run
    function = _when_first_run
    if function is not None and threading.current_thread() is threading.main_thread():
        _when_first_run = None
        function(loop)
