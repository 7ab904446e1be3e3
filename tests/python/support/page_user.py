"""Acts as the user of a program: clicks each button, answers each dialog, then closes the windows.

    python page_user.py BINDING PROGRAM

runs the program in this process, with a QApplication that has such a user.
"""

from __future__ import annotations

import importlib
import runpy
import sys
from typing import Any

STEP = 20  # milliseconds between two acts
PATIENCE = 5  # acts without anything to click, until the windows are closed


def install(binding: str) -> None:
    """Replaces the binding's QApplication by one with a user."""
    core: Any = importlib.import_module(f"{binding}.QtCore")
    widgets: Any = importlib.import_module(f"{binding}.QtWidgets")

    class Application(widgets.QApplication):  # type: ignore[misc]
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            self.idle_acts = 0
            core.QTimer.singleShot(STEP, self.act)

        def act(self) -> None:
            # The next act is set before this one, which a dialog may interrupt.
            core.QTimer.singleShot(STEP, self.act)
            shown = [widget for widget in self.topLevelWidgets() if widget.isVisible()]
            if not shown:
                return
            window = self.activeModalWidget() or shown[0]
            for button in (window, *window.findChildren(widgets.QPushButton)):
                if isinstance(button, widgets.QPushButton) and button.isEnabled():
                    if not button.property("was clicked"):
                        button.setProperty("was clicked", True)
                        self.idle_acts = 0
                        button.click()
                        return
            self.idle_acts += 1
            if self.idle_acts >= PATIENCE:
                self.closeAllWindows()

    widgets.QApplication = Application


if __name__ == "__main__":
    install(sys.argv[1])
    sys.argv = sys.argv[2:]
    runpy.run_path(sys.argv[0], run_name="__main__")
