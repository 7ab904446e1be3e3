"""`throttle()` and `debounce()`: functions that are called less often than their callers ask."""

from __future__ import annotations

import asyncio
import functools
import math
import types
import weakref
from collections.abc import Awaitable, Callable
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar, cast, overload

from ._coroutines import Call, is_async
from ._paced_state import Pace, PacedState
from ._qt_slot import is_qobject

_P = ParamSpec("_P")
_Q = ParamSpec("_Q")
_R = TypeVar("_R")
_S = TypeVar("_S")
_T = TypeVar("_T")


class _Decorator(Protocol):
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, fn: Callable[_P, Awaitable[_T]], /
    ) -> Paced[_P, Awaitable[_T]]: ...
    @overload
    def __call__(self, fn: Callable[_P, object], /) -> Paced[_P, None]: ...


def throttle(interval: float, leading: bool = True, trailing: bool = True) -> _Decorator:
    """Makes a function that runs at most once per `interval` seconds, such as a slot of a slider:

        slider.valueChanged.connect(qtloop.throttle(0.05)(plot.redraw))

    The first call runs at once. Later calls within the interval are replaced by the newest one,
    which runs when the interval ends and starts the next one. So the last call always runs. An
    interval is measured from start to start, and is never shorter.

    With `leading=False` the first call waits for the end of an interval, too. With `trailing=False`
    calls within an interval are dropped. ValueError is raised if both are False, or if `interval`
    is negative or not finite.

    The result is a slot, a function, or a decorated method. It returns None, and takes the
    arguments of the function; more arguments of a signal are dropped. It has these members:

    - `pending`: whether a call waits for its time.
    - `cancel()`: drops the pending call, and the timer. The next call is a first one.
    - `flush()`: runs the pending call now. Does nothing if there is none.

    A method has one timer per instance, and refers to it weakly, as does a function made of a bound
    method. When the instance is deleted, or its QObject destroyed, the pending call is dropped. A
    class with `__slots__` needs the slot `"__weakref__"`; TypeError is raised without it.

    The timer is that of the loop of the calling thread. Without a loop, RuntimeError is raised.
    All calls must come from one thread: a call on another thread raises RuntimeError while the
    first loop is open. A QObject's method that is connected to a signal runs on the thread of the
    QObject. `close()` of the loop drops the pending call.

    A call that runs at once is a plain call: it raises its exception, and `sender()` is valid.
    An exception of a later call is passed to `sys.excepthook`, or to the loop's exception handler
    if the program has set no hook, as that of an `asyncSlot`.

    Each run of a coroutine function is a task, and at most one runs at a time. A run that is due
    waits until the last one has completed: if a run were cancelled by the next one, a coroutine
    that takes longer than the interval would never complete. It needs no `asyncSlot`, and may be
    written above or below one. A call returns an awaitable of its result. The awaitable raises
    CancelledError if the call is dropped; to cancel its waiter cancels the call. If the awaitable
    is not awaited, an exception is reported as above.

    Source: https://lodash.com/docs/#throttle
    """
    interval = _seconds("throttle", "interval", interval)
    if not leading and not trailing:
        raise ValueError(
            "throttle(leading=False, trailing=False) would never call the function: "
            "leave out one of the two"
        )
    return _decorator(Pace("throttle", interval, leading, trailing))


def debounce(delay: float, leading: bool = False, max_wait: float | None = None) -> _Decorator:
    """Makes a function that runs when it has not been called for `delay` seconds:

        edit.textChanged.connect(qtloop.debounce(0.2)(self.search))

    Each call replaces the pending one and starts the delay again. With `max_wait` a call is delayed
    at most that many seconds, counted from the first of the calls that it replaces. With
    `leading=True` the first call runs at once; the newest of the calls that follow it runs after
    the delay, so the last call always runs.

    ValueError is raised if `delay` is negative or not finite, or if `max_wait` is below `delay`.

    All else is as with `throttle`, except one rule for coroutine functions: a run that is due
    cancels the one before, and starts when that has cleaned up, as with
    `asyncSlot(when_busy="restart")`. A search for an earlier text is of no use when the next one
    starts.

    Source: https://lodash.com/docs/#debounce
    """
    delay = _seconds("debounce", "delay", delay)
    if max_wait is not None:
        max_wait = _seconds("debounce", "max_wait", max_wait)
        if max_wait < delay:
            raise ValueError(
                f"debounce(max_wait={max_wait}) is below its delay of {delay} seconds: "
                "raise max_wait, or leave it out"
            )
    return _decorator(Pace("debounce", delay, leading, True, max_wait))


def _seconds(decorator: str, name: str, value: Any) -> float:
    if isinstance(value, bool) or not hasattr(type(value), "__float__"):
        raise TypeError(
            f"{decorator}({name}) is a number of seconds, not {value!r}: "
            f"write `@qtloop.{decorator}(0.05)` above the function"
        )
    seconds = float(value)
    if not 0 <= seconds < math.inf:
        raise ValueError(
            f"{decorator}({name}={value!r}) is not a time: "
            "pass a finite number of seconds that is not negative"
        )
    return seconds


def _decorator(pace: Pace) -> _Decorator:
    def decorate(fn: Any) -> Any:
        if isinstance(fn, (staticmethod, classmethod)):
            return type(fn)(decorate(fn.__func__))
        if not callable(fn):
            raise TypeError(f"{pace.decorator} takes a function, got {fn!r}")
        return Paced(pace, fn)

    return cast(_Decorator, decorate)


