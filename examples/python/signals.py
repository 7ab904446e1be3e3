"""Awaiting Qt signals: a dialog with a time limit, a stream of slider values, and a click.

Run it with PySide6 or PyQt6 installed; it ends when the button is clicked or the window is closed.
"""

import asyncio
import sys

import qtloop
from fetching.qt import QtCore, QtWidgets

app = QtWidgets.QApplication(sys.argv)


class Window(QtWidgets.QWidget):
    def __init__(self) -> None:
        super().__init__()
        self.slider = QtWidgets.QSlider(QtCore.Qt.Orientation.Horizontal)
        self.label = QtWidgets.QLabel("Move the slider")
        self.button = QtWidgets.QPushButton("Done")
        layout = QtWidgets.QVBoxLayout(self)
        for widget in (self.slider, self.label, self.button):
            layout.addWidget(widget)
        # The task is cancelled when the window is destroyed.
        qtloop.spawn(self.follow(), parent=self)

    async def follow(self) -> None:
        # The slider moves faster than this loop handles values: `latest` keeps only the last one.
        async for value in qtloop.stream(self.slider.valueChanged, latest=True):
            await asyncio.sleep(0.05)
            self.label.setText(f"The value is {value}")


async def ask(window: QtWidgets.QWidget) -> bool:
    box = QtWidgets.QMessageBox(window)
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
    timer = QtCore.QTimer()
    timer.timeout.connect(lambda: window.slider.setValue(window.slider.value() + 1))
    if moves:
        timer.start(10)
    await qtloop.once(window.button.clicked)


qtloop.run(main())
