"""A dialog is awaited and not run in a nested loop: `exec_dialog()`."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import Any

import pytest

import qtloop
from qtloop._binding import binding

if binding is None:
    pytest.skip("dialogs need a Qt binding", allow_module_level=True)

QtCore: Any = binding.QtCore
QtWidgets: Any = binding.module("QtWidgets")
Button = QtWidgets.QMessageBox.StandardButton


def run(main: Any) -> Any:
    return qtloop.run(main)


def later(function: Any, *args: Any) -> None:
    asyncio.get_running_loop().call_later(0.005, function, *args)


@pytest.mark.parametrize(("how", "code"), [("accept", 1), ("reject", 0), ("close", 0)])
def test_exec_dialog_returns_the_result_code(app: Any, how: str, code: int) -> None:
    async def main() -> None:
        dialog = QtWidgets.QDialog()
        later(getattr(dialog, how))
        assert await qtloop.exec_dialog(dialog) == code == dialog.result()
        assert not dialog.isVisible()

    run(main())


def test_exec_dialog_returns_the_code_passed_to_done(app: Any) -> None:
    async def main() -> None:
        dialog = QtWidgets.QDialog()
        for code in (7, 8):
            later(dialog.done, code)
            assert await qtloop.exec_dialog(dialog) == code

    run(main())


def test_dialog_is_modal_to_its_window_while_tasks_run(app: Any) -> None:
    async def main() -> None:
        window = QtWidgets.QWidget()
        window.show()
        dialog = QtWidgets.QDialog(window)
        levels = QtCore.QThread.currentThread().loopLevel()
        seen: list[Any] = []

        def look() -> None:
            seen.append(dialog.windowModality() == QtCore.Qt.WindowModality.WindowModal)
            seen.append(QtCore.QThread.currentThread().loopLevel() == levels)
            dialog.accept()

        later(look)
        await qtloop.exec_dialog(dialog)
        assert seen == [True, True]

    run(main())


def test_message_box_returns_the_standard_button_as_its_exec_does(app: Any) -> None:
    async def main() -> None:
        box = QtWidgets.QMessageBox()
        box.setStandardButtons(Button.Yes | Button.No)
        for button in (Button.Yes, Button.No):
            later(box.button(button).click)
            result = await qtloop.exec_dialog(box)
            later(box.button(button).click)
            assert result == button == box.exec()

    run(main())


def test_file_dialog_has_its_selection_after_the_wait(app: Any, tmp_path: Any) -> None:
    async def main() -> None:
        (tmp_path / "file").touch()
        dialog = QtWidgets.QFileDialog(None, "Open", str(tmp_path))
        dialog.setOption(QtWidgets.QFileDialog.Option.DontUseNativeDialog)
        dialog.selectFile(str(tmp_path / "file"))
        later(dialog.accept)
        assert await qtloop.exec_dialog(dialog) == 1
        assert dialog.selectedFiles() == [str(tmp_path / "file")]

    run(main())


def test_dialogs_of_two_tasks_return_in_any_order(app: Any) -> None:
    async def main() -> None:
        first, second = QtWidgets.QDialog(), QtWidgets.QDialog()
        order: list[str] = []

        async def ask(name: str, dialog: Any) -> None:
            await qtloop.exec_dialog(dialog)
            order.append(name)

        both = asyncio.gather(ask("first", first), ask("second", second))
        await asyncio.sleep(0.001)
        later(first.accept)
        asyncio.get_running_loop().call_later(0.02, second.accept)
        await both
        assert order == ["first", "second"]

    run(main())


def test_cancelled_task_closes_its_dialog(app: Any) -> None:
    async def main() -> None:
        dialog = QtWidgets.QMessageBox()
        codes: list[int] = []
        dialog.finished.connect(codes.append)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(qtloop.exec_dialog(dialog), 0.01)
        assert not dialog.isVisible() and codes == [0]
        later(dialog.accept)
        await qtloop.exec_dialog(dialog)

    run(main())


def test_dialog_that_refuses_to_be_rejected_is_hidden_by_a_cancellation(app: Any) -> None:
    class Stubborn(QtWidgets.QDialog):  # type: ignore[misc]
        def reject(self) -> None:
            pass

    async def main() -> None:
        dialog = Stubborn()
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(qtloop.exec_dialog(dialog), 0.01)
        assert not dialog.isVisible()

    run(main())


def test_destroyed_dialog_raises_sender_destroyed(app: Any) -> None:
    async def main() -> None:
        window = QtWidgets.QWidget()
        dialog = QtWidgets.QDialog(window)
        later(window.deleteLater)
        with pytest.raises(qtloop.SenderDestroyed):
            await qtloop.exec_dialog(dialog)

    run(main())


def test_dialog_that_is_deleted_when_closed_gives_its_result(app: Any) -> None:
    async def main() -> None:
        dialog = QtWidgets.QDialog()
        dialog.setAttribute(QtCore.Qt.WidgetAttribute.WA_DeleteOnClose)
        later(dialog.accept)
        assert await qtloop.exec_dialog(dialog) == 1

    run(main())


def test_dialog_is_kept_alive_while_it_is_open(app: Any) -> None:
    async def main() -> None:
        known: list[weakref.ref[Any]] = []

        def make() -> Any:
            dialog = QtWidgets.QDialog()
            known.append(weakref.ref(dialog))
            return dialog

        def accept() -> None:
            gc.collect()
            dialog = known[0]()
            assert dialog is not None
            dialog.accept()

        later(accept)
        assert await qtloop.exec_dialog(make()) == 1
        gc.collect()
        assert known[0]() is None

    run(main())


def test_visible_dialog_is_refused_with_an_error_that_names_the_cure(app: Any) -> None:
    async def main() -> None:
        dialog = QtWidgets.QDialog()
        dialog.show()
        with pytest.raises(RuntimeError, match=r"qtloop\.once\(dialog\.finished\)"):
            await qtloop.exec_dialog(dialog)
        assert dialog.isVisible()
        dialog.close()

    run(main())


def test_widget_that_is_no_dialog_is_refused(app: Any) -> None:
    async def main() -> None:
        with pytest.raises(TypeError, match="takes a QDialog"):
            await qtloop.exec_dialog(QtWidgets.QWidget())

    run(main())


def test_quit_of_the_application_ends_the_wait(app: Any) -> None:
    async def main() -> int | None:
        dialog = QtWidgets.QDialog()
        later(app.quit)
        try:
            return await qtloop.exec_dialog(dialog)
        finally:
            assert not dialog.isVisible()

    assert run(main()) in (0, None)
