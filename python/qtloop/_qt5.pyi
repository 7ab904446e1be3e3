"""The functions through which the native module uses Qt 5. This module links QtCore."""

from typing import Final

# A capsule for `_native.set_qt_functions()`.
table: Final[object]
