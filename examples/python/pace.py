"""A slider that changes up to 1,000 times a second, and a view that updates 20 times a second.

The search below the slider starts when its text has not changed for 0.3 seconds. The program ends
when the window is closed.
"""

import asyncio
import sys
import time

# For PyQt6, change these two lines.
from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QApplication, QLabel, QLineEdit, QSlider, QVBoxLayout, QWidget

import qtloop

app = QApplication(sys.argv)


class Window(QWidget):
    def __init__(self) -> None:
        super().__init__()
        self.changes = self.updates = 0
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setMaximum(1000)
        self.view = QLabel("0")
        self.edit = QLineEdit()
        self.edit.setPlaceholderText("Search")
        self.found = QLabel()
        layout = QVBoxLayout(self)
        for widget in (self.slider, self.view, self.edit, self.found):
            layout.addWidget(widget)
        self.slider.valueChanged.connect(self.count)
        self.slider.valueChanged.connect(self.update_view)
        self.edit.textChanged.connect(self.search)

    def count(self, value: int) -> None:
        self.changes += 1

    @qtloop.throttle(0.05)
    def update_view(self, value: int) -> None:
        self.updates += 1
        self.view.setText(f"{value}: {self.changes} changes, {self.updates} updates")

    # A newer search cancels this one.
    @qtloop.debounce(0.3)
    async def search(self, text: str) -> None:
        self.found.setText("...")
        await asyncio.sleep(1)  # such as a request to a server
        self.found.setText(f"found {text!r}")


async def main() -> None:
    window = Window()
    window.show()
    began = time.monotonic()
    timer = QTimer()
    timer.timeout.connect(lambda: window.slider.setValue((window.slider.value() + 1) % 1001))
    timer.start(1)
    try:
        await asyncio.Event().wait()  # until the window is closed
    finally:
        seconds = time.monotonic() - began
        print(f"{window.changes} changes, {window.updates} updates, {seconds:.3f} seconds")


qtloop.run(main())
