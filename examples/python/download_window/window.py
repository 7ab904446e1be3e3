"""The window: a list of downloads, a total, a plot of the frame times, and the resume question."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp

import qtloop

from . import theme
from .download import Download, State, file_name
from .frames import FrameClock, FramePlot
from .qt import NAME, QtCore, QtGui, QtWidgets
from .row import HEIGHT, Row
from .text import amount, duration, progress
from .widgets import Bar, Veil, button, card, label, tile_pixmap

REFRESH = 5  # frames between two updates: numbers that change faster cannot be read
FIGURES = 15  # frames between two updates of the frame times
NO_BREAK = "\u00a0"  # a space at which no line is broken


class Window(QtWidgets.QWidget):
    """Shows the downloads, and starts and cancels one task for each of them."""

    def __init__(self, session: aiohttp.ClientSession, folder: Path | None = None) -> None:
        super().__init__()
        self.setObjectName("window")
        self.clock = FrameClock(self._on_frame)
        self._session = session
        self._folder = folder
        self.rows: list[Row] = []
        self._tasks: dict[Download, asyncio.Task[None]] = {}
        self._asking = asyncio.Lock()
        self._questions: dict[Download, QtWidgets.QMessageBox] = {}
        self._frames = 0
        self._theme = theme.current()
        self._build()
        QtGui.QShortcut(QtGui.QKeySequence("F12"), self).activated.connect(self._inspect)

    # -- the downloads ---------------------------------------------------------------------------

    @property
    def downloads(self) -> list[Download]:
        """The downloads, in the order of their rows."""
        return [row.download for row in self.rows]

    def add(self, url: str) -> Download:
        """Adds a row for one more address."""
        taken = {download.name for download in self.downloads}
        if self._folder:
            taken |= {path.name for path in self._folder.iterdir()}
        download = Download(url, file_name(url, taken), self._folder)
        row = Row(download)
        row.button.clicked.connect(lambda: self.toggle(download))
        self.rows.append(row)
        self._list.insertWidget(self._list.count() - 1, row)
        for other in self.rows:
            other.is_last = other is row
        self._card.setMaximumHeight(HEIGHT * len(self.rows) + 2)
        self._refresh()
        return download

    def toggle(self, download: Download) -> None:
        """Cancels a running download, starts another one: the button of a row."""
        if download.active:
            self.cancel(download)
        else:
            self.start(download)

    def start(self, download: Download) -> None:
        """Starts or resumes a download, in a task."""
        task = self._tasks.get(download)
        if task is None or task.done():
            fetch = download.run(self._session, self._ask)
            self._tasks[download] = asyncio.create_task(fetch, name=download.name)

    def cancel(self, download: Download) -> None:
        """Cancels the task of a download, and closes its question if one is open."""
        self._tasks[download].cancel()
        if question := self._questions.get(download):
            question.reject()

    def start_all(self) -> None:
        """Starts every download that is neither running nor complete."""
        for download in self.downloads:
            if not download.active and download.state is not State.DONE:
                self.start(download)
        self._refresh()

    def cancel_all(self) -> None:
        """Cancels every download that is running."""
        for download in self.downloads:
            if download.active:
                self.cancel(download)

    async def close_downloads(self) -> None:
        """Cancels all downloads, and waits until each task has cleaned up."""
        self.clock.stop()
        self.cancel_all()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _ask(self, download: Download) -> bool:
        """Asks whether to resume a broken download.

        `exec()` runs a nested Qt loop inside this coroutine. On most other loops no other task
        would run until it is answered; here the other downloads continue.
        """
        async with self._asking:  # one question at a time
            box = QtWidgets.QMessageBox(self)
            box.setWindowTitle("Connection lost")
            box.setContentsMargins(12, 12, 12, 8)
            box.setIconPixmap(tile_pixmap(download.name))
            box.setText(f"Resume {download.name}?")
            here = progress(download.received, download.size)
            text = f"{download.cause}\n{here} are here. The others go on."
            box.setInformativeText(text.replace(" ", NO_BREAK))  # the box is as wide as a line
            resume = box.addButton("Resume", QtWidgets.QMessageBox.ButtonRole.AcceptRole)
            box.addButton("Give up", QtWidgets.QMessageBox.ButtonRole.RejectRole)
            box.setDefaultButton(resume)
            self._questions[download] = box
            self._veil.show()
            box.exec()
            self._veil.hide()
            del self._questions[download]
            answer = box.clickedButton() == resume
            box.deleteLater()
        await asyncio.sleep(0)  # raises here, if the task was cancelled during the question
        return answer

    def _inspect(self) -> None:
        """Opens a window that shows the tasks and connections of the loop: F12."""
        loop = asyncio.get_running_loop()
        assert isinstance(loop, qtloop.QEventLoop)
        qtloop.inspector.show(loop)

    # -- what it looks like ----------------------------------------------------------------------

    def _build(self) -> None:
        self.setWindowTitle("Fetch")
        self.setStyleSheet(theme.sheet())
        self.resize(920, min(880, self.screen().availableGeometry().height()))
        self._summary = label("summary", fills=True)
        self._total = Bar(8)
        self._start_all = button("Start all", self.start_all, "primary")
        self._cancel_all = button("Cancel all", self.cancel_all)
        self._address = QtWidgets.QLineEdit()
        self._address.setPlaceholderText("Paste an address and press Enter")
        self._address.setFixedHeight(36)
        self._address.returnPressed.connect(self._add_typed)
        note = "Each file is checked with SHA-256. "
        note += f"Saved in {self._folder}." if self._folder else "Nothing is written to disk."

        head = QtWidgets.QHBoxLayout()
        head.addWidget(label("title", "Downloads"))
        head.addStretch()
        head.addWidget(self._cancel_all)
        head.addWidget(self._start_all)
        foot = QtWidgets.QHBoxLayout()
        foot.addWidget(label("note", note))
        foot.addStretch()
        foot.addWidget(label("note", f"qtloop · aiohttp · {NAME}"))

        page = QtWidgets.QVBoxLayout(self)
        page.setContentsMargins(24, 20, 24, 16)
        page.setSpacing(12)
        page.addLayout(head)
        page.addWidget(self._summary)
        page.addWidget(self._total)
        page.addWidget(self._address)
        page.addWidget(self._build_list(), stretch=1)
        page.addStretch()
        page.addWidget(self._build_figures())
        page.addLayout(foot)
        self._veil = Veil(self)
        self.setFocus()  # and no button has it at first

    def _build_list(self) -> QtWidgets.QWidget:
        rows = QtWidgets.QWidget()
        rows.setObjectName("rows")
        self._list = QtWidgets.QVBoxLayout(rows)
        self._list.setContentsMargins(0, 0, 0, 0)
        self._list.setSpacing(0)
        self._list.addStretch()
        scroll = QtWidgets.QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setHorizontalScrollBarPolicy(QtCore.Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(rows)
        self._card, column = card()
        column.addWidget(scroll)
        return self._card

    def _build_figures(self) -> QtWidgets.QWidget:
        self._plot = FramePlot(self.clock)
        self._figures = label("figures", fills=True)
        self._figures.setAlignment(QtCore.Qt.AlignmentFlag.AlignRight)
        legend = QtWidgets.QHBoxLayout()
        legend.addWidget(label("heading", "Frame time of this window"))
        legend.addWidget(self._figures, stretch=1)
        surface, column = card()
        surface.setFixedHeight(170)
        column.setContentsMargins(15, 15, 15, 5)
        column.setSpacing(10)
        column.addLayout(legend)
        column.addWidget(self._plot)
        return surface

    def showEvent(self, event: QtGui.QShowEvent) -> None:
        """Measures frames from the moment the window is on the screen."""
        super().showEvent(event)
        self.clock.start()

    def _add_typed(self) -> None:
        if url := self._address.text().strip():
            self.start(self.add(url))
            self._address.clear()

    def _on_frame(self) -> None:
        self._plot.update()
        self._frames += 1
        if self._frames % REFRESH == 0:
            self._refresh()
        if self._frames % FIGURES == 0:
            median, late, longest = self.clock.figures()
            self._figures.setText(
                f"median <b>{median:.1f}</b> ms &nbsp; 99 % within <b>{late:.1f}</b> ms &nbsp; "
                f"longest <b>{longest:.1f}</b> ms"
            )

    def _refresh(self) -> None:
        if theme.current() is not self._theme:  # the desktop has switched between light and dark
            self._theme = theme.current()
            self.setStyleSheet(theme.sheet())
        for row in self.rows:
            row.refresh()
        downloads = self.downloads
        done = sum(each.state is State.DONE for each in downloads)
        failed = sum(each.state is State.FAILED for each in downloads)
        active = sum(each.active for each in downloads)
        received = sum(each.received for each in downloads)
        size = sum(each.size or 0 for each in downloads)
        speed = sum(each.speed for each in downloads)

        parts = [f"{done} of {len(downloads)} complete"]
        if size:
            parts.append(progress(received, size))
        if speed:
            parts += [f"{amount(speed)}/s", f"{duration((size - received) / speed)} left"]
        if failed:
            parts.append(f"{failed} failed")
        self._summary.setText("   ·   ".join(parts))
        self._total.show_share(received, size, "good" if done == len(downloads) else "")
        self._start_all.setEnabled(active + done < len(downloads))
        self._cancel_all.setEnabled(active > 0)
