"""The unattended run, for machines without a display: starts, answers, saves a picture, reports."""

from __future__ import annotations

import asyncio
from pathlib import Path

from . import theme
from .download import Download, State
from .qt import NAME, QtCore, QtGui, QtWidgets
from .text import amount
from .widgets import painter_of
from .window import Window

LOOK = 0.05  # seconds between two checks of the window
THINK = 1.5  # seconds for which a question stays open


async def run(window: Window, picture: Path) -> bool:
    """Uses the window as a person does; returns whether every file arrived intact."""
    window.start_all()
    taken = False
    retried: set[Download] = set()
    meanwhile = 0
    while True:
        await asyncio.sleep(LOOK)
        downloads = window.downloads
        idle = not any(download.active for download in downloads)
        size = sum(download.size or 0 for download in downloads)
        box = QtWidgets.QApplication.activeModalWidget()
        if isinstance(box, QtWidgets.QMessageBox):
            # Another task is inside `box.exec()`; this one and the downloads run.
            before = _received(window)
            await asyncio.sleep(THINK)
            meanwhile += _received(window) - before
            if not taken:
                await take(window, picture)
            taken = True
            box.defaultButton().click()
        elif not taken and (idle or _received(window) > 0.7 * size > 0):
            await take(window, picture)
            taken = True
        elif failed := {d for d in downloads if d.state is State.FAILED and taken} - retried:
            retried |= failed
            for download in failed:
                window.start(download)
        elif idle:
            break
    report(window, meanwhile)
    print(f"The picture is in {picture}.")
    return all(download.state is State.DONE for download in window.downloads)


async def take(window: Window, picture: Path) -> None:
    """Saves a picture of the window, and of the question if one is open."""
    window.clock.stop()  # this takes longer than a frame, and is not part of the measurement
    image = QtGui.QImage(window.size() * 2, QtGui.QImage.Format.Format_RGB32)
    image.setDevicePixelRatio(2)
    window.render(image)
    box = QtWidgets.QApplication.activeModalWidget()
    if box is not None:
        corner = QtCore.QPointF(window.rect().center() - box.rect().center())
        area = QtCore.QRectF(corner, QtCore.QSizeF(box.size()))
        painter = painter_of(image)
        painter.setBrush(QtGui.QColor(theme.current().shadow))
        for ring in range(24):  # a soft shadow, as a desktop draws it around a dialog
            spread = ring * ring / 24
            shadow = area.adjusted(-spread, -spread, spread, spread).translated(0, 5)
            painter.drawRoundedRect(shadow, 12 + spread, 12 + spread)
        painter.setBrush(QtGui.QColor(theme.current().line))
        painter.drawRoundedRect(area.adjusted(-1, -1, 1, 1), 13, 13)
        rounded = QtGui.QPainterPath()
        rounded.addRoundedRect(area, 12, 12)
        painter.setClipPath(rounded)
        painter.translate(corner)
        box.render(painter, QtCore.QPoint())
        painter.end()
    if not await asyncio.to_thread(image.save, str(picture)):
        raise SystemExit(f"The picture cannot be written to {picture}.")
    window.clock.start()


def report(window: Window, meanwhile: int) -> None:
    """Prints the results of the downloads, and the frame times."""
    downloads = window.downloads
    done = [download for download in downloads if download.state is State.DONE]
    width = max((len(download.name) for download in downloads), default=0)
    print(f"{len(done)} of {len(downloads)} files are here.")
    for download in downloads:
        if download.state is State.DONE:
            check = "same as the server's" if download.verified else "not published"
            print(
                f"  {download.name:{width}}  {amount(download.size or 0):>8}"
                f"  {download.seconds:5.1f} s  sha256 {download.sha256}  {check}"
            )
        else:
            print(f"  {download.name:{width}}  {download.state.value}: {download.cause}")
    if meanwhile:
        print(f"While the question was open, the others received {amount(meanwhile)}.")
    median, late, longest = window.clock.figures()
    print(
        f"Frame time over {len(window.clock.times)} frames: "
        f"p50 {median:.1f} ms, p99 {late:.1f} ms, max {longest:.1f} ms."
    )
    print(f"{NAME}, Qt {QtCore.qVersion()}, {QtGui.QGuiApplication.platformName()}.")


def _received(window: Window) -> int:
    return sum(download.received for download in window.downloads)
