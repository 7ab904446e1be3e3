"""Checks the version, the changelog and the wheels of a release; prints each problem it finds.

usage: release.py version          every manifest and lock file has the version of Cargo.toml
       release.py changelog [TAG]  CHANGELOG.md has the right form, and a section of TAG
       release.py same WHEEL WHEEL the wheels contain the same files
"""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    from pip._vendor import tomli as tomllib

KINDS = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")


def table(path: str) -> dict[str, Any]:
    """Returns the content of a TOML file."""
    return tomllib.loads(Path(path).read_text(encoding="utf-8"))


def tracked(pattern: str) -> list[str]:
    """Returns the paths of the files under version control that match a pattern."""
    listed = subprocess.run(
        ["git", "ls-files", pattern], capture_output=True, text=True, check=True
    )
    return listed.stdout.splitlines()


def current() -> str:
    """Returns the version of the crate."""
    version: str = table("Cargo.toml")["package"]["version"]
    return version


def of_version() -> list[str]:
    """Returns the files whose version differs from that of the crate, and stale lock files."""
    version, problems = current(), []
    project = table("pyproject.toml")["project"]
    if "version" in project or "version" not in project["dynamic"]:
        problems.append("pyproject.toml: the version is not dynamic, as it should be")
    for lock in tracked("*Cargo.lock"):
        found = [p["version"] for p in table(lock)["package"] if p["name"] == "qtloop"]
        if found != [version]:
            problems.append(f"{lock}: qtloop has the version {found}, and Cargo.toml {version}")
        command = ["cargo", "metadata", "--locked", "--format-version", "1", "--manifest-path"]
        manifest = str(Path(lock).with_suffix(".toml"))
        done = subprocess.run([*command, manifest], capture_output=True, text=True)
        if done.returncode:
            problems.append(f"{lock}: {done.stderr.strip()}")
    return problems


def sections(text: str, level: str) -> list[tuple[str, str]]:
    """Returns each heading of a level, such as "##", with the text up to the next one."""
    parts = re.split(rf"^{level} (.+)\n", text, flags=re.MULTILINE)
    return [(title.strip(), body) for title, body in zip(parts[1::2], parts[2::2], strict=True)]


def of_changelog(text: str, version: str, tag: str | None = None) -> list[str]:
    """Returns the violations of the changelog's form; with a tag, also what its release lacks."""
    problems: list[str] = []
    releases: list[tuple[tuple[int, ...], str]] = []
    unreleased = None
    for title, body in sections(text, "##"):
        if title == "Unreleased":
            unreleased = body
            if releases:
                problems.append("Unreleased is not the first section")
        elif match := re.fullmatch(r"(\d+)\.(\d+)\.(\d+) - (\d{4}-\d\d-\d\d)", title):
            releases.append((tuple(map(int, match.groups()[:3])), match[4]))
            try:
                date.fromisoformat(match[4])
            except ValueError:
                problems.append(f"{title}: there is no such date")
        else:
            problems.append(f"{title}: a section is called Unreleased, or 1.2.3 - 2026-12-31")
        for kind, entries in sections(body, "###"):
            if kind not in KINDS:
                problems.append(f"{title}: {kind} is not one of {', '.join(KINDS)}")
            if not re.search(r"^- ", entries, flags=re.MULTILINE):
                problems.append(f"{title}: {kind} has no entry")
    if unreleased is None:
        problems.append("there is no section Unreleased")
    problems += [
        f"{later[0]} is not above {earlier[0]}"
        for later, earlier in pairwise(releases)
        if later <= earlier
    ]
    if tag is not None:
        if tag != f"v{version}":
            problems.append(f"the tag is {tag}, and the version of Cargo.toml {version}")
        if ".".join(map(str, releases[0][0] if releases else ())) != version:
            problems.append(f"the newest section is not that of {version}")
        if unreleased and unreleased.strip():
            problems.append(f"Unreleased has entries: move them to {version} - {date.today()}")
    return problems


def of_wheels(one: str, other: str) -> list[str]:
    """Returns the names of the files that only one of two wheels contains."""
    names = [set(zipfile.ZipFile(wheel).namelist()) for wheel in (one, other)]
    return [f"only one wheel has {name}" for name in sorted(names[0] ^ names[1])]


def main(arguments: list[str]) -> int:
    """Runs one check; the exit code is 1 if there is a problem."""
    match arguments:
        case ["version"]:
            problems = of_version()
        case ["changelog", *tag]:
            text = Path("CHANGELOG.md").read_text(encoding="utf-8")
            problems = of_changelog(text, current(), *tag)
        case ["same", one, other]:
            problems = of_wheels(one, other)
        case _:
            problems = [__doc__ or ""]
    for problem in problems:
        print(problem)
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
