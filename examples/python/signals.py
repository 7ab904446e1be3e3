"""Awaiting Qt signals: a dialog with a time limit, a stream of slider values, and a click.

It ends when the button is clicked or the window is closed.
"""

import asyncio
import sys

# For PyQt6, change these two lines.
from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import (
    QApplication,
    QLabel,
    QMessageBox,
    QPushButton,
    QSlider,
    QVBoxLayout,
    QWidget,
)

import qtloop

app = QApplication(sys.argv)


class Window(QWidget):
    def __init__(self) -> None:
        super().__init__()
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.label = QLabel("Move the slider")
        self.button = QPushButton("Done")
        layout = QVBoxLayout(self)
        for widget in (self.slider, self.label, self.button):
            layout.addWidget(widget)
        # The task is cancelled when the window is destroyed.
        qtloop.spawn(self.follow(), parent=self)

    async def follow(self) -> None:
        # The slider moves faster than this loop handles values: `latest` keeps only the last one.
        async for value in qtloop.stream(self.slider.valueChanged, latest=True):
            await asyncio.sleep(0.05)
            self.label.setText(f"The value is {value}")


async def ask(window: QWidget) -> bool:
    box = QMessageBox(window)
    box.setText("Shall the slider move by itself? In 10 seconds the answer is no.")
    box.setStandardButtons(box.StandardButton.Yes | box.StandardButton.No)
    try:
        answer = await asyncio.wait_for(qtloop.exec_dialog(box), 10)
    except asyncio.TimeoutError:  # the dialog has been closed
        return False
    return answer == box.StandardButton.Yes


async def main() -> None:
    window = Window()
    window.show()
    moves = await ask(window)
    print("the slider moves by itself" if moves else "you move the slider")
    timer = QTimer()
    timer.timeout.connect(lambda: window.slider.setValue(window.slider.value() + 1))
    if moves:
        timer.start(10)
    await qtloop.once(window.button.clicked)


qtloop.run(main())
