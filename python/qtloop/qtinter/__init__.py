"""The names of qtinter, for ported programs: `import qtloop.qtinter as qtinter`.

Three things differ: no thread waits for sockets, tasks run while any dialog is open and not only
inside `modal`, and `app.quit()` also ends `asyncio.run()`. New programs use `qtloop.run()`,
`qtloop.attach()`, `asyncSlot`, `asyncWrap`, and `qtloop.once()` and `stream()` to await signals.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

from .. import _background_tasks
from .._async_wrap import asyncWrap
from .._coroutines import Call
from .._eager_task import start
from .._loop import QEventLoop, new_event_loop
from .._method_slot import method_slot
from .._signal_arguments import copy_borrowed
from .._signals import SignalStream
from .._thread_loop import thread_loop
from . import bindings as bindings

_P = ParamSpec("_P")
_T = TypeVar("_T")

QiBaseEventLoop = QiDefaultEventLoop = QiSelectorEventLoop = QEventLoop

__all__ = [
    "QiBaseEventLoop",
    "QiDefaultEventLoop",
    "QiSelectorEventLoop",
    "asyncsignal",
    "asyncsignalstream",
    "asyncslot",
    "modal",
    "multisignal",
    "new_event_loop",
    "run_task",
    "using_asyncio_from_qt",
]

if sys.version_info < (3, 16):
    from .._policy import QEventLoopPolicy

    QiDefaultEventLoopPolicy = QiSelectorEventLoopPolicy = QEventLoopPolicy

    @contextmanager
    def using_qt_from_asyncio() -> Iterator[None]:
        """Makes `asyncio.run()`, and other code that makes loops, use a `QEventLoop`."""
        asyncio.set_event_loop_policy(QEventLoopPolicy())
        try:
            yield
        finally:
            asyncio.set_event_loop_policy(None)

    __all__ += [
        "QiDefaultEventLoopPolicy",
        "QiSelectorEventLoopPolicy",
        "using_qt_from_asyncio",
    ]


@contextmanager
def using_asyncio_from_qt(
    *, debug: bool | None = None, loop_factory: Callable[[], QEventLoop] | None = None
) -> Iterator[None]:
    """Attaches a new loop to Qt, as `qtloop.attach()` does, and sets it as the current loop."""
    with (loop_factory or new_event_loop)() as loop:
        if debug is not None:
            loop.set_debug(debug)
        loop._enter_attach()
        asyncio.set_event_loop(loop)
        try:
            yield
        finally:
            asyncio.set_event_loop(None)


def run_task(
    coro: Coroutine[Any, Any, _T], *, allow_task_nesting: bool = True, **kwargs: Any
) -> asyncio.Task[_T]:
    """Makes a task and runs it up to its first wait."""
    try:
        loop = thread_loop()
    except RuntimeError as error:
        raise RuntimeError(f"no running event loop: {error}") from None
    if not allow_task_nesting and asyncio.current_task(loop):
        coro.close()
        raise RuntimeError(
            "cannot call run_task from a running task when allow_task_nesting is False"
        )
    return start(loop, coro, **kwargs)


def asyncslot(
    fn: Callable[..., Coroutine[Any, Any, _T]],
    *,
    task_runner: Callable[[Coroutine[Any, Any, _T]], asyncio.Task[_T]] = run_task,
) -> Callable[..., asyncio.Task[_T]]:
    """Makes a slot that runs a coroutine function as a task: `signal.connect(asyncslot(fn))`.

    It has the function's name. The slot of a bound method keeps the object alive, as the method
    does; a connection does not. asyncio reports an exception that is not retrieved.
    """
    if not callable(fn):
        raise TypeError(f"asyncslot takes a coroutine function, which {fn!r} is not")
    method: Any = fn if inspect.ismethod(fn) else None
    call = Call(method.__func__ if method else fn, "asyncslot")
    if missing := call.required_keywords:
        raise TypeError(
            f"no signal can call {call.name}, which needs the keyword arguments "
            f"{', '.join(missing)}: give them defaults, or pass them by functools.partial"
        )

    def slot(*args: Any) -> asyncio.Task[_T]:
        task = task_runner(call(copy_borrowed(args, keep_outputs=True), {}))
        _background_tasks.keep(task)
        return task

    return method_slot(method, slot) if method else functools.wraps(fn)(slot)


def modal(fn: Callable[_P, _T]) -> Callable[_P, Coroutine[Any, Any, _T]]:
    """Makes a coroutine function that calls `fn`, which runs a Qt loop, by `asyncWrap`."""

    @functools.wraps(fn)
    async def wrapper(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        return await asyncWrap(fn, *args, **kwargs)

    return wrapper


async def asyncsignal(signal: Any) -> tuple[Any, ...]:
    """Waits for the next emission of a signal. Returns the tuple of its arguments.

    If the sender is destroyed first, `qtloop.SenderDestroyed` is raised.
    """
    async with asyncsignalstream(signal, maxsize=1, drops_newest=True, once=True) as emissions:
        args: tuple[Any, ...] = await anext(emissions)
        return args


class asyncsignalstream(SignalStream):
    """The arguments of each emission of a signal since construction: `async for args in ...`."""

    async def __anext__(self) -> tuple[Any, ...]:
        return await self._buffer.get()


class multisignal:
    """Several signals as one. Its slots get the emitted signal's value and arguments."""

    def __init__(self, signal_map: Mapping[Any, Any]) -> None:
        self.signal_map = signal_map

    def connect(self, slot: Callable[..., object]) -> list[Any]:
        """Connects `slot(value, args)` to each signal."""
        return [
            signal.connect(lambda *args, value=value: slot(value, copy_borrowed(args)))
            for signal, value in self.signal_map.items()
        ]


def copy_signal_arguments(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Returns a signal's arguments with copies that stay valid after the emission."""
    return copy_borrowed(args)
