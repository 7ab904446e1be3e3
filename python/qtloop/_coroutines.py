"""Coroutine functions as slots: which functions are taken, and how one is called by a signal."""

from __future__ import annotations

import functools
import inspect
import reprlib
import sys
from collections.abc import Awaitable, Callable, Coroutine
from types import CoroutineType
from typing import Any

from ._asyncio_private import has_coroutine_mark


def require_async(fn: Any, decorator: str) -> None:
    """Raises TypeError unless `fn` is a coroutine function, perhaps under other decorators."""
    if not is_async(fn):
        name = getattr(fn, "__qualname__", repr(fn))
        raise TypeError(
            f"{decorator} takes a coroutine function (`async def`), which {name} is not"
        )


def is_async(fn: Any) -> bool:
    """Returns whether a call of `fn` returns a coroutine, as far as `fn` or what it wraps shows."""
    if not callable(fn):
        return False
    while isinstance(fn, functools.partial):
        fn = fn.func
    inner = inspect.unwrap(fn)
    return _is_async_def(inner) or _is_async_def(_call_method(inner))


def _call_method(value: Any) -> Any:
    return vars(type(value)).get("__call__")


def _is_async_def(fn: Any) -> bool:
    return inspect.iscoroutinefunction(fn) or has_coroutine_mark(fn)


def hint(value: object) -> str:
    """Returns ": did you mean ...()?" for a coroutine function where a coroutine was expected."""
    if not inspect.iscoroutinefunction(value):
        return ""
    return f": did you mean {_name(value).rpartition('.')[2]}()?"


class Call:
    """A function, called with as many of a signal's arguments as it takes."""

    def __init__(self, fn: Callable[..., Any], decorator: str) -> None:
        self.fn = fn
        self.name = _name(fn)
        self.fn_name = self.name.rpartition(".")[2]
        self._module = getattr(fn, "__module__", None)
        self._decorator = decorator
        self.signature = _own_signature(fn)
        parameters = self.signature.parameters.values()
        self._names = [
            each.name
            for each in parameters
            if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)
        ]
        takes_all = any(each.kind is each.VAR_POSITIONAL for each in parameters)
        self._limit = None if takes_all else len(self._names)

    @property
    def required_keywords(self) -> list[str]:
        """The keyword-only arguments without a default, which a signal cannot pass."""
        return [
            each.name
            for each in self.signature.parameters.values()
            if each.kind is each.KEYWORD_ONLY and each.default is each.empty
        ]

    @property
    def class_name(self) -> str:
        """The name of the class whose body defines the function, or ""."""
        name = self.name.rpartition(".")[0]
        return "" if name.endswith("<locals>") else name

    def owner(self, args: tuple[Any, ...]) -> object:
        """Returns the object, or class, whose method is called with these arguments, else None."""
        if inspect.ismethod(self.fn):
            return self.fn.__self__
        if not args or not self.class_name:
            return None
        first = args[0]
        bases = (first if isinstance(first, type) else type(first)).__mro__
        is_its = any(
            (each.__qualname__, each.__module__) == (self.class_name, self._module)
            for each in bases
        )
        return first if is_its else None

    def invoke(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Calls the function. Raises TypeError if the arguments do not fit."""
        given = self._fitting(args, kwargs) if kwargs else args[: self._limit]
        try:
            return self.fn(*given, **kwargs)
        except TypeError as error:
            if self._fits(given, kwargs):
                raise  # an error of the function itself
            raise TypeError(self._mismatch(args, kwargs)) from error

    def __call__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Coroutine[Any, Any, Any]:
        """Calls the function and returns its coroutine.

        Raises TypeError if the arguments do not fit, or if the result cannot be awaited.
        """
        return self.as_coroutine(self.invoke(args, kwargs))

    def as_coroutine(self, result: object) -> Coroutine[Any, Any, Any]:
        """Returns a coroutine for a result. Raises TypeError if it cannot be awaited."""
        if isinstance(result, CoroutineType):
            return result
        if inspect.isawaitable(result):
            return _await(result)
        raise TypeError(
            f"{self.name} returned {reprlib.repr(result)}, which cannot be awaited: write it as "
            f"`async def`, and let each decorator below {self._decorator} return the coroutine "
            "that it gets"
        )

    def _fitting(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        for index, name in enumerate(self._names):
            if name in kwargs:  # as with `connect(partial(slot, name=value))`
                return args[:index]
        return args[: self._limit]

    def _fits(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        try:
            self.signature.bind(*args, **kwargs)
        except TypeError:
            return False
        return True

    def _mismatch(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        named = (f"{name}={reprlib.repr(value)}" for name, value in kwargs.items())
        given = ", ".join([*map(reprlib.repr, args), *named])
        return (
            f"{self._decorator} was not callable from Signal. Potential signature mismatch. "
            f"{self.name}{self.signature} was called with ({given}). "
            "PySide6 passes no default arguments, such as `checked` of `clicked`: connect "
            "`button.clicked[bool]`."
        )


async def _await(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


def _name(fn: Any) -> str:
    while isinstance(fn, functools.partial):
        fn = fn.func
    name: str = getattr(fn, "__qualname__", None) or type(fn).__qualname__
    return name


def _own_signature(fn: Any) -> inspect.Signature:
    """Returns the signature that a call must fit.

    It is that of the outermost function or, if that takes `*args`, of the function that it wraps.
    """
    if inspect.ismethod(fn):
        unbound = _own_signature(fn.__func__)
        parameters = list(unbound.parameters.values())
        if parameters and parameters[0].kind is not inspect.Parameter.VAR_POSITIONAL:
            del parameters[0]
        return unbound.replace(parameters=parameters)
    signature = _signature(fn)
    while hasattr(fn, "__wrapped__") and any(
        each.kind is each.VAR_POSITIONAL for each in signature.parameters.values()
    ):
        fn = fn.__wrapped__
        signature = _signature(fn)
    return signature


if sys.version_info >= (3, 14):
    from annotationlib import Format

    def _signature(fn: Any) -> inspect.Signature:
        # As strings: evaluating names that only a type checker imports would raise NameError.
        return inspect.signature(fn, follow_wrapped=False, annotation_format=Format.STRING)

else:

    def _signature(fn: Any) -> inspect.Signature:
        return inspect.signature(fn, follow_wrapped=False)
