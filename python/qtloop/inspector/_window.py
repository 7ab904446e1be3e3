"""The inspector's window: the plots, the tables, and their updates."""

from __future__ import annotations

import time
from collections.abc import Callable

from .. import _binding, _native
from .._loop import QEventLoop
from . import _theme, _warnings
from ._pages import CallbacksPage, Page, TasksPage, TimersPage, WatchesPage
from ._plot import FrameClock, Plots
from ._qt import QShortcut, QtCore, QtGui, QtWidgets
from ._source import Figures, Source
from ._text import counted
from ._trace import TraceButton

# A window with this property does not keep the application alive: see `has_visible_window()`.
NOT_COUNTED = "qtloop_inspector"
PERIOD = 250  # milliseconds between two updates


class Window(QtWidgets.QWidget):
    """Shows one loop, four times a second, until it is closed."""

    def __init__(self, loop: QEventLoop, on_close: Callable[[], object]) -> None:
        super().__init__()
        self.setObjectName("inspector")
        self.setWindowTitle("qtloop inspector")
        attribute = QtCore.Qt.WidgetAttribute
        self.setAttribute(attribute.WA_QuitOnClose, False)
        self.setAttribute(attribute.WA_DeleteOnClose)
        self.is_paused = False
        self.update_time = 0  # nanoseconds of the last update
        self._source = Source(loop)
        self._on_close = on_close
        loop._close_callbacks.add(self._close)
        self._clock = FrameClock(self)
        self._last: Figures | None = None
        self._theme = _theme.current()
        self._timer = QtCore.QTimer(self)
        self._timer.timeout.connect(self.refresh)
        self._build()
        self._resume()

    def bring_up(self) -> None:
        """Shows the window in front of the others."""
        if self.isMinimized():
            self.showNormal()
        self.show()
        if (handle := self.windowHandle()) is not None:
            handle.setProperty(NOT_COUNTED, True)
        self.raise_()
        self.activateWindow()

    # -- updates ---------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Reads the loop and updates what is visible."""
        loop = self._source.loop
        if loop is None or loop.is_closed():
            self.close()
            return
        began = time.perf_counter_ns()
        if _theme.current() is not self._theme:
            self._update_theme()
        gap = self._clock.take_longest()
        figures = self._source.figures()
        # The inner one of two Qt event loops is that of a dialog, which a running step has opened.
        is_nested = _native.level() > 1
        self.tasks.tasks.update(self._source.changes(), figures.now, gap, is_nested)
        self._show_figures(figures, gap)
        page = self._page()
        page.read(self._source)
        page.update_rows(self.filter.text().strip())
        self._last = figures
        self.update_time = time.perf_counter_ns() - began
        self._clock.forget_last()

    def _show_figures(self, figures: Figures, gap: int) -> None:
        warned = self.tasks.warned()
        parts = [
            counted(len(self.tasks.tasks.tasks.nodes), "task"),
            f"{figures.ready:,} ready",
            counted(figures.timers, "timer"),
            counted(figures.watches, "descriptor"),
        ]
        warnings = [counted(warned, "task") + " with a warning"] if warned else []
        if (last := self._last) is not None and not self.is_paused and figures.now > last.now:
            seconds = (figures.now - last.now) / 1e9
            self.plots.add(figures.ready, figures.longest_turn, gap)
            storm = _warnings.timer_storm((figures.fired - last.fired) / seconds)
            warnings += [storm] if storm else []
        self._summary.setText("   ·   ".join(parts))
        self._warning.setText("   ·   ".join(warnings))

    def _page(self) -> Page:
        page = self._stack.currentWidget()
        assert isinstance(page, Page)
        return page

    def toggle_pause(self) -> None:
        """Stops the updates, or continues them."""
        self.is_paused = not self.is_paused
        self.pause_button.setChecked(self.is_paused)
        self.pause_button.setText("Continue" if self.is_paused else "Pause")
        if self.is_paused:
            self._timer.stop()
            self._clock.stop()
            self.say("Paused. F5 updates once.")
        else:
            self.say("")
            self._resume()

    def _resume(self) -> None:
        self._clock.start()
        self._timer.start(PERIOD)
        self.refresh()
        self._last = None  # the plots begin with the next update, after what the user did

    def say(self, sentence: str) -> None:
        """Shows a sentence at the foot of the window."""
        self._note.setText(sentence)

    # -- what the user does ----------------------------------------------------------------------

    def show_page(self, at: int) -> None:
        """Shows a page, which is read now."""
        self._stack.setCurrentIndex(at)
        self.tabs[at].setChecked(True)
        page = self._page()
        page.model.find(self.filter.text())
        page.read(self._source)
        page.update_rows(self.filter.text().strip())

    def _find(self, words: str) -> None:
        page = self._page()
        page.model.find(words)
        page.update_rows(words.strip())

    def _focus_filter(self) -> None:
        self.filter.setFocus()
        self.filter.selectAll()

    def _escape(self) -> None:
        if self.filter.text():
            self.filter.clear()
        else:
            self.close()

    def _close(self) -> None:
        self.close()

    def closeEvent(self, event: QtGui.QCloseEvent) -> None:
        """Turns off what the window has turned on."""
        self._timer.stop()
        self._clock.stop()
        self.trace_button.stop()
        if (loop := self._source.loop) is not None:
            loop._close_callbacks.discard(self._close)
        self._source.close()
        self._on_close()
        super().closeEvent(event)

    # -- what it looks like ----------------------------------------------------------------------

    def _build(self) -> None:
        self.resize(1160, 780)
        self.filter = QtWidgets.QLineEdit()
        self.filter.setPlaceholderText("Filter (Ctrl+F)")
        self.filter.setClearButtonEnabled(True)
        self.filter.setFixedWidth(230)
        self.filter.textChanged.connect(self._find)
        self.pause_button = QtWidgets.QPushButton("Pause")
        self.pause_button.setCheckable(True)
        self.pause_button.setToolTip("Stops the updates (Space)")
        self.pause_button.clicked.connect(lambda: self.toggle_pause())
        self.plots = Plots()
        self.trace_button = TraceButton(lambda: self._source.loop, self.say)

        head = QtWidgets.QHBoxLayout()
        head.setSpacing(8)
        head.addWidget(_label("title", "Inspector"))
        head.addStretch()
        for widget in (self.filter, self.pause_button, self.trace_button):
            head.addWidget(widget)
        self._summary, self._warning = _label("summary", fills=True), _label("warning", fills=True)
        self._warning.setAlignment(QtCore.Qt.AlignmentFlag.AlignRight)
        line = QtWidgets.QHBoxLayout()
        line.addWidget(self._summary, 1)
        line.addWidget(self._warning, 1)
        self._note = _label("note", fills=True)
        foot = QtWidgets.QHBoxLayout()
        foot.addWidget(self._note, 1)
        foot.addWidget(_label("note", f"qtloop · {_binding_name()} · Qt {QtCore.qVersion()}"))

        page = QtWidgets.QVBoxLayout(self)
        page.setContentsMargins(20, 16, 20, 12)
        page.setSpacing(10)
        page.addLayout(head)
        page.addLayout(line)
        page.addWidget(self.plots)
        page.addWidget(self._build_tables(), 1)
        page.addLayout(foot)
        for keys, slot in (
            ("Ctrl+F", self._focus_filter),
            ("Space", self.toggle_pause),
            ("F5", self.refresh),
            ("F12", self.close),
            ("Esc", self._escape),
        ):
            QShortcut(QtGui.QKeySequence(keys), self).activated.connect(slot)
        self._update_theme()
        self.pause_button.setFixedWidth(self.pause_button.sizeHint().width() + 24)
        self.trace_button.setFixedWidth(self.trace_button.sizeHint().width() + 16)
        self.tasks.view.setFocus()

    def _build_tables(self) -> QtWidgets.QWidget:
        self.tasks = TasksPage(self._source.accounts, self.say)
        pages = (self.tasks, CallbacksPage(self.say), TimersPage(self.say), WatchesPage(self.say))
        self._stack = QtWidgets.QStackedWidget()
        self.tabs: list[QtWidgets.QPushButton] = []
        tabs = QtWidgets.QHBoxLayout()
        tabs.setContentsMargins(7, 6, 7, 0)
        tabs.setSpacing(2)
        group = QtWidgets.QButtonGroup(self)
        for at, page in enumerate(pages):
            self._stack.addWidget(page)
            tab = QtWidgets.QPushButton(page.name)
            tab.setObjectName("tab")
            tab.setCheckable(True)
            tab.clicked.connect(lambda _=False, at=at: self.show_page(at))
            group.addButton(tab)
            tabs.addWidget(tab)
            self.tabs.append(tab)
        tabs.addStretch()
        self.tabs[0].setChecked(True)
        card = _card()
        column = QtWidgets.QVBoxLayout(card)
        column.setContentsMargins(1, 1, 1, 1)
        column.setSpacing(0)
        column.addLayout(tabs)
        column.addWidget(self._stack, 1)
        return card

    def _update_theme(self) -> None:
        self._theme = _theme.current()
        self.setStyleSheet(_theme.sheet())
        self.plots.update_theme()
        for at in range(self._stack.count()):
            page = self._stack.widget(at)
            assert isinstance(page, Page)
            page.view.update_theme()


def _label(name: str, text: str = "", *, fills: bool = False) -> QtWidgets.QLabel:
    """Makes a label. If it `fills`, a new text does not cause a new layout of the window."""
    label = QtWidgets.QLabel(text)
    label.setObjectName(name)
    if fills:
        policy = QtWidgets.QSizePolicy.Policy
        label.setSizePolicy(policy.Ignored, policy.Fixed)
    return label


def _card() -> QtWidgets.QFrame:
    card = QtWidgets.QFrame()
    card.setObjectName("card")
    return card


def _binding_name() -> str:
    return _binding.binding.name if _binding.binding is not None else ""
