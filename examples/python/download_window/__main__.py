"""A download window: Qt, aiohttp and a modal dialog on one loop, and none stops the others.

    python examples/python/download_window                      files of a small server in this loop
    python examples/python/download_window https://host/file    files of your own
    python examples/python/download_window --screenshot a.png   fetch, save a picture, report, end

F12 opens a window that shows the tasks, timers and connections of the loop.

In `examples/python`, `python -m download_window` does the same. The program needs qtloop, aiohttp
and one of PySide6 or PyQt6. Without a display it runs under Xvfb.
"""

import sys
from pathlib import Path

# The folder was started: import it as a package, for its relative imports. A frozen program has no
# folders to import from.
if not (__package__ or hasattr(sys, "frozen")):
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from download_window.app import start

sys.exit(start())
