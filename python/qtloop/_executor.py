"""QThreadExecutor: the thread pool of quamash and qasync, for jobs that need Qt or a deep stack.

Its workers are Python threads. Qt adopts such a thread the moment a job uses Qt in it: there is a
`QThread.currentThread()`, and objects, timers, event loops and queued signals work as in any
QThread. Workers that the binding makes as QThread objects would gain nothing, and could end the
process: Qt aborts when one is deleted while it runs, and PySide6 deletes them together with the
application, also in a forked child.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")


class QThreadExecutor(ThreadPoolExecutor):
    """Run jobs in up to `max_workers` threads, started as they are needed.

    `stack_size` is in bytes; None takes what other new threads get (see `threading.stack_size`).
    """

    def __init__(self, max_workers: int = 10, stack_size: int | None = None) -> None:
        super().__init__(max_workers, thread_name_prefix="QThreadExecutor")
        self._stack_size = stack_size
        with _new_threads_have(stack_size):
            pass  # a size that the platform refuses is refused here, not by the first job

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Queue `fn(*args, **kwargs)`; its result or exception comes with the future."""
        with _new_threads_have(self._stack_size):
            return super().submit(fn, *args, **kwargs)


_one_at_a_time = threading.Lock()


@contextmanager
def _new_threads_have(stack_size: int | None) -> Iterator[None]:
    if stack_size is None:
        yield
        return
    # The setting is the whole process's: what others set comes back at the end.
    with _one_at_a_time:
        before = threading.stack_size(stack_size)
        try:
            yield
        finally:
            threading.stack_size(before)
