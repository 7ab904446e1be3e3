"""The choice of the Qt binding, and the QtCore library that is loaded. Each test runs a new process."""

from __future__ import annotations

import datetime
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from qtloop import _binding, _native

NAMES = ("PyQt6", "PySide6", "PyQt5", "PySide2")
INSTALLED = [name for name in NAMES if importlib.util.find_spec(name)]
SYSTEM_QT = next(Path("/usr/lib").glob("*/libQt6Core.so.6"), None)

each_binding = pytest.mark.parametrize(
    "name",
    [
        pytest.param(
            name,
            marks=pytest.mark.skipif(name not in INSTALLED, reason=f"{name} is not installed"),
        )
        for name in NAMES
    ],
)
needs_both = pytest.mark.skipif(len(INSTALLED) < 2, reason="only one binding is installed")
needs_system_qt = pytest.mark.skipif(SYSTEM_QT is None, reason="the system has no Qt 6")

NO_BINDING = f"import sys; sys.modules.update(dict.fromkeys({NAMES}))\n"
SHOW = """
from qtloop import _binding
print(_binding.binding.name if _binding.binding else None)
for core in _binding.loaded_cores(): print(core)
"""


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a program with only the given QT_API."""
    inherited = {key: value for key, value in os.environ.items() if key != "QT_API"}
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=40,
        env={**inherited, "QT_QPA_PLATFORM": "offscreen", **environment},
    )


def chosen(code: str, **environment: str) -> tuple[str, list[Path]]:
    """Runs a program; returns the binding that it chose, and the libQt6Cores that it has loaded."""
    done = python(code + SHOW, **environment)
    assert done.returncode == 0, done.stderr
    name, *cores = done.stdout.splitlines()
    return name, [Path(core) for core in cores]


def import_error(code: str, **environment: str) -> str:
    """Runs a program that fails with an ImportError; returns its message."""
    done = python(code, **environment)
    assert done.returncode == 1, done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("ImportError: "), done.stderr
    return last.removeprefix("ImportError: ")


def folder(name: str) -> Path:
    binding = next(each for each in _binding._BINDINGS if each.name == name)
    assert binding.folder is not None
    return binding.folder


def package(folder: Path, name: str) -> Path:
    """Makes an installed package of this name, which shadows the real one."""
    (folder / name).mkdir()
    (folder / name / "__init__.py").touch()
    return folder / name


@each_binding
def test_binding_that_is_imported_first_is_chosen_and_its_core_is_the_only_one(name: str) -> None:
    found, cores = chosen(f"import {name}.QtCore\nimport qtloop")
    assert found == name
    assert [core.is_relative_to(folder(name)) for core in cores] == [True]


@each_binding
def test_qtloop_imported_first_loads_the_core_of_the_later_binding(name: str) -> None:
    code = f"import qtloop\nimport {name}.QtWidgets\n"
    found, cores = chosen(code, QT_API=name.lower())
    assert found == name
    assert [core.is_relative_to(folder(name)) for core in cores] == [True]


@each_binding
def test_loop_runs_with_a_binding_that_is_imported_later(name: str) -> None:
    code = f"""
import asyncio, qtloop
from {name}.QtCore import QCoreApplication
app = QCoreApplication([])
async def main():
    await asyncio.sleep(0)
    return QCoreApplication.instance() is app
