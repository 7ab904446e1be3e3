"""The folders whose Python files do not belong to the program."""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path


def library_folders() -> tuple[list[str], list[str]]:
    """Returns the folders of the standard library and, last, of qtloop; those of packages."""
    names = sysconfig.get_paths()
    own = str(Path(__file__).parent)
    hidden = {names["stdlib"], names["platstdlib"]}
    if hasattr(os, "__file__"):  # not in a program that cx_Freeze has frozen
        hidden.add(str(Path(os.__file__).parent))
    installed = {names["purelib"], names["platlib"]}
    installed.update(path for path in sys.path if path.endswith(("site-packages", "dist-packages")))
    return [*sorted(hidden), own], sorted(installed)
