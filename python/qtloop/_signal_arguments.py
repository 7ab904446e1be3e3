"""Copies signal arguments that PyQt6 passes as pointers into the sender's memory.

PyQt6 copies a value whose type Qt can store in a QVariant. A slot gets any other value, such as a
`QItemSelection`, a `QTextCharFormat` or a `QTextCursor`, as a wrapper that points into the sender's
stack and dangles when the emission ends. PySide6 copies all values.
"""

from __future__ import annotations

import sys
from typing import Any

from . import _binding

# Types that Qt's signals pass for a slot to fill in: the sender reads them after the emission.
_OUTPUT_TYPES = {
    "QAuthenticator",
    "QSqlRecord",  # for QSqlTableModel's primeInsert, beforeInsert and beforeUpdate
    "QSslPreSharedKeyAuthenticator",
    "QWebSocketCorsAuthenticator",
}


def copy_borrowed(args: tuple[Any, ...], *, keep_outputs: bool = False) -> tuple[Any, ...]:
    """Returns a signal's arguments with borrowed values copied, so that they outlive the emission.

    Objects with an identity, such as a QObject or an item of a view, are not copied. With
    `keep_outputs`, for code that starts during the emission, objects that a slot fills in for the
    sender are not copied either; these are valid during the emission only.
    """
    # Without an import of PyQt no argument can be one of its objects.
    binding = _binding.binding
    sip = sys.modules.get(binding.support) if binding and _binding.is_pyqt() else None
    if sip is None:
        return args
    for each in args:
        if _is_borrowed(sip, each):
            return tuple(
                _copy(each, keep_outputs) if _is_borrowed(sip, each) else each for each in args
            )
    return args


def _is_borrowed(sip: Any, value: Any) -> bool:
    # In PyQt a class with an identity derives from sip.wrapper, which can have an owner; a value
    # class derives from sip.simplewrapper only.
    return (
        isinstance(value, sip.simplewrapper)
        and not isinstance(value, sip.wrapper)
        and not sip.ispyowned(value)
    )


def _copy(value: Any, keep_outputs: bool) -> Any:
    if keep_outputs and type(value).__name__ in _OUTPUT_TYPES:
        return value
    try:
        return type(value)(value)
    except TypeError:  # it has no copy constructor
        return value
