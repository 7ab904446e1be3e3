"""Private names of asyncio: only `_asyncio_private` reads them, as far as the source text shows."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import qtloop

PACKAGE = Path(qtloop.__file__).parent
LIST = PACKAGE / "_asyncio_private.py"
FILES = sorted(path for path in PACKAGE.rglob("*.py") if path != LIST)

# Private names of `threading` and `concurrent.futures`, for `_executor.py`.
OF_THREADS = {"_register_atexit", "_idle_semaphore", "_max_workers", "_threads", "_threads_queues"}
# The documented names of `sys` that begin with an underscore.
OF_SYS = {"_current_frames", "_getframe"}


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__")


def defined_names(tree: ast.AST) -> Iterator[str]:
    """Yields names of functions, of classes and of everything that is assigned, slots included."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.ClassDef(name=name):
                yield name
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield name
            case ast.ImportFrom(names=names) | ast.Import(names=names):
                yield from (each.asname or each.name for each in names)


def asyncio_names(tree: ast.AST) -> set[str]:
    """Returns the names by which a module knows asyncio and its modules."""
    found: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                found.update(each.asname or "asyncio" for each in names if is_asyncio(each.name))
            case ast.ImportFrom(module=str(module), names=names, level=0) if is_asyncio(module):
                found.update(each.asname or each.name for each in names)
    return found


def is_asyncio(module: str) -> bool:
    return module.split(".")[0] in ("asyncio", "_asyncio")


def root(node: ast.expr) -> str | None:
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def private_uses(tree: ast.AST) -> Iterator[tuple[int, str, bool]]:
    """Yields line, name, and whether it is one of asyncio's modules, for each private name."""
    of_asyncio = asyncio_names(tree)
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(module=str(module), names=names, level=0) if is_asyncio(module):
                yield from (
                    (node.lineno, each.name, True) for each in names if is_private(each.name)
                )
            case ast.Attribute(value=value, attr=name, ctx=ast.Load()) if is_private(name):
                yield node.lineno, name, root(value) in of_asyncio
            case ast.Call(
                func=ast.Name(id="getattr"), args=[value, ast.Constant(value=str(name)), *_]
            ) if is_private(name):
                yield node.lineno, name, root(value) in of_asyncio


TREES = {path: ast.parse(path.read_text()) for path in FILES}
STUB = ast.parse((PACKAGE / "_native.pyi").read_text())
OURS = (
    {name for tree in (*TREES.values(), STUB) for name in defined_names(tree)} | OF_THREADS | OF_SYS
)


def members(tree: ast.AST) -> set[str]:
    """Returns the names that the classes of a module declare."""
    classes = (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
    return {name for each in classes for name in defined_names(each)}


LISTED = members(ast.parse(LIST.read_text()))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_module_reads_no_private_name_of_asyncio(path: Path) -> None:
    uses = list(private_uses(TREES[path]))
    of_modules = [(line, name) for line, name, is_of_module in uses if is_of_module]
    assert not of_modules, "read it in _asyncio_private.py"
    unknown = [(line, name) for line, name, _ in uses if name not in OURS | LISTED]
    assert not unknown, "declare it in a class of _asyncio_private.py, or read it there"


@pytest.mark.parametrize(
    "text",
    [
        "import asyncio; asyncio._get_running_loop()",
        "import asyncio.tasks; asyncio.tasks._enter_task",
        "from asyncio import events as e; e._set_running_loop(None)",
        "from asyncio.events import _get_event_loop",
        "import asyncio; getattr(asyncio.coroutines, '_is_coroutine')",
    ],
)
def test_private_name_of_an_asyncio_module_is_found(text: str) -> None:
    assert [is_of_module for _, _, is_of_module in private_uses(ast.parse(text))] == [True]


@pytest.mark.parametrize("text", ["task._fut_waiter", "getattr(task, '_fut_waiter', None)"])
def test_private_attribute_of_an_asyncio_object_is_found(text: str) -> None:
    assert [name for _, name, _ in private_uses(ast.parse(text))] == ["_fut_waiter"]
    assert "_fut_waiter" not in OURS | LISTED
