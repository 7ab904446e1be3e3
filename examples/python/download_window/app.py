"""The program: command line, server, session, window, and their order at the end."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import shutil
import sys
from pathlib import Path

import aiohttp

import qtloop

from . import server, theme, unattended
from .qt import QtWidgets
from .window import Window


async def main(options: argparse.Namespace) -> int:
    """Opens the window and runs until it is closed, which cancels this coroutine."""
    async with contextlib.AsyncExitStack() as stack:
        urls = options.urls
        if not urls:
            files = server.catalogue(
                int(options.files), int(options.size * 1e6), options.rate * 1e6
            )
            urls = (await stack.enter_async_context(server.Server(files))).urls

        if options.save:
            options.save.mkdir(parents=True, exist_ok=True)

        # A transfer may take any time, but a silent server times out. At most eight connections.
        silence = options.timeout
        limits = aiohttp.ClientTimeout(total=None, sock_connect=silence, sock_read=silence)
        session = aiohttp.ClientSession(timeout=limits, connector=aiohttp.TCPConnector(limit=8))
        await stack.enter_async_context(session)

        window = Window(session, options.save)
        stack.push_async_callback(window.close_downloads)
        for url in urls:
            window.add(url)
        window.show()

        if options.screenshot:
            return 0 if await unattended.run(window, options.screenshot) else 1
        await asyncio.Event().wait()  # until the user closes the window
        return 0


def parse(arguments: list[str]) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        prog="download_window",
        description="Fetch files in a window that stays smooth, on one loop for Qt and asyncio.",
    )
    parser.add_argument("urls", nargs="*", metavar="URL", help="fetch this instead of the examples")
    parser.add_argument("--save", type=Path, metavar="FOLDER", help="keep the files in this folder")
    parser.add_argument(
        "--screenshot", type=Path, metavar="FILE", help="run by itself, then report"
    )
    parser.add_argument("--timeout", type=positive, default=15, help="seconds of silence (15)")
    examples = parser.add_argument_group("the example files")
    examples.add_argument("--files", type=positive, default=7, help="how many (7)")
    examples.add_argument(
        "--size", type=positive, default=12, help="megabytes of the largest one (12)"
    )
    examples.add_argument("--rate", type=positive, default=1.5, help="megabytes a second (1.5)")
    return parser.parse_args(arguments)


def positive(text: str) -> float:
    """Reads a number above zero."""
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not above zero")
    return number


def find_display(options: argparse.Namespace) -> None:
    """Without a display, restarts under Xvfb or, without that, uses Qt's offscreen platform."""
    if any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")):
        return
    options.screenshot = options.screenshot or Path("download_window.png")
    if shutil.which("xvfb-run"):
        command = ["xvfb-run", "-a", "-s", "-screen 0 1280x1024x24", sys.executable, *sys.argv]
        os.execvp(command[0], [*command, f"--screenshot={options.screenshot}"])
    os.environ["QT_QPA_PLATFORM"] = "offscreen"


def start() -> int:
    """Runs the program and returns its exit code."""
    options = parse(sys.argv[1:])
    find_display(options)
    app = QtWidgets.QApplication(sys.argv[:1])
    app.setApplicationName("Fetch")
    theme.apply(app)
    try:
        return qtloop.run(main(options)) or 0  # None if closing the window cancels `main`
    except KeyboardInterrupt:
        return 130