assert qtloop.run(main())
"""
    assert chosen(code, QT_API=name)[0] == name


def test_import_of_qtloop_does_not_import_a_binding() -> None:
    code = "import sys, qtloop\nprint([name for name in sys.modules if 'QtCore' in name])"
    assert python(code).stdout == "[]\n"


@each_binding
def test_qt_api_is_read_in_any_case(name: str) -> None:
    for spelling in (name, name.lower(), name.upper()):
        assert chosen("import qtloop", QT_API=spelling)[0] == name


def test_empty_qt_api_is_ignored() -> None:
    assert chosen("import qtloop", QT_API="") == chosen("import qtloop")


@pytest.mark.parametrize("value", ["x", "pyqt4", "PySide"])
def test_unknown_qt_api_raises_an_error_that_names_the_choices(value: str) -> None:
    expected = f"QT_API={value!r} is not one of PyQt6, PySide6, PyQt5, PySide2"
    assert import_error("import qtloop", QT_API=value) == expected


def test_qt_api_of_a_missing_binding_raises_an_error_that_names_the_cure() -> None:
    expected = "QT_API='pyside6', but PySide6 is not installed: pip install PySide6"
    assert import_error(NO_BINDING + "import qtloop", QT_API="pyside6") == expected


@needs_both
def test_qt_api_against_the_imported_binding_is_refused() -> None:
    error = import_error("import PySide6.QtCore, qtloop", QT_API="pyqt6")
    assert error == (
        "QT_API='pyqt6', but the program has imported PySide6, and one process cannot hold both: "
        "unset QT_API, or import PyQt6 instead"
    )


@each_binding
@pytest.mark.parametrize("value", ["pyside6", "pyqt6", "pyqt5"])
def test_frozen_program_ignores_qt_api(name: str, value: str) -> None:
    code = f"import sys; sys.frozen = True\nimport {name}.QtCore, qtloop"
    assert chosen(code, QT_API=value)[0] == name


def test_import_of_qtloop_works_where_modules_have_no_files() -> None:
    # cx_Freeze freezes the modules that it needs itself without their files.
    assert python("import os; del os.__file__\nimport qtloop\nprint('done')").stdout == "done\n"


@needs_both
@each_binding
def test_imported_binding_is_chosen_of_two_installed_ones(name: str) -> None:
    assert chosen(f"import {name}\nimport qtloop")[0] == name


@needs_both
@each_binding
def test_binding_whose_core_is_loaded_is_chosen_of_two_imported_ones(name: str) -> None:
    found, cores = chosen(f"import {', '.join(INSTALLED)}, {name}.QtCore\nimport qtloop")
    assert found == name
    assert [core.is_relative_to(folder(name)) for core in cores] == [True]


@needs_both
def test_first_binding_is_chosen_of_two_that_are_not_imported() -> None:
    assert chosen("import qtloop")[0] == "PyQt6"


@needs_system_qt
def test_loop_runs_on_the_systems_qt_without_a_binding() -> None:
    code = """
import asyncio, qtloop
assert qtloop.run(asyncio.sleep(0, "done")) == "done"
"""
    found, cores = chosen(NO_BINDING + code)
    assert SYSTEM_QT is not None
    assert (found, cores) == ("None", [SYSTEM_QT.resolve()])


@needs_system_qt
def test_ways_to_run_work_without_a_binding() -> None:
    code = """
import asyncio
from concurrent.futures import ThreadPoolExecutor
from qtloop import QEventLoop, attach, run
async def main():
    return await asyncio.sleep(0.001, type(asyncio.get_running_loop()) is QEventLoop)
with QEventLoop() as loop:
    loop.call_later(0.001, loop.stop)
    assert loop.run_forever() == 0 and loop.run_until_complete(main())
with attach() as loop:
    assert loop.run_until_complete(main())
with ThreadPoolExecutor() as pool:
    assert pool.submit(run, main()).result()
"""
    assert chosen(NO_BINDING + code)[0] == "None"


@needs_system_qt
def test_slot_decorators_return_plain_functions_without_a_binding() -> None:
    code = """
import asyncio
from qtloop import asyncClose, asyncSlot, asyncWrap, run

@asyncSlot(int, name="renamed")
async def slot(number):
    return number

@asyncClose
async def close():
    await asyncio.sleep(0)
    return "closed"

async def main():
    return await slot(1, "one too many"), close(), await asyncWrap(close)

assert run(main()) == (1, "closed", "closed")
"""
    assert chosen(NO_BINDING + code)[0] == "None"


@needs_system_qt
def test_binding_without_its_own_qt_uses_the_systems_qt(tmp_path: Path) -> None:
    package(tmp_path, "PyQt6")
    found, cores = chosen("import qtloop", QT_API="pyqt6", PYTHONPATH=str(tmp_path))
    assert SYSTEM_QT is not None
    assert (found, cores) == ("PyQt6", [SYSTEM_QT.resolve()])


def test_qt_of_a_binding_that_does_not_load_raises_an_error_that_names_the_cure(
    tmp_path: Path,
) -> None:
    library = package(tmp_path, "PyQt6") / "Qt6" / "lib" / "libQt6Core.so.6"
    library.parent.mkdir(parents=True)
    library.touch()
    error = import_error("import qtloop", QT_API="pyqt6", PYTHONPATH=str(tmp_path))
    assert error.startswith("the Qt that came with PyQt6 does not load (")
    assert error.endswith("): pip install --force-reinstall PyQt6")


def test_import_without_any_qt_raises_an_error_that_names_the_cure(tmp_path: Path) -> None:
    # An empty library that the linker finds before any other, as if no Qt were installed.
    (tmp_path / "libQt6Core.so.6").touch()
    error = import_error(NO_BINDING + "import qtloop", LD_LIBRARY_PATH=str(tmp_path))
    assert error == (
        "no Qt 6 found: `pip install PySide6` or `pip install PyQt6`, "
        "or install Debian's libqt6core6"
    )


def qtloop_without_its_qt_module(folder: Path) -> Path:
    """Makes a copy of qtloop without the module `_qt6`; returns its folder."""
    copy = folder / "qtloop"
    copy.mkdir()
    for file in Path(_binding.__file__).parent.iterdir():
        if not file.name.startswith("_qt6."):
            (copy / file.name).symlink_to(file)
    return copy


def test_import_without_a_qt_module_raises_an_error_that_names_the_cure(tmp_path: Path) -> None:
    qtloop_without_its_qt_module(tmp_path)
    error = import_error("import qtloop", PYTHONPATH=str(tmp_path))
    assert error == (
        "qtloop was built without its module for Qt 6, because no such Qt was found: install the "
        "development files of Qt 6.4 or newer (Debian: qt6-base-dev), and build qtloop again: "
        "pip install --force-reinstall --no-cache-dir --no-binary qtloop qtloop"
    )


def test_qt_functions_of_another_version_raise_an_error_that_names_the_cure(tmp_path: Path) -> None:
    module = """
