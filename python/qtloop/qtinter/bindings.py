"""The modules of the Qt binding, as in qtinter: `from qtloop.qtinter.bindings import QtCore`."""

from typing import Any

# An absolute import also works if a program registers this module as qtinter.bindings.
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
