"""`run()`, which runs a coroutine as a program; `attach()`, for a program that calls `exec()`."""

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
from ._asyncio_private import get_running_loop
from ._loop import QEventLoop
from ._native import VirtualClock

_T = TypeVar("_T")


def run(
    main: Coroutine[Any, Any, _T],
    *,
    debug: bool | None = None,
    clock: VirtualClock | None = None,
) -> _T | None:
    """Runs a program like `asyncio.run`, on a `QEventLoop`, until `main` ends or Qt quits.

    When the last window is closed, or the application quits otherwise, `main` is cancelled. It may
    clean up without a time limit, awaits included. Then its result is returned, or None if the
    cancellation ended it. If `main` waited for the close of that window, it continues, and is
    cancelled if no window is visible `QEventLoop.quit_grace` seconds later. Ctrl-C cancels it as
    under `asyncio.run`, and raises KeyboardInterrupt. At the end, remaining tasks are cancelled and
    the loop is closed.

    With a `clock`, the program runs in virtual time: see `VirtualClock`.
    """
    if not asyncio.iscoroutine(main):
        raise ValueError(f"a coroutine was expected, got {main!r}{_coroutines.hint(main)}")
    if get_running_loop() is not None:
        main.close()
        raise RuntimeError("qtloop.run() cannot be called from a running event loop")
    loop = QEventLoop(clock=clock)
    loop._cancels_main_on_quit = True
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
        """Does what `asyncio.Runner` does, for Python 3.10."""
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
        """Makes the first Ctrl-C cancel the task, then raises KeyboardInterrupt at the end."""
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
            # Wake the loop: the signal's own wake-up may have been handled before this handler ran.
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
def attach(
    app: Any = None, *, debug: bool | None = None, clock: VirtualClock | None = None
) -> Iterator[QEventLoop]:
    """Attaches a new loop to Qt, for a program that calls `exec()` itself:

        with qtloop.attach():
            sys.exit(app.exec())

    In the block `asyncio.get_running_loop()` returns the loop, and tasks run whenever Qt processes
    events. At the end of the block, remaining tasks are cancelled and may clean up, and the loop is
    closed. A KeyboardInterrupt or SystemExit that stopped the loop is raised there. With a `clock`,
    the loop has virtual time: see `VirtualClock`.
    """
    with QEventLoop(app, clock=clock) as loop:
        loop._enter_attach()
        if debug is not None:
            loop.set_debug(debug)
        yield loop
