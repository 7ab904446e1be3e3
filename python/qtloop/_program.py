"""Finds a program and runs it as `__main__`, as `python FILE` and `python -m MODULE` do.

`runpy` would drop the globals of the program at its end, before the functions of `atexit` run. Then
the application object would be deleted too early.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType, TracebackType
from typing import Any, NamedTuple

# Python inserts the folder of the program into `sys.path`, unless `-I` or `-P` is given.
_INSERTS_FOLDER = not (sys.flags.isolated or getattr(sys.flags, "safe_path", False))


class ProgramNotFound(Exception):
    """There is no such file or module, or no `__main__` in a folder."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # that of Python


class Program(NamedTuple):
    """The code of a program, and the attributes of its module `__main__`."""

    code: CodeType
    attributes: dict[str, Any]


def find_file(path: str, arguments: list[str]) -> Program:
    """Finds a Python file, or a folder or zip archive that contains `__main__.py`.

    Sets `sys.argv` and `sys.path[0]`. ProgramNotFound if the file cannot be read or a folder has no
    `__main__`, SyntaxError if the file is no Python.
    """
    sys.argv = [path, *arguments]
    file = os.path.abspath(path)
    spec = PathFinder.find_spec("__main__", [file])  # None for a file that is no archive
    if spec is not None:
        _use_folder(file)
        return _program(spec)
    if os.path.isdir(file):
        raise ProgramNotFound(f"can't find '__main__' module in {file!r}")
    _use_folder(os.path.dirname(os.path.realpath(file)))
    loader = SourceFileLoader("__main__", file)
    try:
        source = loader.get_data(file)
    except OSError as error:
        raise ProgramNotFound(f"can't open file {file!r}: {error.strerror}", exit_code=2) from None
    code = loader.source_to_code(source, file)
    attributes = {"__file__": file, "__loader__": loader, "__package__": None, "__spec__": None}
    return Program(code, attributes)


def find_module(name: str, arguments: list[str]) -> Program:
    """Finds a module, or the module `__main__` of a package. Sets `sys.argv`.

    ProgramNotFound if there is none. Imports the packages of the module, which may raise anything.
    """
    sys.argv = ["-m", *arguments]  # as in Python, while it imports the packages
    spec = _find_spec(name)
    if spec.submodule_search_locations is not None:
        spec = _find_spec(f"{name}.__main__")
    sys.argv[0] = spec.origin or name
    return _program(spec)


def _find_spec(name: str) -> ModuleSpec:
    try:
        spec = importlib.util.find_spec(name)
    except ModuleNotFoundError as error:
        if not f"{name}.".startswith(f"{error.name}."):
            raise  # a package of the module cannot import something else
        spec = None
    if spec is None:
        raise ProgramNotFound(f"No module named {name!r}")
    return spec


def _use_folder(path: str) -> None:
    """Replaces the working directory, which `python -m qtloop` has inserted into `sys.path`."""
    if _INSERTS_FOLDER:
        sys.path[0] = path


def _program(spec: ModuleSpec) -> Program:
    get_code: Any = getattr(spec.loader, "get_code", None)
    code = get_code(spec.name) if get_code else None
    if code is None:
        raise ProgramNotFound(f"No code object available for {spec.name!r}")
    attributes = {
        "__file__": spec.origin,
        "__loader__": spec.loader,
        "__package__": spec.parent,
        "__spec__": spec,
    }
    return Program(code, attributes)


def run(program: Program) -> None:
    """Runs a program in a new module `__main__`, which stays until the interpreter ends."""
    module = ModuleType("__main__")
    vars(module).update(program.attributes)
    sys.modules["__main__"] = module
    exec(program.code, vars(module))


def hide_own_frames() -> None:
    """Makes the traceback of the next uncaught exception begin with the program's first frame."""
    hook = sys.excepthook  # that of the program, if it has set one

    def print_without_own_frames(
        kind: type[BaseException], error: BaseException, traceback: TracebackType | None
    ) -> None:
        sys.excepthook = hook
        shown = _after_own_frames(traceback)
        hook(kind, error.with_traceback(shown), shown)

    sys.excepthook = print_without_own_frames


def _after_own_frames(traceback: TracebackType | None) -> TracebackType | None:
    shown = entry = traceback
    while entry is not None:
        if entry.tb_frame.f_globals is globals():
            shown = entry.tb_next
        entry = entry.tb_next
    while shown is not None and _is_import(shown):
        shown = shown.tb_next
    return shown


def _is_import(entry: TracebackType) -> bool:
    return str(entry.tb_frame.f_globals.get("__name__")).partition(".")[0] == "importlib"
