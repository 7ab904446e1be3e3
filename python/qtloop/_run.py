"""Ways in: `run()` a coroutine as a program, or `attach()` a loop to somebody's `exec()`."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar

from . import _coroutines
from ._loop import QEventLoop

_T = TypeVar("_T")


def run(main: Coroutine[Any, Any, _T], *, debug: bool | None = None) -> _T | None:
    """Run a program: `asyncio.run`, on a `QEventLoop`, whose end is the application's.

    When the last window is closed, or the application quits otherwise, `main` is cancelled and may
    clean up as long as it likes, awaits included. Then its result is returned, or None if the
    cancellation ended it. If `main` waited for the close of that window, it continues, and is
    cancelled if no window is visible `QEventLoop.quit_grace` seconds later. Ctrl-C cancels it as
    under `asyncio.run`, and raises KeyboardInterrupt. Tasks that are left are cancelled, and the
    loop is closed.
    """
    if not asyncio.iscoroutine(main):
        raise ValueError(f"a coroutine was expected, got {main!r}{_coroutines.hint(main)}")
    if asyncio._get_running_loop() is not None:
        main.close()
        raise RuntimeError("qtloop.run() cannot be called from a running event loop")
    loop = QEventLoop()
    loop._cancels_on_quit = True
    try:
        return _runner(lambda: loop, debug, main)
    except asyncio.CancelledError:
        if loop._has_quit:
            return None
        raise


if sys.version_info >= (3, 11):

    def _runner(
        factory: Callable[[], QEventLoop], debug: bool | None, main: Coroutine[Any, Any, _T]
    ) -> _T:
        with asyncio.Runner(debug=debug, loop_factory=factory) as runner:
            return runner.run(main)

else:

    def _runner(
        factory: Callable[[], QEventLoop], debug: bool | None, main: Coroutine[Any, Any, _T]
    ) -> _T:
        """What `asyncio.Runner` does."""
        with factory() as loop:
            asyncio.set_event_loop(loop)
            if debug is not None:
                loop.set_debug(debug)
            try:
                with _cancelling_on_sigint(loop.create_task(main)) as task:
                    result: _T = loop.run_until_complete(task)
                    return result
            finally:
                asyncio.set_event_loop(None)

    @contextmanager
    def _cancelling_on_sigint(task: asyncio.Task[_T]) -> Iterator[asyncio.Task[_T]]:
        """The first Ctrl-C cancels the task, and KeyboardInterrupt follows; a second raises it."""
        is_main = threading.current_thread() is threading.main_thread()
        if not is_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
            yield task
            return
        was_interrupted = False

        def interrupt(number: int, frame: FrameType | None) -> None:
            nonlocal was_interrupted
            if was_interrupted or task.done():
                raise KeyboardInterrupt
            was_interrupted = True
            task.cancel()
            # The signal's own wake-up may have been handled before the handler came to run.
            task.get_loop().call_soon_threadsafe(lambda: None)

        signal.signal(signal.SIGINT, interrupt)
        try:
            yield task
        except asyncio.CancelledError:
            if was_interrupted:
                raise KeyboardInterrupt from None
            raise
        finally:
            if signal.getsignal(signal.SIGINT) is interrupt:
                signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def attach(app: Any = None, *, debug: bool | None = None) -> Iterator[QEventLoop]:
    """Have a loop in an `exec()` that the program, or somebody else, calls:

        with qtloop.attach():
            sys.exit(app.exec())

    From here on `asyncio.get_running_loop()` is the loop, and tasks run whenever Qt does. At the
    end of the block, tasks that are left are cancelled and may clean up, and the loop is closed.
    An exception that stopped the loop, KeyboardInterrupt or SystemExit, is raised there.
    """
    with QEventLoop(app) as loop:
        loop._extend()
        if debug is not None:
            loop.set_debug(debug)
        yield loop
