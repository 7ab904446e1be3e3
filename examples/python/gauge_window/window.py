"""The window: two dials, the plot of the latencies, and the switches."""

from __future__ import annotations

import asyncio

import qtloop
from download_window import theme
from download_window.qt import NAME, QtCore, QtWidgets
from download_window.widgets import button, card, label
from qtloop import Priority

from .control import JOBS, REPORT, Flood, control
from .dials import Dial, LatencyPlot, colours
from .processes import Sockets
from .trace import Trace

FRAME = 16  # milliseconds
PLOT = 6  # frames between two updates of the plot, which has a new point then
FIGURES = 15  # frames between two updates of the figures


class Window(QtWidgets.QWidget):
    """Runs the control loop of this process, and shows both."""

    def __init__(self, sockets: Sockets) -> None:
        super().__init__()
        self.setObjectName("window")
        loop = asyncio.get_running_loop()
        assert isinstance(loop, qtloop.QEventLoop)
        self.own, self.other = self.traces = (Trace(), Trace())
        self.started = asyncio.Event()  # is set with the first report of the other process
        self.has_priority = True
        self._sockets = sockets
        self._frames = 0
        self._theme = theme.current()
        self.flood = Flood(lambda job: loop.call_soon_priority(self._flood_priority, job))
        self.tasks = [
            loop.create_task(control(sockets.vessel, self.own.add), priority=Priority.HIGH),
            loop.create_task(self._read_reports()),
        ]
        self._build()
        self._timer = QtCore.QTimer(self)
        self._timer.setTimerType(QtCore.Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._on_frame)
        self._timer.start(FRAME)

    @property
    def _flood_priority(self) -> Priority:
        return Priority.LOW if self.has_priority else Priority.NORMAL

    async def _read_reports(self) -> None:
        """Reads what the process of the other control loop reports."""
        loop = asyncio.get_running_loop()
        while True:
            data = await loop.sock_recv(self._sockets.reports, REPORT.size)
            if not data:
                raise ConnectionResetError("the process of the other control loop has ended")
            try:
                while data:
                    *reading, jobs = REPORT.unpack(data)
                    self.other.add(*reading)
                    self.other.count(jobs)
                    self.started.set()
                    data = self._sockets.reports.recv(REPORT.size)
            except BlockingIOError:
                pass

    def switch_flood(self) -> None:
        """Starts or stops the 10,000 jobs, in both processes."""
        if self.flood.runs:
            self.flood.stop()
        else:
            self.flood.start()
        self._sockets.reports.send(b"1" if self.flood.runs else b"0")
        self._begin_figures()

    def switch_priority(self) -> None:
        """Gives the control loop the priority of the other jobs, or a higher one again."""
        self.has_priority = not self.has_priority
        qtloop.set_priority(self.tasks[0], Priority.HIGH if self.has_priority else Priority.NORMAL)
        self._begin_figures()

    def _begin_figures(self) -> None:
        for trace in self.traces:
            trace.clear()
        self._refresh()

    async def close_tasks(self) -> None:
        """Ends the tasks and the jobs."""
        self._timer.stop()
        self.flood.stop()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    # -- what it looks like ----------------------------------------------------------------------

    def _build(self) -> None:
        self.setWindowTitle("Gauge")
        self.resize(920, 628)
        self._flood_button = button("Stop the jobs", self.switch_flood, "primary")
        self._priority_button = button("Priority off", self.switch_priority)
        self._summary = label("summary", fills=True)

        head = QtWidgets.QHBoxLayout()
        head.addWidget(label("title", "Pressure control"))
        head.addStretch()
        head.addWidget(self._priority_button)
        head.addWidget(self._flood_button)
        dials = QtWidgets.QHBoxLayout()
        dials.setSpacing(12)
        self._dials: list[Dial] = []
        self._figures: list[list[QtWidgets.QLabel]] = []
        self._headings: list[QtWidgets.QLabel] = []
        self._notes: list[QtWidgets.QLabel] = []
        for number in range(2):
            dials.addWidget(self._build_dial(number), stretch=1)
        foot = QtWidgets.QHBoxLayout()
        foot.addWidget(label("note", "A reading every 10 ms. The setpoint is 5 bar."))
        foot.addStretch()
        foot.addWidget(label("note", f"qtloop · {NAME}"))

        page = QtWidgets.QVBoxLayout(self)
        page.setContentsMargins(24, 20, 24, 16)
        page.setSpacing(12)
        page.addLayout(head)
        page.addWidget(self._summary)
        page.addLayout(dials)
        page.addWidget(self._build_plot())
        page.addStretch()
        page.addLayout(foot)
        self._colour()
        for each in (self._flood_button, self._priority_button):
            each.ensurePolished()  # or the size hint is that of another font
            each.setFixedWidth(each.sizeHint().width() + 4)  # for both of its texts
        self.setFocus()  # and no button has it at first
        self._refresh()

    def _build_dial(self, number: int) -> QtWidgets.QWidget:
        surface, column = card()
        column.setContentsMargins(19, 15, 19, 13)
        column.setSpacing(8)
        heading, note = label("heading", fills=True), label("note", fills=True)
        self._headings.append(heading)
        self._notes.append(note)
        column.addWidget(heading)
        row = QtWidgets.QHBoxLayout()
        dial = Dial(self.traces[number], number)
        self._dials.append(dial)
        row.addWidget(dial)
        row.addStretch()
        grid = QtWidgets.QGridLayout()
        grid.setHorizontalSpacing(10)
        grid.setVerticalSpacing(6)
        figures = []
        for line, what in enumerate(("median", "99 % within", "longest")):
            figure = label("name")
            figure.setFixedWidth(76)
            name = label("status", what)
            for each in (name, figure):
                each.setAlignment(
                    QtCore.Qt.AlignmentFlag.AlignRight | QtCore.Qt.AlignmentFlag.AlignVCenter
                )
            grid.addWidget(name, line, 0)
            grid.addWidget(figure, line, 1)
            figures.append(figure)
        self._figures.append(figures)
        side = QtWidgets.QVBoxLayout()
        side.addStretch()
        side.addLayout(grid)
        side.addStretch()
        row.addLayout(side)
        row.addSpacing(16)
        column.addLayout(row)
        column.addWidget(note)
        return surface

    def _build_plot(self) -> QtWidgets.QWidget:
        self._plot = LatencyPlot(self.traces)
        self._legend = label("status")
        legend = QtWidgets.QHBoxLayout()
        legend.addWidget(label("heading", "Latency of the control loop"))
        legend.addStretch()
        legend.addWidget(self._legend)
        surface, column = card()
        column.setContentsMargins(19, 15, 15, 11)
        column.setSpacing(8)
        column.addLayout(legend)
        column.addWidget(self._plot)
        return surface

    def _colour(self) -> None:
        self.setStyleSheet(theme.sheet())
        own, other = colours()
        self._legend.setText(
            f"<span style='color:{own}'>●</span> qtloop, in this window &nbsp;&nbsp; "
            f"<span style='color:{other}'>●</span> asyncio, in a process without Qt"
        )

    def _on_frame(self) -> None:
        self._frames += 1
        self.own.count(self.flood.count)
        for dial in self._dials:
            dial.update()
        if self._frames % PLOT == 0:
            self._plot.update()
        if self._frames % FIGURES == 0:
            self._refresh()

    def _refresh(self) -> None:
        if theme.current() is not self._theme:  # the desktop has switched between light and dark
            self._theme = theme.current()
            self._colour()
        jobs = f"{JOBS:,} jobs" if self.flood.runs else "no other jobs"
        self._summary.setText(f"A task answers each reading with a valve position, beside {jobs}.")
        self._flood_button.setText("Stop the jobs" if self.flood.runs else "Start the jobs")
        self._priority_button.setText("Priority off" if self.has_priority else "Priority on")
        own, flood = ("HIGH", "LOW") if self.has_priority else ("NORMAL", "NORMAL")
        self._headings[0].setText(f"qtloop: Priority.{own}")
        self._headings[1].setText("asyncio: no priorities")
        kinds = (f"Priority.{flood}", "no priority")
        for trace, figures, note, kind in zip(
            self.traces, self._figures, self._notes, kinds, strict=True
        ):
            for figure, milliseconds in zip(figures, trace.figures(), strict=True):
                digits = 2 if milliseconds < 10 else 0
                figure.setText(f"{milliseconds:.{digits}f} ms")
            rate = f"{round(trace.rate, -3):,.0f} jobs a second, {kind}"
            note.setText(rate if self.flood.runs else "no other jobs")
