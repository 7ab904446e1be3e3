"""Where a task is: the frames of its thread, of its coroutines, and of the tasks that await it."""

from __future__ import annotations

import asyncio
import inspect
import traceback
from collections.abc import Iterator
from types import FrameType
from typing import Any

from ._asyncio_private import tasks_awaiting

_COROUTINE = inspect.CO_COROUTINE | inspect.CO_ITERABLE_COROUTINE | inspect.CO_ASYNC_GENERATOR

# The longest chain of tasks, each of which awaits the one before.
_MAX_TASKS = 50


def summary(file: str, line: int, function: str) -> traceback.FrameSummary:
    """Returns a frame whose source line is read only when it is asked for."""
    return traceback.FrameSummary(file, line, function, lookup_line=False)


def stack_of(frame: FrameType | None) -> list[traceback.FrameSummary]:
    """Returns the frames of a thread, the innermost first."""
    return [
        summary(each.f_code.co_filename, line, each.f_code.co_name)
        for each, line in traceback.walk_stack(frame)
        if line is not None
    ]


def await_chain(task: asyncio.Task[Any], frame: FrameType | None) -> list[traceback.FrameSummary]:
    """Returns the coroutine frames of a running task, the innermost first, and those behind it.

    `frame` is the innermost frame of its thread. Behind it are the tasks that await it, each the
    first that awaits the one before.
    """
    chain = _running_frames(task, frame)
    seen = {task}
    while len(seen) < _MAX_TASKS:
        waiting = next((each for each in tasks_awaiting(task) if each not in seen), None)
        if waiting is None:
            break
        seen.add(waiting)
        chain += reversed(list(_suspended_frames(waiting)))
        task = waiting
    return chain


def _running_frames(
    task: asyncio.Task[Any], frame: FrameType | None
) -> list[traceback.FrameSummary]:
    """Returns the coroutine frames on the stack, up to that of the task itself."""
    outermost = _frame_of(task.get_coro())
    found = []
    for each, line in traceback.walk_stack(frame):
        if each.f_code.co_flags & _COROUTINE and line is not None:
            found.append(summary(each.f_code.co_filename, line, each.f_code.co_name))
        if each is outermost:
            return found
    return []


def _suspended_frames(task: asyncio.Task[Any]) -> Iterator[traceback.FrameSummary]:
    """Returns the coroutine frames of a task that waits, the outermost first."""
    coroutine: Any = task.get_coro()
    while (frame := _frame_of(coroutine)) is not None:
        yield summary(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name)
        for name in ("cr_await", "gi_yieldfrom", "ag_await"):
            if hasattr(coroutine, name):
                coroutine = getattr(coroutine, name)
                break


def _frame_of(coroutine: Any) -> FrameType | None:
    """Returns the frame of a coroutine, also one with the frame of a generator; else None."""
    for name in ("cr_frame", "gi_frame", "ag_frame"):
        frame = getattr(coroutine, name, None)
        if isinstance(frame, FrameType):
            return frame
    return None
