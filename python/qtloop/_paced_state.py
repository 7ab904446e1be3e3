"""The timer and the pending call of a paced function: the rules of `throttle` and `debounce`."""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from . import _background_tasks
from ._base import BaseLoop
from ._binding import is_destroyed
from ._eager_task import start
from ._paced_result import PacedResult
from ._signal_arguments import copy_borrowed
from ._thread_loop import thread_loop

_first_call = threading.Lock()


@dataclass(frozen=True)
class Pace:
    """The arguments of one decorator, in seconds."""

    decorator: str  # "throttle" or "debounce"
    delay: float
    leading: bool
    trailing: bool
    max_wait: float | None = None

    @property
    def debounces(self) -> bool:
        return self.decorator == "debounce"


@dataclass
class _Call:
    """A call that has not run yet."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    result: PacedResult | None
    latest: float  # the loop's time at which it runs, even if further calls follow


class PacedState:
    """The state of one function, or of one method of one instance, which it refers to weakly.

    It is idle, or has a timer, or waits for the task of an earlier call. `invoke(args, kwargs)`
    calls the function; if `is_async` it returns a coroutine or a task. `owner` refers to the
    instance, which is the first argument of `invoke`.
    """

    def __init__(
        self,
        pace: Pace,
        name: str,
        invoke: Callable[[Any, tuple[Any, ...], dict[str, Any]], Any],
        is_async: bool,
        owner: weakref.ref[Any] | None,
        on_pending: Callable[[bool], object] = lambda _: None,
    ) -> None:
        self._pace = pace
        self._name = name
        self._invoke = invoke
        self._is_async = is_async
        self._owner = owner
        self._on_pending = on_pending
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0
        self._pending: _Call | None = None
        self._quiet_from = 0.0  # the time at which it becomes idle if no call is pending
        self._timer: asyncio.TimerHandle | None = None
        # The task of the last call of a coroutine function, until it is done.
        self._task: asyncio.Future[Any] | None = None
        self._waits_for_task = False

    def call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> PacedResult | None:
        """Handles a call: runs it now, keeps it as the pending call, or drops it."""
        pace, loop = self._pace, self._claim_loop()
        result = PacedResult(self._withdraw) if self._is_async else None
        now = loop.time()
        was_idle = self._timer is None and not self._waits_for_task
        if was_idle or pace.debounces:
            self._quiet_from = now + pace.delay
        if was_idle and pace.leading:
            if self._task is None:
                self._arm(self._quiet_from)
                self._run(_Call(args, kwargs, result, now))
                return result
            if pace.trailing:
                self._keep(_Call(copy_borrowed(args), kwargs, result, now))
                self._run_when_task_is_done()
                return result
        if not pace.trailing:
            if result is not None:
                result.drop()
            return result
        latest = self._quiet_from
        if pace.debounces:
            latest = now + pace.max_wait if pace.max_wait is not None else float("inf")
            if self._pending is not None:
                latest = self._pending.latest
        self._keep(_Call(copy_borrowed(args), kwargs, result, latest))
        if not self._waits_for_task and (self._timer is None or self._timer.when() > self._due()):
            self._arm(self._due())
        return result

    @property
    def pending(self) -> bool:
        return self._pending is not None and not (self._loop and self._loop.is_closed())

    def cancel(self) -> None:
        """Drops the pending call and the timer. A coroutine that runs is not cancelled."""
        self._check_thread("cancel")
        self._become_idle()

    def flush(self) -> None:
        """Runs the pending call now, if there is one. Its exception is raised here."""
        self._check_thread("flush")
        call = self._pending
        loop = self._loop
        if call is None or loop is None or loop.is_closed():
            return
        call.latest = now = loop.time()
        if self._pace.debounces:
            self._quiet_from = now
        if self._task is not None:
            self._run_when_task_is_done()
        else:
            self._run_pending(now)

    def owner_died(self) -> None:
        """Drops the pending call of a dead instance. Called on any thread."""
        if self._thread == threading.get_ident():
            self._become_idle()
        elif self._loop is not None:
            with suppress(RuntimeError):  # the loop has just been closed
                self._loop.call_soon_threadsafe(self._become_idle)

    def _claim_loop(self) -> asyncio.AbstractEventLoop:
        """Returns the loop of this thread. RuntimeError if it is not the thread of the first call.

        The thread may change when its loop is closed. On one thread the loop may change at any
        time: the pending call moves to the new loop.
        """
        loop = thread_loop()
        if loop is self._loop:
            return loop
        with _first_call:
            self._check_thread("call")
            before, self._loop = self._loop, loop
            self._thread = threading.get_ident()
        if before is not None:
            pending = None if before.is_closed() else self._pending
            if pending is not None:
                self._pending = None
            self._become_idle(before)
            self._task = None
            if pending is not None:
                self._keep(pending)
                pending.latest = self._quiet_from = loop.time() + self._pace.delay
                self._arm(self._quiet_from)
        return loop

    def _check_thread(self, method: str) -> None:
        loop = self._loop
        if loop is None or loop.is_closed() or self._thread == threading.get_ident():
            return
        call = self._name if method == "call" else f"{self._name}.{method}"
        raise RuntimeError(
            f"{self._name} was first called on another thread, whose loop has its timer: use "
            f"loop.call_soon_threadsafe({call}, ...) with that loop, or make it a method of a "
            "QObject of that thread and call it by a signal"
        )

    def _due(self) -> float:
        """Returns the time at which the timer must fire next."""
        if self._pending is None:
            return self._quiet_from
        return min(self._quiet_from, self._pending.latest)

    def _arm(self, when: float) -> None:
        assert self._loop is not None
        if self._timer is not None:
            self._timer.cancel()
        elif isinstance(self._loop, BaseLoop):
            self._loop._close_callbacks.add(self._become_idle)
        self._timer = self._loop.call_at(when, self._timer_fired)

    def _disarm(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def _keep(self, call: _Call | None) -> None:
        """Makes this the pending call. The one before is dropped."""
        before, self._pending = self._pending, call
        if before is not None and before.result is not None:
            before.result.drop()
        if (before is None) != (call is None):
            self._on_pending(call is not None)

    def _withdraw(self, result: PacedResult) -> None:
        """Drops the pending call if it is the one whose waiter was cancelled."""
        if self._pending is not None and self._pending.result is result:
            self._keep(None)

    def _become_idle(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self._disarm()
        loop = loop or self._loop
        if isinstance(loop, BaseLoop):
            loop._close_callbacks.discard(self._become_idle)
        if self._waits_for_task and self._task is not None:
            self._task.remove_done_callback(self._task_done)
        self._waits_for_task = False
        self._keep(None)

    def _timer_fired(self) -> None:
        loop = self._loop
        assert loop is not None
        now, due = loop.time(), self._due()
        if now < due:
            self._arm(due)
        elif self._pending is None:
            self._become_idle()
        elif self._task is not None:
            self._run_when_task_is_done()
        else:
            try:
                self._run_pending(now)
            except Exception as error:
                _background_tasks.report_error(loop, error)

    def _run_when_task_is_done(self) -> None:
        """Runs the pending call when the coroutine of the last call is done; see `throttle`."""
        self._disarm()
        assert self._task is not None
        if isinstance(self._loop, BaseLoop):
            self._loop._close_callbacks.add(self._become_idle)
        if not self._waits_for_task:
            self._waits_for_task = True
            self._task.add_done_callback(self._task_done)
        if self._pace.debounces:
            self._task.cancel()

    def _task_done(self, task: asyncio.Future[Any]) -> None:
        self._task = None
        self._waits_for_task = False
        self._timer_fired()

    def _run_pending(self, now: float) -> None:
        call, self._pending = self._pending, None
        assert call is not None
        self._on_pending(False)
        if not self._pace.debounces:
            self._quiet_from = now + self._pace.delay
        # Before the call: it may call the paced function, or raise an exception.
        if now < self._quiet_from:
            self._arm(self._quiet_from)
        else:
            self._become_idle()
        self._run(call)

    def _run(self, call: _Call) -> None:
        owner = None if self._owner is None else self._owner()
        if self._owner is not None and (owner is None or is_destroyed(owner)):
            self._become_idle()
            if call.result is not None:
                call.result.drop()
            return
        if call.result is None:
            self._invoke(owner, call.args, call.kwargs)
            return
        loop = self._loop
        assert loop is not None
        try:
            made = self._invoke(owner, call.args, call.kwargs)
        except Exception as error:  # the arguments do not fit
            made = _raise(error)
        if isinstance(made, asyncio.Future):  # the function is an `asyncSlot`, which reports
            task = made
        else:
            task = start(loop, made)
            _background_tasks.keep(task)
            task.add_done_callback(call.result.report)
        call.result.begin(task)
        if not task.done():
            self._task = task
            task.add_done_callback(self._forget_task)

    def _forget_task(self, task: asyncio.Future[Any]) -> None:
        if self._task is task and not self._waits_for_task:
            self._task = None


async def _raise(error: Exception) -> None:
    raise error
