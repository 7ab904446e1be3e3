"""How a source line is opened."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from qtloop._binding import binding

if binding is None:
    pytest.skip("the inspector needs a Qt binding", allow_module_level=True)

from qtloop.inspector import _editor
from qtloop.inspector._text import Place

QtGui: Any = binding.module("QtGui")

HERE = Place(__file__, 12, "f")


def script(path: Path, text: str = "exit 0") -> Path:
    """Makes a program."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.fixture(autouse=True)
def no_editor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("QTLOOP_EDITOR", "VISUAL", "EDITOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")


def test_own_command_is_preferred(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QTLOOP_EDITOR", "my-editor --at '{file}:{line}' -x")
    assert _editor.command(HERE) == ["my-editor", "--at", f"{__file__}:12", "-x"]
    monkeypatch.setenv("QTLOOP_EDITOR", "my-editor")
    assert _editor.command(HERE) == ["my-editor", __file__]


def test_editor_of_the_terminal_is_not_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    script(tmp_path / "code")
    kate = script(tmp_path / "kate")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("EDITOR", "vim")
    assert _editor.command(HERE) == [str(tmp_path / "code"), "--goto", f"{__file__}:12"]
    monkeypatch.setenv("VISUAL", "/usr/local/bin/kate")
    assert _editor.command(HERE) == [str(kate), "--line", "12", __file__]


def test_line_is_opened_and_copied(
    app: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    editor, seen = tmp_path / "editor", tmp_path / "seen"
    script(editor, f'echo "$1" > {seen}.new; mv {seen}.new {seen}')
    monkeypatch.setenv("QTLOOP_EDITOR", f"{editor} {{file}}:{{line}}")
    assert _editor.open_place(HERE) == "Opened test_editor.py:12 in editor."
    assert QtGui.QGuiApplication.clipboard().text() == f"{__file__}:12"
    deadline = time.monotonic() + 20
    while not seen.exists() and time.monotonic() < deadline:
        os.sched_yield()
    assert seen.read_text() == f"{__file__}:12\n"


def test_missing_file_and_missing_editor_are_reported(
    app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "There is no file" in _editor.open_place(Place("<string>", 1, "f"))
    monkeypatch.setenv("QTLOOP_EDITOR", "/no/such/editor")
    assert "could not be started" in _editor.open_place(HERE)


def test_without_an_editor_the_desktop_opens_the_file(
    app: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    opened: list[str] = []
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(_editor, "open_file", lambda path: opened.append(path))
    assert _editor.open_place(HERE) == "Opened test_editor.py:12. The place is in the clipboard."
    assert opened == [__file__]
