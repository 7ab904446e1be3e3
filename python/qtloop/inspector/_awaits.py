"""The frames of a task's coroutines, and the tasks that it awaits."""

from __future__ import annotations

import asyncio
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, NamedTuple

from .._asyncio_private import awaited_by_frame, children_of_gather, future_awaited_by
from ._text import Place

# More frames than these are not read: coroutines that await each other in a long chain.
MAX_FRAMES = 100

_OWN = str(Path(__file__).parent)
_PACKAGE = str(Path(__file__).parents[1])
_PATHS = sysconfig.get_paths()
# Code below these folders is a library's, and not the program's.
_INSTALLED = tuple({_PATHS["purelib"], _PATHS["platlib"], _PACKAGE})
_STANDARD = _PATHS["stdlib"]


class Waiting(NamedTuple):
    """Where a task is, and what it awaits there."""

    place: Place | None
    awaits: str


def frames(task: asyncio.Task[Any]) -> Iterator[FrameType]:
    """Yields the frames of the task's coroutines, the outermost one first.

    If the task runs, yields all frames below its coroutine, also that of a `dialog.exec()`.
    """
    awaited: Any = task.get_coro()
    if getattr(awaited, "cr_running", False):
        yield from _running_frames(awaited.cr_frame)
        return
    for _ in range(MAX_FRAMES):
        for kind in ("cr", "gi", "ag"):
            frame = getattr(awaited, f"{kind}_frame", None)
            if frame is not None:
                yield frame
                awaited = getattr(awaited, "gi_yieldfrom" if kind == "gi" else f"{kind}_await")
                break
        else:
            return


def _running_frames(first: FrameType) -> list[FrameType]:
    """Returns the frames of this thread from that one on, without those of the inspector."""
    found: list[FrameType] = []
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if found or not frame.f_code.co_filename.startswith(_OWN):
            found.append(frame)
        if frame is first:
            return found[::-1]
        frame = frame.f_back
    return [first]  # it runs on another thread, or under a frame that C code hides


def chain(task: asyncio.Task[Any]) -> list[Place]:
    """Returns the places of the task's frames, the outermost one first."""
    return [_place(frame) for frame in frames(task)]


def waiting(task: asyncio.Task[Any]) -> Waiting:
    """Returns the innermost place in the program's own code, and what is awaited there."""
    all_frames = list(frames(task))
    if not all_frames:
        return Waiting(None, "")
    owned = [_rank(frame.f_code) for frame in all_frames]
    best = max(range(len(owned)), key=lambda index: (owned[index], index))
    future = future_awaited_by(task)
    if best + 1 == len(all_frames) or children_of_gather(future) is not None:
        awaits = describe(future)
    elif (several := awaited_by_frame(all_frames[-1], future))[1]:
        awaits = f"TaskGroup of {len(list(several[0]))}"
    else:
        awaits = f"{_name(all_frames[best + 1].f_code)}()"
    return Waiting(_place(all_frames[best]), awaits)


def describe(future: Any) -> str:
    """Returns a short description of an awaited future."""
    if future is None:
        return ""
    if isinstance(future, asyncio.Task):
        return f"task {future.get_name()}"
    children = children_of_gather(future)
    if children is not None:
        return f"gather() of {len(children)}"
    name = type(future).__name__
    return "a future" if name == "Future" else name


def describe_awaited(task: asyncio.Task[Any] | None) -> str:
    """Returns a short description of the future that a task awaits."""
    return describe(future_awaited_by(task)) if task is not None else ""


def awaited_tasks(task: asyncio.Task[Any]) -> tuple[list[asyncio.Task[Any]], bool]:
    """Returns the tasks that a task awaits, and whether further ones can join them.

    It awaits a task itself, or several by `gather()`, `wait()`, `shield()` or a TaskGroup.
    """
    future = future_awaited_by(task)
    if future is None:
        return [], False
    if isinstance(future, asyncio.Task):
        return [future], False
    children = children_of_gather(future)
    if children is not None:
        return _live_tasks(children), False
    all_frames = list(frames(task))
    if not all_frames:
        return [], False
    several, is_open = awaited_by_frame(all_frames[-1], future)
    return _live_tasks(several), is_open


def _live_tasks(futures: Any) -> list[asyncio.Task[Any]]:
    return [each for each in futures if isinstance(each, asyncio.Task) and not each.done()]


def place_of_code(code: CodeType) -> Place:
    """Returns the place where a function begins."""
    return Place(code.co_filename, code.co_firstlineno, _name(code))


def _place(frame: FrameType) -> Place:
    return Place(frame.f_code.co_filename, frame.f_lineno, _name(frame.f_code))


def _name(code: CodeType) -> str:
    name: str = getattr(code, "co_qualname", code.co_name)  # Python 3.11
    return name.replace("<locals>.", "")


def _rank(code: CodeType) -> int:
    """Returns 2 for the program's own code, 1 for an installed library, 0 for Python and qtloop."""
    file = code.co_filename
    if file.startswith(_INSTALLED):
        return 0 if file.startswith(_PACKAGE) else 1
    return 0 if file.startswith((_STANDARD, "<frozen")) else 2


def failure(error: BaseException | None) -> Waiting:
    """Returns where an exception was raised, and its text."""
    if error is None:
        return Waiting(None, "")
    place, trace = None, error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        place = Place(code.co_filename, trace.tb_lineno, _name(code))
        trace = trace.tb_next
    return Waiting(place, f"{type(error).__name__}: {error}".rstrip(": "))
