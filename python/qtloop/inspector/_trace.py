"""The button that records a trace of the loop, and saves it as a file."""

from __future__ import annotations

from collections.abc import Callable

from .._loop import QEventLoop
from .._recording import Recording
from ._qt import QtWidgets


class TraceButton(QtWidgets.QPushButton):
    """Starts a recording, and ends it with a question where to save it."""

    def __init__(self, loop: Callable[[], QEventLoop | None], say: Callable[[str], None]) -> None:
        super().__init__("Record trace")
        self.setToolTip("Records what the loop runs, for Perfetto, chrome://tracing or Qt Creator")
        self.setCheckable(True)
        self._loop = loop
        self._say = say
        self._recording: Recording | None = None
        self.clicked.connect(lambda: self.toggle())

    def toggle(self) -> None:
        """Starts a recording, or ends the one that runs and asks for a file."""
        recording = self.stop()
        if recording is not None:
            self._ask(recording)
        elif (loop := self._loop()) is not None:
            self._start(loop)

    def stop(self) -> Recording | None:
        """Ends the recording, if one runs, and returns it."""
        recording, self._recording = self._recording, None
        if recording is not None:
            recording.stop()
        self._show_state()
        return recording

    def _start(self, loop: QEventLoop) -> None:
        try:
            self._recording = loop.record()
        except RuntimeError as error:
            self._say(f"A trace cannot be recorded: {error}")
        self._show_state()

    def _ask(self, recording: Recording) -> None:
        """Asks for a file, without `exec()`, which would run a nested event loop in the program."""
        dialog = QtWidgets.QFileDialog(self.window(), "Save the trace")
        dialog.setAcceptMode(dialog.AcceptMode.AcceptSave)
        dialog.setNameFilters(["Trace (*.json.gz)", "Trace, not compressed (*.json)"])
        dialog.selectFile("trace.json.gz")
        dialog.fileSelected.connect(lambda path: self.save(recording, path))
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def save(self, recording: Recording, path: str) -> None:
        """Writes a recording to a file."""
        try:
            recording.save(path)
        except OSError as error:
            self._say(f"The trace could not be saved: {error}")
        else:
            self._say(f"The trace is in {path}.")

    def _show_state(self) -> None:
        is_on = self._recording is not None
        self.setText("Stop and save…" if is_on else "Record trace")
        self.setChecked(is_on)
