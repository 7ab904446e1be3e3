"""Chooses the Qt binding, and loads its QtCore library and the Qt functions of the native module.

The functions are in the modules `_qt6` and `_qt5`, one for each major version of Qt. The dynamic
linker gives them the library that is already in the process. A binding that is imported after them
would get the same one, and fails to load if that is older than its own Qt. So the binding is chosen
once, before one of these modules is imported.
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import os
import socket
import sys
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
    qt: int
    """The major version of Qt."""
    qt_folder: str
    """The folder of Qt inside the package, if that contains Qt."""
    support: str
    """The module with functions for wrappers: sip, or shiboken."""

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


# In qasync's order for each Qt, so that a program that moves to qtloop keeps its binding.
_BINDINGS: Final = (
    Binding("PyQt6", 6, "Qt6", "PyQt6.sip"),
    Binding("PySide6", 6, "Qt", "shiboken6"),
    Binding("PyQt5", 5, "Qt5", "PyQt5.sip"),
    Binding("PySide2", 5, "Qt", "shiboken2"),
)


def _core(qt: int) -> str:
    return f"libQt{qt}Core.so"


def loaded_cores() -> list[Path]:
    """Returns every QtCore library that is mapped into this process."""
    with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as maps:
        cores = ("/" + _core(6), "/" + _core(5))
        paths = {
            line.split(maxsplit=5)[5].strip()
            for line in maps
            if any(core in line for core in cores)
        }
    return sorted(Path(path) for path in paths)


def choose() -> Binding | None:
    """Returns the binding that `QT_API` names, else the imported one, else the first installed.

    If two are imported, returns the one whose QtCore library is loaded: both use that.
    None means no binding: the Qt functions then load the system's Qt.
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


def _preload(binding: Binding | None) -> None:
    """Loads the binding's own QtCore library, unless the process has loaded one already.

    This takes 7 ms; importing the binding would take 200 ms. A binding from a distribution's
    package contains no Qt: it uses the system's, and so do the Qt functions then.
    """
    folder = binding.folder if binding else None
    if binding is None or folder is None or loaded_cores():
        return
    core = folder / binding.qt_folder / "lib" / f"{_core(binding.qt)}.{binding.qt}"
    if not core.exists():
        return
    try:
        ctypes.CDLL(str(core))
    except OSError as error:
        raise ImportError(
            f"the Qt that came with {binding.name} does not load ({error}): "
            f"pip install --force-reinstall {binding.name}"
        ) from error


# The names in error messages, for each Qt: of its development files, its bindings and its library.
_PACKAGES: Final = {
    6: ("Qt 6.4 or newer (Debian: qt6-base-dev)", "PySide6` or `pip install PyQt6", "libqt6core6"),
    5: ("Qt 5.15 (Debian: qtbase5-dev)", "PyQt5", "libqt5core5a"),
}


def _major_version(binding: Binding | None) -> int:
    """Returns the major version of Qt: the binding's, else that of the loaded QtCore, else 6."""
    if binding is not None:
        return binding.qt
    cores = loaded_cores()
    is_five = bool(cores) and all(core.name.startswith(_core(5)) for core in cores)
    return 5 if is_five else 6


def _load_qt_functions(qt: int) -> None:
    """Gives the native module its Qt functions.

    They use the QtCore library that the process has loaded, or else the system's.
    """
    from . import _native  # not at module level: the platform is checked before

    development, binding_names, library = _PACKAGES[qt]
    try:
        if qt == 6:
            from ._qt6 import table

            functions: object = table
        else:
            # PyInstaller would read an import statement, and add Qt 5 to each program.
            functions = importlib.import_module(f"{__package__}._qt5").table
    except ModuleNotFoundError as error:
        raise ImportError(
            f"qtloop was built without its module for Qt {qt}, because no such Qt was found: "
            f"install the development files of {development}, and build qtloop again: "
            "pip install --force-reinstall --no-cache-dir --no-binary qtloop qtloop"
        ) from error
    except ImportError as error:
        if f"libQt{qt}Core" not in str(error):
            raise
        raise ImportError(
            f"no Qt {qt} found: `pip install {binding_names}`, or install Debian's {library}"
        ) from error
    _native.set_qt_functions(functions)


binding: Final = choose()
_preload(binding)
_load_qt_functions(_major_version(binding))
_applications: list[Any] = []

# Whether QtWidgets was imported by `make_application()`, and not by the program.
imported_widgets = False


def application() -> Any | None:
    """Returns the binding's wrapper of the application; None without application or binding."""
    return binding and binding.QtCore.QCoreApplication.instance()


def is_pyqt() -> bool:
    """Returns whether the binding is PyQt6 or PyQt5."""
    return binding is not None and binding.name.startswith("PyQt")


def support() -> Any:
    """Imports the binding's module with functions for wrappers: sip, or shiboken."""
    assert binding is not None
    return importlib.import_module(binding.support)


def is_destroyed(value: object) -> bool:
    """Returns whether the value wraps a C++ object that has been destroyed."""
    if binding is None:
        return False
    if is_pyqt():
        sip = support()
        return isinstance(value, sip.simplewrapper) and bool(sip.isdeleted(value))
    return not support().isValid(value)


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
        from . import _native

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
