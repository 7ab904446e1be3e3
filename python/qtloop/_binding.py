"""Chooses the Qt binding and loads its libQt6Core, so that the native module uses the same one.

The dynamic linker gives a module the libQt6Core that is already in the process. A binding that is
imported after the native module would get ours, and fails to load if that is older than its own
Qt. So the binding is chosen once, before the native module is loaded.
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Final

if sys.platform != "linux":
    raise ImportError(
        f"qtloop runs on Linux only for now, not on {sys.platform}; "
        "docs/reference/environment.md says what macOS and Windows still need"
    )


@dataclass(frozen=True)
class Binding:
    """A Qt binding; it is imported only when one of its modules is asked for."""

    name: str

    def module(self, sub: str) -> ModuleType:
        """Imports a module of the binding, for example `QtCore`."""
        return importlib.import_module(f"{self.name}.{sub}")

    @property
    def QtCore(self) -> ModuleType:
        """The binding's `QtCore`."""
        return self.module("QtCore")

    @property
    def folder(self) -> Path | None:
        """The folder of the installed binding; None if it is not installed."""
        spec = importlib.util.find_spec(self.name)
        # Without an origin it is a namespace package: a folder that an uninstall left behind.
        if spec is None or spec.origin is None:
            return None
        return Path(spec.origin).parent.resolve()

    def has_imported(self, sub: str = "") -> bool:
        """Returns whether the program has imported the binding, or one of its modules."""
        return sys.modules.get(f"{self.name}.{sub}".rstrip(".")) is not None


# In qasync's order, so that a program that moves to qtloop keeps its binding.
_BINDINGS: Final = (Binding("PyQt6"), Binding("PySide6"))
_QT_FOLDER: Final = {"PyQt6": "Qt6", "PySide6": "Qt"}


def loaded_cores() -> list[Path]:
    """Returns every libQt6Core that is mapped into this process."""
    with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as maps:
        paths = {line.split(maxsplit=5)[5].strip() for line in maps if "/libQt6Core.so" in line}
    return sorted(Path(path) for path in paths)


def choose() -> Binding | None:
    """Returns the binding that `QT_API` names, else the imported one, else the first installed.

    If two are imported, returns the one whose libQt6Core is loaded: both use that.
    None means no binding: the native module then loads the system's Qt.
    A frozen program ignores `QT_API`: it contains one binding, and its user sets the variable.
    """
    wanted = os.environ.get("QT_API", "")
    if wanted and not hasattr(sys, "frozen"):
        return _named(wanted)
    imported = [binding for binding in _BINDINGS if binding.has_imported()]
    if len(imported) > 1:
        cores = loaded_cores()
        imported.sort(key=lambda binding: not _owns_one_of(binding, cores))
    if imported:
        return imported[0]
    return next((binding for binding in _BINDINGS if binding.folder), None)


def _named(wanted: str) -> Binding:
    binding = next((each for each in _BINDINGS if each.name.lower() == wanted.lower()), None)
    if binding is None:
        choices = ", ".join(each.name for each in _BINDINGS)
        raise ImportError(f"QT_API={wanted!r} is not one of {choices}")
    if binding.folder is None:
        raise ImportError(
            f"QT_API={wanted!r}, but {binding.name} is not installed: pip install {binding.name}"
        )
    if not binding.has_imported("QtCore"):
        for other in _BINDINGS:
            if other.has_imported("QtCore"):
                raise ImportError(
                    f"QT_API={wanted!r}, but the program has imported {other.name}, and one "
                    f"process cannot hold both: unset QT_API, or import {binding.name} instead"
                )
    return binding


def _owns_one_of(binding: Binding, cores: list[Path]) -> bool:
    folder = binding.folder
    return folder is not None and any(core.is_relative_to(folder) for core in cores)


def preload(binding: Binding | None) -> None:
    """Loads the binding's own libQt6Core, unless the process has loaded one already.

    This takes 7 ms; importing the binding would take 200 ms. A binding from a distribution's
    package contains no Qt: it uses the system's, and so does the native module then.
    """
    folder = binding.folder if binding else None
    if binding is None or folder is None or loaded_cores():
        return
    core = folder / _QT_FOLDER[binding.name] / "lib" / "libQt6Core.so.6"
    if not core.exists():
        return
    try:
        ctypes.CDLL(str(core))
    except OSError as error:
        raise ImportError(
            f"the Qt that came with {binding.name} does not load ({error}): "
            f"pip install --force-reinstall {binding.name}"
        ) from error


@contextmanager
def explain_missing_qt() -> Iterator[None]:
    """Makes an ImportError in the block name what to install, if the cause is a missing Qt."""
    try:
        yield
    except ImportError as error:
        if "libQt6Core" not in str(error):
            raise
        raise ImportError(
            "no Qt 6 found: `pip install PySide6` or `pip install PyQt6`, "
            "or install Debian's libqt6core6"
        ) from error


binding: Final = choose()
_applications: list[Any] = []

# Whether QtWidgets was imported by `make_application()`, and not by the program.
imported_widgets = False


def application() -> Any | None:
    """Returns the binding's wrapper of the application; None without application or binding."""
    return binding and binding.QtCore.QCoreApplication.instance()


def is_pyqt() -> bool:
    """Returns whether the binding is PyQt6."""
    return binding is not None and binding.name == "PyQt6"


def is_destroyed(value: object) -> bool:
    """Returns whether the value wraps a C++ object that has been destroyed."""
    if binding is None:
        return False
    if is_pyqt():
        sip = importlib.import_module("PyQt6.sip")
        return isinstance(value, sip.simplewrapper) and bool(sip.isdeleted(value))
    return not importlib.import_module("shiboken6").isValid(value)


def quit() -> None:
    """Quits the application, as the close of the last window does."""
    if (present := application()) is not None:
        present.quit()


def make_application() -> None:
    """Makes an application object for a program that has none, and keeps it alive.

    It is a QApplication if possible, because a later part of the program may make widgets, and a
    widget without a QApplication ends the process. A QApplication without a display ends it, too;
    then, and without QtWidgets, it is a QCoreApplication. If the program has not imported QtWidgets
    yet, the application does not quit when its last window closes.
    """
    if binding is None:
        from . import _native  # not at module level: `preload()` must run before

        _native.ensure_app()
        return
    had_widgets = binding.has_imported("QtWidgets")
    if _has_display() and (widgets := _widgets(binding)) is not None:
        application = widgets.QApplication(sys.argv)
        if not had_widgets:
            global imported_widgets
            imported_widgets = True
            application.setQuitOnLastWindowClosed(False)
    else:
        application = binding.QtCore.QCoreApplication(sys.argv)
    _applications.append(application)


def keep_application() -> None:
    """Keeps the present application alive until the process ends."""
    _applications.append(application())


def _widgets(binding: Binding) -> ModuleType | None:
    try:
        return binding.module("QtWidgets")
    except ImportError:  # it is not part of the package, or a system library is missing
        return None


def _has_display() -> bool:
    """Returns whether a QApplication can reach a display; if not, its constructor aborts."""
    if os.environ.get("QT_QPA_PLATFORM"):
        return True
    wayland = os.environ.get("WAYLAND_DISPLAY")
    if wayland:
        return _accepts_connection(os.path.join(os.environ.get("XDG_RUNTIME_DIR", ""), wayland))
    host, _, number = os.environ.get("DISPLAY", "").partition(":")
    if not number or host not in ("", "unix"):
        return bool(number)  # on another host: assume that it can be reached
    return _accepts_connection(f"/tmp/.X11-unix/X{number.partition('.')[0]}")


def _accepts_connection(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(path) == 0
