"""A dialog that is awaited instead of run in a nested loop: `exec_dialog()`."""

from __future__ import annotations

from typing import Any

from . import _binding
from ._signals import once


async def exec_dialog(dialog: Any) -> int:
    """Shows a `QDialog` window-modally and returns its result, as its `exec()` does:

        box = QMessageBox(QMessageBox.Icon.Question, "Save", "Overwrite?", Yes | No, window)
        async with asyncio.timeout(60):
            if await qtloop.exec_dialog(box) == QMessageBox.StandardButton.Yes: ...

    The result is the code of `QDialog.finished`: `Accepted` or `Rejected`, or the standard button
    of a `QMessageBox`. A `QFileDialog` has its selection afterwards. No nested event loop runs, so
    dialogs of several tasks return in any order. Await it on the application's thread.

    When the task is cancelled, the dialog is closed by `reject()` or, if it refuses, hidden.
    `SenderDestroyed` is raised if the dialog is destroyed, RuntimeError if it is visible already,
    TypeError if it is no `QDialog` of the binding.

    Source: https://doc.qt.io/qt-6/qdialog.html#open
    """
    binding = _binding.binding
    if binding is None or not isinstance(dialog, binding.module("QtWidgets").QDialog):
        raise TypeError(f"exec_dialog takes a QDialog, not {dialog!r}")
    if dialog.isVisible():
        raise RuntimeError(
            f"{dialog!r} is open already: await its result by `qtloop.once(dialog.finished)`"
        )
    finished = once(dialog.finished)
    try:
        dialog.open()
        result: int = await finished
        return result
    except BaseException:
        _close(dialog)
        raise
    finally:
        finished.close()


def _close(dialog: Any) -> None:
    try:
        if dialog.isVisible():
            dialog.reject()
        if dialog.isVisible():
            dialog.hide()  # its `reject()` is overridden, perhaps to ask a question
    except RuntimeError:
        pass  # the dialog has been destroyed
