"""asyncSlot: coroutine functions as slots."""

from __future__ import annotations

import asyncio
import functools
import inspect
import weakref
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar, overload

from . import _background_tasks, _native, _signal_arguments, _when_busy
from ._coroutines import Call, is_async, require_async
from ._eager_task import start
from ._qt_slot import as_qt_slot, as_qt_slot_of_any_types, is_qobject, overrides_qt
from ._scope import scope_of
from ._thread_loop import thread_loop
from ._when_busy import WhenBusy

_T = TypeVar("_T")
_Slot = Callable[..., asyncio.Task[_T]]
_AsyncFunction = Callable[..., Awaitable[_T]]


@dataclass
class _Options:
    when_busy: WhenBusy = "parallel"
    scoped: bool = False
    priority: int | None = None


# For a second `asyncSlot` on the same function: what the first one has made for each slot that it
# has returned. All overloads of a slot share the options.
_slots: weakref.WeakKeyDictionary[Any, tuple[Any, Call, _Options]] = weakref.WeakKeyDictionary()


@overload
def asyncSlot(fn: _AsyncFunction[_T], /) -> _Slot[_T]: ...
@overload
def asyncSlot(
    *types: type | str,
    when_busy: WhenBusy = ...,
    scoped: bool = ...,
    priority: int | None = ...,
    **kwargs: Any,
) -> Callable[[_AsyncFunction[_T] | _Slot[_T]], _Slot[_T]]: ...
def asyncSlot(
    *types: Any,
    when_busy: WhenBusy | None = None,
    scoped: bool | None = None,
    priority: int | None = None,
    **kwargs: Any,
) -> Any:
    """Makes a coroutine function a Qt slot: called by a signal, it starts a task and returns it.

    The task starts at once: up to its first wait the coroutine runs inside the emission, where
    `self.sender()` is the sender and an event can be accepted. Qt destroys the event at the first
    wait; values that the signal passed stay valid. If the loop has a task factory, the factory
    decides when the task starts. A coroutine function that is connected without `asyncSlot` never
    runs, and Python warns that it "was never awaited".

    The task belongs to the loop of the thread on which Qt calls the slot. A slot that is called on
    a thread without a loop raises RuntimeError.

    `types`, `name=` and `result=` are those of the binding's own `Slot` or `pyqtSlot`. Without any
    of them the parentheses may be left out, and the slot gets the signal's arguments. As
    with any slot, a signal may have more arguments than the slot takes. Decorators between
    `asyncSlot` and the coroutine function must use `functools.wraps` and return the coroutine. An
    exception is passed to `sys.excepthook`, or to the loop's exception handler if the program has
    set no hook; a cancellation is not reported.

    `when_busy` says what a call does while a task of the same slot runs. Slots of different objects
    are counted separately. Another value raises ValueError.

    - "parallel", the default: the call starts a task beside the others.
    - "queue": its task starts when the tasks of all earlier calls have completed. The queue is
      unbounded and keeps the arguments. Each call returns its own task, which may be cancelled
      while it waits. A slot that awaits its own slot waits for ever.
    - "drop": the call starts no task and returns the running one. An event that is its argument
      stays accepted, so "drop" does not fit `closeEvent`.
    - "restart": it cancels the other tasks; its own task starts when they have cleaned up.

    With `scoped=True` the task is cancelled when the method's object is destroyed. The slot must be
    a method of a QObject of the loop's thread; a call of any other slot raises TypeError.

    `priority` is that of the tasks, from -100 (`Priority.HIGH`) to 100 (`Priority.LOW`); another
    number raises ValueError. By default it is that of the callback that emits the signal, and
    `Priority.NORMAL` for a signal that Qt emits.

    Source: https://doc.qt.io/qt-6/signalsandslots.html
    """
    if len(types) == 1 and not kwargs and _is_function(types[0]):
        return asyncSlot()(types[0])  # written without parentheses
    if when_busy is not None:
        _when_busy.check(when_busy)
    if priority is not None:
        _native.check_priority(priority)

    def decorate(fn: Any) -> Any:
        if isinstance(fn, staticmethod):
            return staticmethod(decorate(fn.__func__))
        known = _known(fn)
        if known is None:
            require_async(fn, "asyncSlot")
            call, options = Call(fn, "asyncSlot"), _Options()
            slot = _starting_a_task(call, options)
        else:  # a second asyncSlot on the same function: one more overload
            (slot, call, options) = known
        if when_busy is not None:
            options.when_busy = when_busy
        if scoped is not None:
            options.scoped = scoped
        if priority is not None:
            options.priority = priority
        if types or kwargs:
            qt_slot = as_qt_slot(*types, **kwargs)(fn if known else slot)
        else:
            qt_slot = as_qt_slot_of_any_types(fn if known else slot, bool(call.class_name))
        _slots[qt_slot] = (slot, call, options)
        return qt_slot

    return decorate


def _known(fn: Any) -> tuple[Any, Call, _Options] | None:
    try:
        return _slots.get(fn)
    except TypeError:  # it is not hashable, or has no weak references
        return None


def _is_function(first: Any) -> bool:
    """Returns whether the decorator's only argument is the function, not a parameter's type."""
    return inspect.isroutine(first) or (not isinstance(first, (type, str)) and is_async(first))


def _starting_a_task(call: Call, options: _Options) -> Any:
    """Returns the plain function that starts a task at each call, and returns the task.

    An event handler that overrides one of PyQt6 returns None, because PyQt6 accepts nothing else.
    """
    slot_tasks = _when_busy.SlotTasks()
    is_handler = call.fn_name.endswith("Event")

    @functools.wraps(call.fn)
    def slot(*args: Any, **kwargs: Any) -> asyncio.Task[Any] | None:
        loop = thread_loop()
        args = _signal_arguments.copy_borrowed(args, keep_outputs=True)
        if options.when_busy == "parallel" and not options.scoped:
            task = _launch(loop, call(args, kwargs), options.priority)
        else:
            task = _launch_with(options, slot_tasks, loop, call, args, kwargs)
        if is_handler and overrides_qt(call.fn_name, args):
            return None
        return task

    return slot


def _launch_with(
    options: _Options,
    slot_tasks: _when_busy.SlotTasks,
    loop: asyncio.AbstractEventLoop,
    call: Call,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> asyncio.Task[Any]:
    """Starts the task of a call that is scoped, or whose `when_busy` is not "parallel"."""
    owner = call.owner(args)

    def launch(coro: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        if not options.scoped:
            return _launch(loop, coro, options.priority)
        if not is_qobject(owner):
            coro.close()
            raise TypeError(
                f"asyncSlot(scoped=True) takes a method of a QObject, which {call.name} is not"
            )
        # The scope is made before the task, whose first step may destroy the object.
        scope = scope_of(owner, loop)
        task = _launch(loop, coro, options.priority)
        if not task.done():
            scope.add(task)
        return task

    if options.when_busy == "parallel":
        return launch(call(args, kwargs))
    return slot_tasks.start_call(options.when_busy, owner, loop, lambda: call(args, kwargs), launch)


def _launch(
    loop: asyncio.AbstractEventLoop, coro: Coroutine[Any, Any, Any], priority: int | None
) -> asyncio.Task[Any]:
    """Starts a task that is kept until it is done, and whose exception is reported."""
    task = start(loop, coro, priority)
    _background_tasks.keep_and_report(task)
    return task