import ctypes
version = ctypes.c_uint(99)
capsule = ctypes.pythonapi.PyCapsule_New
capsule.argtypes = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p
capsule.restype = ctypes.py_object
name = b"QtloopTable"
table = capsule(ctypes.addressof(version), name, None)
"""
    (qtloop_without_its_qt_module(tmp_path) / "_qt6.py").write_text(module)
    error = import_error("import qtloop", PYTHONPATH=str(tmp_path))
    assert error.startswith("the Qt functions have version 99, and qtloop._native needs version ")
    assert error.endswith(": pip install --force-reinstall qtloop")


def test_qt_functions_of_another_type_are_refused() -> None:
    with pytest.raises(TypeError, match="PyCapsule"):
        _native.set_qt_functions(object())
    with pytest.raises(ValueError, match="PyCapsule"):
        _native.set_qt_functions(datetime.datetime_CAPI)


def test_native_module_alone_loads_no_qt() -> None:
    code = f"""
from importlib.util import module_from_spec, spec_from_file_location
spec = spec_from_file_location("qtloop._native", {_native.__file__!r})
spec.loader.exec_module(module_from_spec(spec))
with open("/proc/self/maps") as maps:
    print("libQt" in maps.read())
"""
    assert python(code).stdout == "False\n"


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_import_on_another_platform_raises_an_error(platform: str) -> None:
    error = import_error(f"import sys; sys.platform = {platform!r}\nimport qtloop")
    assert error == (
        f"qtloop runs on Linux only for now, not on {platform}; "
        "docs/reference/environment.md says what macOS and Windows still need"
    )


def test_leftover_folder_of_an_uninstalled_binding_is_not_a_binding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "left_behind" / "Qt6").mkdir(parents=True)
    monkeypatch.syspath_prepend(tmp_path)
    assert importlib.util.find_spec("left_behind") is not None
    assert _binding.Binding("left_behind", 6, "Qt6", "left_behind.sip").folder is None


@each_binding
def test_application_is_the_one_the_program_made(name: str) -> None:
    code = f"""
from qtloop import _binding
assert _binding.application() is None
from {name}.QtCore import QCoreApplication
app = QCoreApplication([])
assert _binding.application() is app
"""
    chosen(code, QT_API=name)


@each_binding
def test_application_that_qtloop_makes_is_kept_alive_and_can_have_widgets(name: str) -> None:
    code = f"""
import gc
from qtloop import _binding
_binding.make_application()
gc.collect()
from {name}.QtWidgets import QApplication, QLabel
assert type(QApplication.instance()) is QApplication
QLabel("a widget without a QApplication would end the process")
"""
    chosen(code, QT_API=name)


@each_binding
@pytest.mark.parametrize("has_imported", [True, False])
def test_last_window_ends_a_program_only_if_it_had_imported_widgets(
    name: str, has_imported: bool
) -> None:
    code = f"""
if {has_imported}:
    import {name}.QtWidgets
from qtloop import _binding
_binding.make_application()
assert _binding.application().quitOnLastWindowClosed() is {has_imported}
"""
    chosen(code, QT_API=name)


@each_binding
def test_application_that_qtloop_makes_without_a_display_has_no_widgets(name: str) -> None:
    code = f"""
import os
for variable in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
    os.environ.pop(variable, None)
import {name}.QtWidgets
from qtloop import _binding
_binding.make_application()
assert type(_binding.application()).__name__ == "QCoreApplication"
"""
    chosen(code, QT_API=name)


@each_binding
@pytest.mark.parametrize("variable", ["DISPLAY", "WAYLAND_DISPLAY"])
def test_display_that_does_not_answer_counts_as_no_display(name: str, variable: str) -> None:
    code = f"""
import os
for other in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
    os.environ.pop(other, None)
os.environ[{variable!r}] = ":4711" if {variable!r} == "DISPLAY" else "no-such-display"
from qtloop import _binding
_binding.make_application()
assert type(_binding.application()).__name__ == "QCoreApplication"
"""
    chosen(code, QT_API=name)
