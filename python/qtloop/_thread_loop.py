"""Finds the loop of the calling thread, for slots, which Qt may call before the loop runs."""

from __future__ import annotations

import asyncio
import threading
import warnings

from . import _registry
from ._asyncio_private import get_event_loop_makes_one
from ._base import BaseLoop


def thread_loop() -> asyncio.AbstractEventLoop:
    """Returns this thread's running loop, else the one that was set, else the one Qt serves."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        pass
    loop = _current_event_loop()
    if (
        isinstance(loop, BaseLoop)
        and not loop.is_closed()
        and loop._thread_id in (None, threading.get_ident())
    ):
        return loop
    if (served := _registry.loop_of_thread()) is not None:
        return served
    thread = threading.current_thread()
    if thread is not threading.main_thread():
        raise RuntimeError(
            f"no event loop is running on this thread, {thread.name!r}. In a slot: a signal calls "
            "a plain function on the thread that emits it, so make the slot a method of a QObject "
            "that lives on the loop's thread. Elsewhere: use the loop's call_soon_threadsafe() or "
            "asyncio.run_coroutine_threadsafe()"
        )
    raise RuntimeError(
        "no event loop is running: start the program with `qtloop.run(main())`, "
        "or call `app.exec()` inside `with qtloop.attach():`"
    )


def _current_event_loop() -> asyncio.AbstractEventLoop | None:
    """Returns the loop that was set for this thread. Unlike `get_event_loop()` it makes none."""
    if get_event_loop_makes_one():
        return None
    with warnings.catch_warnings():
        # 3.12 and 3.13 warn before they make a loop: raise instead.
        warnings.simplefilter("error", DeprecationWarning)
        try:
            return asyncio.get_event_loop()
        except (RuntimeError, DeprecationWarning):
            return None
