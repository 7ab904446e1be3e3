"""The program: command line, processes, window, and the unattended run."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import sys
from pathlib import Path

import qtloop
from download_window import theme
from download_window.qt import NAME, QtCore, QtGui, QtWidgets

from .control import SETPOINT
from .processes import processes
from .window import Window


async def main(picture: Path | None, seconds: float) -> int:
    """Opens the window and runs until it is closed, which cancels this coroutine."""
    async with contextlib.AsyncExitStack() as stack:
        window = Window(await stack.enter_async_context(processes()))
        stack.push_async_callback(window.close_tasks)
        window.show()
        await window.started.wait()
        if picture:
            await asyncio.sleep(seconds / 4)
            window.switch_flood()
            await asyncio.sleep(seconds)
            report(window)
            await take(window, picture)
        else:
            window.switch_flood()
            await asyncio.Event().wait()  # until the user closes the window
    return 0


def report(window: Window) -> None:
    """Prints the latencies and the pressures of both control loops."""
    for name, trace in zip(("qtloop", "asyncio"), window.traces, strict=True):
        median, late, longest = trace.figures()
        off = max(abs(pressure - SETPOINT) for pressure in trace.pressures)
        print(
            f"{name:7}  {len(trace.latencies)} readings, latency p50 {median:.2f} ms, "
            f"p99 {late:.2f} ms, max {longest:.2f} ms; pressure within {off:.2f} bar; "
            f"{trace.rate:.0f} jobs/s"
        )
    print(f"{NAME}, Qt {QtCore.qVersion()}, {QtGui.QGuiApplication.platformName()}.")


async def take(window: Window, picture: Path) -> None:
    """Saves a picture of the window."""
    image = QtGui.QImage(window.size() * 2, QtGui.QImage.Format.Format_RGB32)
    image.setDevicePixelRatio(2)
    window.render(image)
    if not await asyncio.to_thread(image.save, str(picture)):
        raise SystemExit(f"The picture cannot be written to {picture}.")
    print(f"The picture is in {picture}.")


def start() -> int:
    """Runs the program and returns its exit code."""
    parser = argparse.ArgumentParser(
        prog="gauge_window", description="A control loop that keeps its pace beside 10,000 jobs."
    )
    parser.add_argument(
        "--screenshot", type=Path, metavar="FILE", help="run by itself, then report"
    )
    parser.add_argument("--seconds", type=float, default=15, help="length of that run (15)")
    options = parser.parse_args()
    if not any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")):
        os.environ["QT_QPA_PLATFORM"] = "offscreen"
        options.screenshot = options.screenshot or Path("gauge_window.png")
    app = QtWidgets.QApplication(sys.argv[:1])
    app.setApplicationName("Gauge")
    theme.apply(app)
    try:
        return qtloop.run(main(options.screenshot, options.seconds)) or 0
    except KeyboardInterrupt:
        return 130
