"""tools/release.py accepts this repository, and names what is wrong with a changelog or a wheel."""

from __future__ import annotations

import runpy
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
RELEASE = runpy.run_path(str(ROOT / "tools" / "release.py"))

GOOD = """# Changelog

## Unreleased

## 0.2.0 - 2026-12-31

### Added

- A thing.

## 0.1.0 - 2026-11-30

### Fixed

- Another thing.
"""


def test_changelog_of_this_repository_has_the_right_form() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert RELEASE["of_changelog"](text, "0.1.0") == []


def lists_files() -> bool:
    """Returns whether git is installed, and this is a checkout that it can read."""
    if not shutil.which("git"):
        return False
    command = ["git", "ls-files", "Cargo.lock"]
    return subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE).stdout != b""


@pytest.mark.skipif(not lists_files(), reason="git cannot list the lock files")
def test_versions_of_this_repository_are_equal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert RELEASE["of_version"]() == []


def test_changelog_with_a_section_of_the_tag_is_ready() -> None:
    assert RELEASE["of_changelog"](GOOD, "0.2.0", "v0.2.0") == []


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("## Unreleased\n", "", "there is no section Unreleased"),
        ("### Added", "### New", "New is not one of"),
        ("- A thing.", "", "Added has no entry"),
        ("2026-12-31", "2026-12-32", "there is no such date"),
        ("0.2.0 - 2026-12-31", "0.2.0", "a section is called"),
        ("0.2.0 -", "0.0.9 -", "is not above"),
        ("## Unreleased\n", "## Unreleased\n\n### Fixed\n\n- A bug.\n", "Unreleased has entries"),
        ("## 0.2.0 - 2026-12-31\n", "", "the newest section is not that of 0.2.0"),
    ],
)
def test_changelog_that_is_not_ready_is_refused(old: str, new: str, problem: str) -> None:
    assert old in GOOD
    problems = RELEASE["of_changelog"](GOOD.replace(old, new), "0.2.0", "v0.2.0")
    assert problem in "\n".join(problems)


def test_tag_of_another_version_is_refused() -> None:
    (problem,) = RELEASE["of_changelog"](GOOD, "0.2.0", "v0.3.0")
    assert "the tag is v0.3.0" in problem


def test_file_that_only_one_wheel_contains_is_named(tmp_path: Path) -> None:
    wheels = [tmp_path / "one.whl", tmp_path / "other.whl"]
    for wheel in wheels:
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr("qtloop/__init__.py", "")
            if wheel is wheels[0]:
                archive.writestr("qtloop/py.typed", "")
    assert RELEASE["of_wheels"](*map(str, wheels)) == ["only one wheel has qtloop/py.typed"]
