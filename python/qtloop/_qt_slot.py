"""The binding's own slot decorator, which makes a function known to QML and to QMetaObject."""

from __future__ import annotations

import functools
import types as python_types
from collections.abc import Callable
from typing import Any

from . import _binding


def as_qt_slot(*types: object, **kwargs: Any) -> Callable[[Any], Any]:
    """Returns the binding's `Slot(...)` or `pyqtSlot(...)`; without a binding, a no-op."""
    if _binding.binding is None:
        return lambda fn: fn
    core = _binding.binding.QtCore
    decorate: Callable[..., Callable[[Any], Any]]
    decorate = core.Slot if hasattr(core, "Slot") else core.pyqtSlot
    return decorate(*types, **kwargs)


def as_qt_slot_of_any_types(fn: Any, is_in_class: bool) -> Any:
    """Makes a function a slot that gets all arguments of a signal, as PySide6's `Slot()` does.

    PyQt6 passes no arguments to a `pyqtSlot()`, and all of them to an undecorated function. It also
    refuses to connect a `pyqtSlot` of a class that is no QObject.
    """
    if not _binding.is_pyqt():
        return as_qt_slot()(fn)
    return as_qt_slot()(_Undecorated(fn)) if is_in_class else fn


def is_qobject(value: object) -> bool:
    """Returns whether the value is a QObject of the binding."""
    return _binding.binding is not None and isinstance(value, _binding.binding.QtCore.QObject)


def overrides_qt(name: str, args: tuple[Any, ...]) -> bool:
    """Returns whether a method with these arguments overrides PyQt's, and so must return None."""
    return (
        _binding.is_pyqt()
        and bool(args)
        and any(
            name in vars(each)
            for each in type(args[0]).__mro__
            if each.__module__.startswith("PyQt")
        )
    )


class _Undecorated:
    """A method that PyQt6 sees as decorated when it makes the class, and as plain afterwards."""

    def __init__(self, fn: Callable[..., Any]) -> None:
        functools.update_wrapper(self, fn)
        self._fn = fn

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        return self._fn if instance is None else python_types.MethodType(self._fn, instance)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._fn(*args, **kwargs)
