"""Slots of bound methods, for connections that must not keep the method's object alive."""

from __future__ import annotations

import types
import weakref
from collections.abc import Callable
from typing import Any


def method_slot(method: Any, function: Callable[..., Any]) -> Any:
    """Returns a slot with the bound method's name that calls `function(instance, *args)`.

    The slot keeps the instance alive, as the bound method does. A connection does not: it holds a
    bound method weakly, and lasts until the instance is deleted.
    """
    weakref.ref(method.__self__)  # raises TypeError if it supports no weak references

    def slot(receiver: _Receiver, *args: Any) -> Any:
        instance = receiver.instance()
        return None if instance is None else function(instance, *args)

    for name in ("__module__", "__name__", "__qualname__", "__doc__"):
        setattr(slot, name, getattr(method, name))
    return types.MethodType(slot, _Receiver(method.__self__, slot))


class _Receiver:
    """The object that a connection holds weakly: it lives as long as its slot or the instance."""

    def __init__(self, instance: Any, slot: Callable[..., Any]) -> None:
        self.instance: Callable[[], Any] = lambda: instance
        self._slot = slot  # PyQt6 does not keep a method's function alive

    def __del__(self) -> None:
        """Resurrects itself when the slot is dropped; from then on the instance keeps it alive."""
        instance = self.instance()
        self.instance = weakref.ref(instance)
        weakref.finalize(instance, id, self).atexit = False  # refers to `self` until it is called
