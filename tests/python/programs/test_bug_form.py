"""The command that the bug form asks the reporter to run prints the versions."""

from __future__ import annotations

import platform
import shlex
import subprocess
import sys
from pathlib import Path

import qtloop

FORM = Path(__file__).parents[3] / ".github" / "ISSUE_TEMPLATE" / "bug.yml"


def test_command_of_the_bug_form_prints_the_versions() -> None:
    (line,) = [
        line for line in FORM.read_text().splitlines() if line.strip().startswith("python -c")
    ]
    _, *arguments = shlex.split(line)
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=30)
    expected = f"{qtloop.__version__} {platform.python_version()} {platform.platform()}\n"
    assert (done.stdout, done.stderr) == (expected, "")
