"""Where Qt's calls and coroutines meet: asyncSlot, asyncClose and asyncWrap."""

from __future__ import annotations

import asyncio
import functools
import inspect
import reprlib
import sys
import warnings
import weakref
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar, overload

from . import _binding, _hosting, _native
from ._loop import QEventLoop
from ._quit import deaf

_P = ParamSpec("_P")
_T = TypeVar("_T")
_Slot = Callable[..., asyncio.Task[_T]]
_AsyncFunction = Callable[..., Coroutine[Any, Any, _T]]

_tasks: set[asyncio.Task[Any]] = set()  # a loop itself holds its tasks weakly
_slots: weakref.WeakSet[Callable[..., Any]] = weakref.WeakSet()


@overload
def asyncSlot(fn: _AsyncFunction[_T], /) -> _Slot[_T]: ...
@overload
def asyncSlot(
    *types: type | str, **kwargs: Any
) -> Callable[[_AsyncFunction[_T] | _Slot[_T]], _Slot[_T]]: ...
def asyncSlot(*types: Any, **kwargs: Any) -> Any:
    """Make a coroutine function a Qt slot: called by a signal, it starts a task and returns it.

    `types`, `name=` and `result=` are those of the binding's own `Slot` or `pyqtSlot`; with none
    at all the parentheses may be left out. As with any slot, a signal's last arguments may be
    more than it takes. An exception goes to `sys.excepthook`, that a task was cancelled does not.
    """
    if len(types) == 1 and not kwargs and inspect.isroutine(types[0]):
        return asyncSlot()(types[0])  # written without parentheses

    def decorate(fn: Any) -> Any:
        if isinstance(fn, staticmethod):
            return staticmethod(decorate(fn.__func__))
        slot = fn if fn in _slots else _starting_a_task(fn)  # stacked: one more overload
        _slots.add(slot)
        return _as_qt_slot(*types, **kwargs)(slot)

    return decorate


@overload
def asyncClose(fn: Callable[_P, Coroutine[Any, Any, _T]], /) -> Callable[_P, _T | None]: ...
@overload
def asyncClose() -> Callable[[Callable[_P, Coroutine[Any, Any, _T]]], Callable[_P, _T | None]]: ...
def asyncClose(fn: Any = None) -> Any:
    """Make a coroutine function a plain one, for `closeEvent` and others that Qt waits for.

    It returns when the coroutine is done; tasks and windows go on meanwhile, in a nested Qt loop.
    The result is the coroutine's, or None if that was cancelled. If the loop is stopped meanwhile,
    the result is None too, and the coroutine is one of the tasks that are left.
    """
    if fn is None:
        return asyncClose  # written with parentheses
    _require_async(fn, "asyncClose")

    @functools.wraps(fn)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        loop = _loop()
        if not isinstance(loop, QEventLoop):
            raise RuntimeError(f"asyncClose needs a qtloop.QEventLoop, but {loop!r} is running")
        task = loop.create_task(fn(*args, **kwargs))
        try:
            if loop.is_running() or _native.level() > 0:
                loop._run_nested(task, loop.quit_grace)
            else:
                loop.run_until_complete(task)
            return task.result() if task.done() else None
        except asyncio.CancelledError:
            return None

    return wrapper


async def asyncWrap(fn: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Call a function that runs a Qt loop of its own, like a dialog's `exec`, outside any task.

    Cancelled before the call, it is not made; cancelled during it, the function still runs to its
    end, as nothing can stop it, and its result is dropped.
    """
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[_T] = loop.create_future()

    def call() -> None:
        if outcome.done():
            return
        try:
            result = fn(*args, **kwargs)
        except (KeyboardInterrupt, SystemExit):
            outcome.cancel()
            raise  # out of the loop, as from any callback
        except BaseException as error:
            if outcome.done():
                raise  # to the loop's exception handler: nobody waits for it
            outcome.set_exception(error)
        else:
            if not outcome.done():
                outcome.set_result(result)

    loop.call_soon(call)
    return await outcome


deaf.add(asyncWrap.__code__)  # a quit ends dialogs too, which is no sign that main knows of it


def _starting_a_task(fn: _AsyncFunction[_T]) -> _Slot[_T]:
    _require_async(fn, "asyncSlot")
    fitting = _trimmer(fn)

    @functools.wraps(fn)
    def slot(*args: Any, **kwargs: Any) -> asyncio.Task[_T]:
        loop = _loop()
        try:
            coroutine = fn(*fitting(args, kwargs), **kwargs)
        except TypeError as error:
            named = (f"{name}={reprlib.repr(value)}" for name, value in kwargs.items())
            given = ", ".join([*map(reprlib.repr, args), *named])
            raise TypeError(
                "asyncSlot was not callable from Signal. Potential signature mismatch. "
                f"{fn.__qualname__}{inspect.signature(fn)} was called with ({given})."
            ) from error
        task = loop.create_task(coroutine)
        _tasks.add(task)
        task.add_done_callback(_finish)
        return task

    return slot


def _trimmer(fn: Callable[..., Any]) -> Callable[[tuple[Any, ...], Any], tuple[Any, ...]]:
    """What cuts a signal's arguments to those that `fn` takes; its signature is read once, here."""
    if sys.version_info >= (3, 14):
        from annotationlib import Format

        # Or names that exist for the type checker alone would be looked up, and not found.
        signature = inspect.signature(fn, annotation_format=Format.STRING)
    else:
        signature = inspect.signature(fn)
    parameters = signature.parameters.values()
    takes_all = any(each.kind is each.VAR_POSITIONAL for each in parameters)
    names = [
        each.name
        for each in parameters
        if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)
    ]
    limit = None if takes_all else len(names)

    def fitting(args: tuple[Any, ...], kwargs: Any) -> tuple[Any, ...]:
        for index, name in enumerate(names if kwargs else ()):
            if name in kwargs:  # as with `connect(partial(slot, name=value))`
                return args[:index]
        return args[:limit]

    return fitting


def _finish(task: asyncio.Task[Any]) -> None:
    _tasks.discard(task)
    error = None if task.cancelled() else task.exception()
    # The two that are left out have ended the loop's run already.
    if error is not None and not isinstance(error, (KeyboardInterrupt, SystemExit)):
        sys.excepthook(type(error), error, error.__traceback__)


def _as_qt_slot(*types: object, **kwargs: Any) -> Callable[[Any], Any]:
    """The binding's slot decorator, which makes the function known to QML and QMetaObject."""
    if _binding.binding is None:
        return lambda fn: fn
    core = _binding.binding.QtCore
    decorate: Callable[..., Callable[[Any], Any]]
    decorate = core.Slot if hasattr(core, "Slot") else core.pyqtSlot
    return decorate(*types, **kwargs)


def _require_async(fn: Any, decorator: str) -> None:
    if not inspect.iscoroutinefunction(fn):
        name = getattr(fn, "__qualname__", repr(fn))
        raise TypeError(
            f"{decorator} takes a coroutine function (`async def`), which {name} is not"
        )


def _loop() -> asyncio.AbstractEventLoop:
    """The running loop, else the one that was set, else the one that Qt serves on this thread."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        pass
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)  # 3.12 and 3.13: before it makes one
        try:
            loop = asyncio.get_event_loop()
        except (RuntimeError, DeprecationWarning):
            loop = None
    if isinstance(loop, QEventLoop) and not loop.is_closed():
        return loop
    if (served := _hosting.here()) is not None:
        return served
    raise RuntimeError(
        "no event loop is running: start the program with `qtloop.run(main())`, "
        "or call `app.exec()` inside `with qtloop.attach():`"
    )
