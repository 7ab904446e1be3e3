"""A control loop that keeps its pace beside 10,000 other jobs, and the same one on asyncio.

    python examples/python/gauge_window                      the window
    python examples/python/gauge_window --screenshot a.png   run by itself, save a picture, report

A sensor sends a pressure every 10 ms, and a task answers with the position of a valve. The task has
`Priority.HIGH`, and the other jobs have `Priority.LOW`. A second process does the same on asyncio's
own loop, which has no priorities. The program needs qtloop and one of PySide6 or PyQt6. Without a
display it runs by itself.
"""

import sys
from pathlib import Path

if not __package__:  # The folder was started: import it as a package, for its relative imports.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from gauge_window.app import start

sys.exit(start())
