"""The modules of the Qt binding: `from qtloop.qtinter.bindings import QtCore`, as of qtinter."""

from typing import Any

# Absolute, for a program that imports this module by the name qtinter.bindings.
from qtloop import _binding

__all__ = ["QtCore"]  # noqa: F822


def __getattr__(name: str) -> Any:
    if not name.startswith("Qt"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if _binding.binding is None:
        raise AttributeError(
            f"module {__name__!r} has no attribute {name!r}, because no Qt binding is installed: "
            "`pip install PySide6` or `pip install PyQt6`"
        )
    return _binding.binding.module(name)
