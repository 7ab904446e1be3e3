"""The loop's default executor, which `asyncio.to_thread()` uses, and its bounded shutdown."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from ._base import BaseLoop
from ._executor import QThreadExecutor, has_windows, warn_of_jobs


class _DefaultExecutor(QThreadExecutor):
    _prefix = "asyncio"

    def __init__(self) -> None:
        super().__init__(max_workers=None)  # ThreadPoolExecutor's default, not 10


class DefaultExecutorMixin(BaseLoop):
    """The part of the loop that owns the default executor."""

    if not TYPE_CHECKING:  # asyncio's stub has the exact type, which 3.10 cannot express

        def run_in_executor(self, executor, func, *args):
            if executor is None and self._default_executor is None:
                self._default_executor = _DefaultExecutor()
            return super().run_in_executor(executor, func, *args)

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """Waits for the default executor's jobs, `timeout` seconds at most (None: without a limit).

        A program with windows waits at most `QThreadExecutor.grace` seconds.
        """
        executor = self._default_executor
        if not (isinstance(executor, QThreadExecutor) and has_windows()):
            # Before Python 3.12 there is no timeout.
            await super().shutdown_default_executor(*([] if timeout is None else [timeout]))
            return
        self._executor_shutdown_called = True
        seconds = executor.grace if timeout is None else min(timeout, executor.grace)
        finished: asyncio.Future[int] = self.create_future()

        def wait() -> None:
            unfinished = executor._shut_down_within(seconds)
            with suppress(RuntimeError):  # the loop was closed during the wait
                self.call_soon_threadsafe(set_result, unfinished)

        def set_result(unfinished: int) -> None:
            if not finished.done():
                finished.set_result(unfinished)

        threading.Thread(target=wait, daemon=True).start()
        unfinished = await finished
        if unfinished:
            warn_of_jobs(unfinished)
