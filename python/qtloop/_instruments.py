"""`loop.add_instrument()`: objects whose methods the loop calls when its tasks run and it waits."""

from __future__ import annotations

import asyncio

from . import _native
from ._base import BaseLoop

# The methods of an instrument, as in trio. The native half calls them by their places here.
METHODS = (
    "task_spawned",
    "task_scheduled",
    "before_task_step",
    "after_task_step",
    "task_exited",
    "before_io_wait",
    "after_io_wait",
)


class InstrumentsMixin(BaseLoop):
    """The part of the loop that calls instruments."""

    def add_instrument(self, instrument: object) -> None:
        """Calls the methods of an object when tasks run, until `remove_instrument()`.

            class Log:
                def task_scheduled(self, task):
                    print(f"{asyncio.get_running_loop().time():.6f} {task.get_name()} is ready")

            loop.add_instrument(Log())

        Each of these methods is optional. They are looked up once, here:

        - `task_spawned(task)`: a task was made. Before Python 3.13, `asyncio.create_task()` names
          the task after this call. A task that `asyncio.Task()` starts eagerly is reported when it
          is scheduled for the first time.
        - `task_scheduled(task)`: the next step of the task is ready to run.
        - `before_task_step(task)`, `after_task_step(task)`: around each step of a task. The first
          step of an eager task has no such calls.
        - `task_exited(task)`: the task is done, also if it was cancelled before its first step.
          Called before `after_task_step()`.
        - `before_io_wait(timeout)`: no callback is ready, and the loop returns to Qt. `timeout` is
          the seconds until the next timer is due, or None. Qt may process its own events in that
          time. Waits of `linger` are not reported.
        - `after_io_wait(timeout)`: Qt has called the loop again, or the nested Qt loop that waited
          has returned.

        They are called on the loop's thread, in the middle of its work, so they should be quick.
        They may schedule callbacks, make and cancel tasks, and add and remove instruments. An
        instrument that raises an exception is removed, and the exception is passed to
        `call_exception_handler()`.

        Instruments are called in the order in which they were added. No effect if this one is
        added already. TypeError if the object has none of the methods, RuntimeError if the loop is
        closed, or if this is not the loop's thread.

        Source: https://trio.readthedocs.io/en/stable/reference-lowlevel.html#instrument-api
        """
        methods = [getattr(instrument, name, None) for name in METHODS]
        for name, method in zip(METHODS, methods, strict=True):
            if method is not None and not callable(method):
                raise TypeError(f"{name} of the instrument {instrument!r} must be a method")
        if all(method is None for method in methods):
            raise TypeError(
                f"the instrument {instrument!r} has none of these methods: {', '.join(METHODS)}"
            )
        self._check_closed()
        _native.add_instrument(self, instrument, methods, list(asyncio.all_tasks(self)))

    def remove_instrument(self, instrument: object) -> None:
        """Removes an instrument: its methods are not called any more.

        KeyError if it is not added, RuntimeError if this is not the loop's thread.
        """
        _native.remove_instrument(self, instrument)

    def _instrument_failed(self, instrument: object, method: int, error: BaseException) -> None:
        """Reports the exception of an instrument, which the native half has removed."""
        message = f"Exception in {METHODS[method]}() of an instrument, which was removed"
        self.call_exception_handler(
            {"message": message, "exception": error, "instrument": instrument}
        )
