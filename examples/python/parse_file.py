"""Parses a file of 200 MB in a coroutine, while the window shows each frame in time.

    python examples/python/parse_file.py [MEGABYTES]

The program makes the file in a temporary folder. It prints the time and the longest frame, and ends
when the file is parsed.
"""

import asyncio
import sys
import tempfile
import time
from pathlib import Path

# For PyQt6, change these two lines.
from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QApplication, QLabel, QProgressBar, QVBoxLayout, QWidget

import qtloop

LINE = "2026-11-28T12:00:00,{},{:.2f}\n"
LINES = 10_000  # that the file repeats


class Window(QWidget):
    def __init__(self) -> None:
        super().__init__()
        self.setWindowTitle("Parse a file")
        self.label = QLabel("Making the file")
        self.bar = QProgressBar()
        self.bar.setRange(0, 1000)
        self.parsed, self.total = 0, 1  # bytes
        layout = QVBoxLayout(self)
        layout.addWidget(self.label)
        layout.addWidget(self.bar)
        self.resize(360, 90)
        self.frames: list[float] = []
        self.last = 0.0
        self.timer = QTimer(self)
        self.timer.setTimerType(Qt.TimerType.PreciseTimer)
        self.timer.timeout.connect(self.on_frame)

    def on_frame(self) -> None:
        now = time.perf_counter()
        if self.last:
            self.frames.append(now - self.last)
        self.last = now
        self.label.setText(f"{self.parsed / 1e6:.1f} of {self.total / 1e6:.1f} MB are parsed")
        self.bar.setValue(self.parsed * 1000 // self.total)


def make(path: Path, size: int) -> int:
    """Makes a file of at least that many bytes, and returns its size."""
    block = "".join(LINE.format(number, number / 7) for number in range(LINES)).encode()
    with path.open("wb") as file:
        while file.tell() < size:
            file.write(block)
        return file.tell()


async def parse(path: Path, window: Window) -> tuple[int, float]:
    """Returns the number of lines, and the sum of their third column."""
    lines, total = 0, 0.0
    with path.open("rb") as file:
        for line in file:
            _, _, value = line.split(b",")
            total += float(value)
            lines += 1
            window.parsed += len(line)
            await qtloop.yield_if_needed()
    return lines, total


async def main(megabytes: int) -> None:
    window = Window()
    window.show()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "values.csv"
        window.total = await asyncio.to_thread(make, path, megabytes * 1_000_000)
        window.timer.start(16)
        began = time.perf_counter()
        lines, total = await parse(path, window)
        seconds = time.perf_counter() - began
        window.timer.stop()
    frames = sorted(window.frames) or [0.0]
    print(f"{lines} lines, sum {total:.2f}, {seconds:.2f} seconds")
    print(
        f"{len(window.frames)} frames: median {frames[len(frames) // 2] * 1000:.1f} ms, "
        f"99 % within {frames[len(frames) * 99 // 100] * 1000:.1f} ms, "
        f"longest {frames[-1] * 1000:.1f} ms"
    )


app = QApplication(sys.argv)
qtloop.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 200))
