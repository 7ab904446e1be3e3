"""Programs that open the window of an example and use it, each in another process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[3] / "examples" / "python"
ENVIRONMENT = os.environ | {"QT_QPA_PLATFORM": "offscreen", "PYTHONPATH": str(EXAMPLES)}

_HELPERS = """
async def until(condition):
    while not condition():
        await asyncio.sleep(0.005)

def button(window, text):
    return next(b for b in window.findChildren(QtWidgets.QPushButton) if b.text() == text)
"""


def command(imports: str, program: str) -> list[str]:
    """Returns the command of a program with an application `app`, `until()` and `button()`."""
    application = "app = QtWidgets.QApplication([])\n"
    return [sys.executable, "-c", imports + application + _HELPERS + program]


def play(imports: str, program: str) -> subprocess.CompletedProcess[str]:
    """Runs the program of `command()`."""
    return subprocess.run(
        command(imports, program),
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=50,
    )


def complaints(errors: str) -> list[str]:
    """Returns the lines of stderr without the warnings of the offscreen platform."""
    return [line for line in errors.splitlines() if not line.startswith("This plugin does not")]