class Paced(Generic[_P, _R]):
    """A paced function. As an attribute of an instance it is a bound method with the same members.

    A bound method must be one to Qt, too: the bindings find its QObject, which receives the calls
    on its own thread and ends the connection when it is destroyed.
    """

    # Not in `__dict__`, which decorators above this one copy into their functions.
    __slots__ = (
        "__dict__",
        "__weakref__",
        "_call",
        "_function",
        "_is_async",
        "_is_bound",
        "_methods",
        "_pace",
        "_state",
    )

    def __init__(self, pace: Pace, fn: Callable[_P, Any]) -> None:
        owner = None
        function: Any = fn
        if (instance := _instance_of(fn)) is not None:
            owner, function = _weak_reference(pace, instance), _unbound(fn)
        functools.update_wrapper(self, function)
        if owner is not None:
            del self.__dict__["__wrapped__"]  # it takes one argument more
        self._pace = pace
        self._is_bound = owner is not None
        self._is_async = is_async(function)
        self._call: Call | None = None
        try:
            self._call = Call(function, pace.decorator)
            # `inspect` takes an object with `__get__` for a function of C.
            self.__signature__ = self._call.signature
        except (TypeError, ValueError):
            pass  # a function of C or C++ without a signature gets all arguments
        self._function = function
        self._state = self._new_state(owner)
        # By the `id()` of the instance, which need not be hashable.
        self._methods: dict[int, tuple[weakref.ref[Any], PacedState, Any]] = {}

    def __call__(self, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        owner = None if self._is_bound or self._call is None else self._call.owner(args)
        if owner is None:
            return cast(_R, self._state.call(args, kwargs))
        return cast(_R, self._method(owner)[1].call(args[1:], kwargs))

    @overload
    def __get__(self, instance: None, owner: type) -> Paced[_P, _R]: ...
    @overload
    def __get__(
        self: Paced[Concatenate[_S, _Q], _R], instance: _S, owner: type | None = None
    ) -> Paced[_Q, _R]: ...
    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None or self._is_bound or not hasattr(type(self._function), "__get__"):
            return self
        return types.MethodType(self._method(instance)[2], instance)

    @property
    def pending(self) -> bool:
        """Whether a call waits for its time."""
        return self._state.pending

    def cancel(self) -> None:
        """Drops the pending call and the timer. A coroutine that runs is not cancelled."""
        self._state.cancel()

    def flush(self) -> None:
        """Runs the pending call now, if there is one."""
        self._state.flush()

    def _new_state(self, owner: weakref.ref[Any] | None, *on_pending: Any) -> PacedState:
        name = getattr(self._function, "__qualname__", repr(self._function))
        return PacedState(self._pace, name, self._invoke, self._is_async, owner, *on_pending)

    def _invoke(self, owner: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if owner is not None:
            args = (owner, *args)
        if self._call is None:
            return self._function(*args, **kwargs)
        result = self._call.invoke(args, kwargs)
        if not self._is_async or isinstance(result, asyncio.Future):
            return result
        return self._call.as_coroutine(result)

    def _method(self, instance: Any) -> tuple[weakref.ref[Any], PacedState, Any]:
        """Returns a reference to the instance, its state, and a function that a method can bind."""
        known = self._methods.get(id(instance))
        if known is not None:
            return known
        methods, key = self._methods, id(instance)

        def died(_: object) -> None:
            method = methods.pop(key, None)
            if method is not None:
                method[1].owner_died()

        reference = _weak_reference(self._pace, instance, died)

        # The attribute of a class: an `asyncSlot` looks undecorated to PyQt6 there.
        @functools.wraps(self._function.__get__(None, type(instance)))
        def method(_: Any, /, *args: Any, **kwargs: Any) -> Any:
            return state.call(args, kwargs)

        bound: Any = method
        state = self._new_state(reference, functools.partial(setattr, bound, "pending"))
        bound.pending, bound.cancel, bound.flush = False, state.cancel, state.flush
        # Both bindings hold a method weakly, and PyQt6 its function, too: it must live here.
        return methods.setdefault(key, (reference, state, bound))


def _instance_of(fn: Any) -> Any:
    """Returns the instance of a bound method, or the QObject of a C++ method, else None."""
    instance = getattr(fn, "__self__", None)
    # Not that of other C methods: `signal.emit` belongs to an object that nothing else refers to.
    return instance if isinstance(fn, types.MethodType) or is_qobject(instance) else None


def _weak_reference(pace: Pace, instance: Any, *callback: Any) -> weakref.ref[Any]:
    try:
        return weakref.ref(instance, *callback)
    except TypeError:
        raise TypeError(
            f"{pace.decorator} refers weakly to the instance of a method, which "
            f"{type(instance).__qualname__} does not allow: "
            'add "__weakref__" to its __slots__'
        ) from None


def _unbound(fn: Any) -> Any:
    """Returns the function of a bound method. For a method of C++ it finds that by its name."""
    if isinstance(fn, types.MethodType):
        return fn.__func__
    name = fn.__name__

    def call(instance: Any, *args: Any, **kwargs: Any) -> Any:
        return getattr(instance, name)(*args, **kwargs)

    call.__name__, call.__qualname__ = name, fn.__qualname__
    return call
