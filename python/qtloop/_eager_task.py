"""Eager tasks: their first step runs inside the call that makes them."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from ._asyncio_private import enter_task, get_running_loop, leave_task, set_running_loop
from ._base import BaseLoop

_T = TypeVar("_T")


def start(
    loop: asyncio.AbstractEventLoop,
    coro: Coroutine[Any, Any, _T],
    priority: int | None = None,
    **kwargs: Any,
) -> asyncio.Task[_T]:
    """Makes a task and runs it up to its first wait. `kwargs` are those of `create_task()`.

    The loop must belong to this thread; it is the running loop during the step, also outside of a
    run. After the step, the caller's current task is the current one again. If the loop has a task
    factory, the factory makes the task and decides when it starts. A loop of another class ignores
    the priority.

    KeyboardInterrupt and SystemExit of the step are raised here.
    """
    if isinstance(loop, BaseLoop):
        # Also without a priority, for the first step may set its own one.
        task: asyncio.Task[_T] = loop._with_priority(priority, _start, loop, coro, kwargs)
        return task
    return _start(loop, coro, kwargs)


def _start(
    loop: asyncio.AbstractEventLoop, coro: Coroutine[Any, Any, _T], kwargs: dict[str, Any]
) -> asyncio.Task[_T]:
    if loop.get_task_factory() is not None:
        return loop.create_task(coro, **kwargs)
    # `__new__` first: if the first step raises in `__init__`, the task is needed below.
    task: asyncio.Task[_T] = asyncio.Task.__new__(asyncio.Task)
    try:
        if get_running_loop() is loop:
            _run_first_step(task, loop, coro, kwargs)
        else:
            _run_first_step_as_running(task, loop, coro, kwargs)
    except BaseException:
        if task.done() and not task.cancelled():
            task.exception()  # it is raised here, so asyncio must not report it as well
        raise
    if isinstance(loop, BaseLoop):
        loop._note_task(task)
    return task


def _run_first_step_as_running(
    task: asyncio.Task[Any], loop: Any, coro: Any, kwargs: dict[str, Any]
) -> None:
    outer, thread = get_running_loop(), loop._thread_id
    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(loop._asyncgen_firstiter_hook, loop._asyncgen_finalizer_hook)
    set_running_loop(loop)
    loop._thread_id = threading.get_ident()  # makes `is_running()` true
    try:
        _run_first_step(task, loop, coro, kwargs)
    finally:
        loop._thread_id = thread
        set_running_loop(outer)
        sys.set_asyncgen_hooks(*hooks)


if sys.version_info >= (3, 12):

    def _run_first_step(
        task: asyncio.Task[Any], loop: Any, coro: Any, kwargs: dict[str, Any]
    ) -> None:
        asyncio.Task.__init__(task, coro, loop=loop, eager_start=True, **kwargs)

else:

    def _run_first_step(
        task: asyncio.Task[Any], loop: Any, coro: Any, kwargs: dict[str, Any]
    ) -> None:
        """Runs the step that a new task schedules by `call_soon()`, instead of scheduling it."""
        original = loop.call_soon
        step: Callable[[], object] | None = None

        def call_soon(callback: Any, *args: Any, context: Any = None) -> Any:
            nonlocal step
            # The garbage collector may run a destructor here that calls `call_soon()`, too.
            if getattr(callback, "__self__", None) is not task:
                return original(callback, *args, context=context)
            step = lambda: context.run(callback)  # noqa: E731
            return None

        loop.call_soon = call_soon
        try:
            asyncio.Task.__init__(task, coro, loop=loop, **kwargs)
        finally:
            del loop.call_soon
        assert step is not None
        outer = asyncio.current_task(loop)
        if outer is not None:
            leave_task(loop, outer)
        try:
            step()
        finally:
            if outer is not None:
                enter_task(loop, outer)
