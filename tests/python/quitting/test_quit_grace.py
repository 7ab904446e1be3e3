"""`quit_grace`: the time that coroutines have after a stop or a quit of the application."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from conftest import Child

import qtloop
from qtloop import QEventLoop
from qtloop._binding import binding

if binding is None:
    pytest.skip("windows need a Qt binding", allow_module_level=True)

QtCore: Any = binding.QtCore
QtWidgets: Any = binding.module("QtWidgets")

# A window whose closeEvent ends the loop and then awaits.
WINDOW = """
class Window(QtWidgets.QWidget):
    @qtloop.asyncClose
    async def closeEvent(self, event):
        end()
        try:
            await asyncio.sleep(WAIT)
            print("saved")
        except asyncio.CancelledError:
            print("cut off")
            raise
app = QtWidgets.QApplication([])
window = Window()
window.show()
QtCore.QTimer.singleShot(1, window.close)
"""
WAYS = {
    "the event that main waits for": """
        loop = QEventLoop(app)
        closed = asyncio.Event()
        def end(): closed.set()
        with loop:
            loop.run_until_complete(closed.wait())
    """,
    "stop under run_forever": """
        loop = QEventLoop(app)
        end = loop.stop
        with loop:
            loop.run_forever()
    """,
    "quit under run_forever": """
        loop = QEventLoop(app)
        end = app.quit
        with loop:
            loop.run_forever()
    """,
    "quit that main waits for": """
        loop = QEventLoop(app)
        closed = asyncio.Event()
        app.aboutToQuit.connect(closed.set)
        end = app.quit
        with loop:
            loop.run_until_complete(closed.wait())
    """,
    "main's own end under run": """
        async def main():
            global end
            closed = asyncio.Event()
            end = closed.set
            await closed.wait()
        def end(): pass
        qtloop.run(main())
    """,
    "quit under attach": """
        end = app.quit
        with qtloop.attach():
            app.exec()
    """,
    "stop under attach": """
        with qtloop.attach() as loop:
            end = loop.stop
            app.exec()
    """,
    "quit in a loop that nobody runs": """
        loop = QEventLoop(app)
        end = app.quit
        app.exec()
        loop.close()
    """,
}


def dedented(program: str) -> str:
    import textwrap

    return textwrap.dedent(program)


@pytest.mark.parametrize("way", WAYS)
def test_coroutine_of_a_close_event_finishes_after(way: str, child: Child) -> None:
    program = WINDOW.replace("WAIT", "0.1") + dedented(WAYS[way])
    assert child(program).stdout == "saved\n"


@pytest.mark.parametrize("way", ["stop under run_forever", "quit that main waits for"])
def test_coroutine_of_a_close_event_is_cut_off_after_quit_grace(way: str, child: Child) -> None:
    program = "QEventLoop.quit_grace = 0.1\n" + WINDOW.replace("WAIT", "60") + dedented(WAYS[way])
    assert child(program).stdout == "cut off\n"


# Slots of aboutToQuit

QUITS = """
class Document(QtCore.QObject):
    @qtloop.asyncSlot()
    async def save(self):
        await asyncio.sleep(WAIT)
        print("saved")
app = QtWidgets.QApplication([])
document = Document()
app.aboutToQuit.connect(document.save)
QtCore.QTimer.singleShot(1, app.quit)
async def main():
    await asyncio.sleep(60)
"""
RUNS = {
    "run": "qtloop.run(main())",
    "run_forever": """
        with QEventLoop(app) as loop:
            loop.run_forever()
    """,
    "run_until_complete": """
        with QEventLoop(app) as loop:
            try:
                loop.run_until_complete(main())
            except RuntimeError as error:
                assert "stopped before Future completed" in str(error)
    """,
    "attach": """
        with qtloop.attach():
            app.exec()
    """,
    "own exec in a with block": """
        with QEventLoop(app):
            app.exec()
    """,
}


@pytest.mark.parametrize("way", RUNS)
def test_task_of_a_slot_of_about_to_quit_finishes_under(way: str, child: Child) -> None:
    program = QUITS.replace("WAIT", "0.1") + dedented(RUNS[way])
    assert child(program).stdout == "saved\n"


@pytest.mark.parametrize("way", RUNS)
def test_task_of_a_slot_of_about_to_quit_is_cut_off_after_quit_grace_under(
    way: str, child: Child
) -> None:
    program = QUITS.replace("WAIT", "60") + dedented(RUNS[way])
    assert child("QEventLoop.quit_grace = 0.1\n" + program).stdout == ""


def test_task_started_before_the_quit_gets_no_grace(app: Any) -> None:
    log: list[str] = []

    async def sleeps() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            log.append("cancelled")
            raise

    loop = QEventLoop(app)
    before = loop.time()
    with loop:
        loop.create_task(sleeps())
        loop.call_later(0.001, app.quit)
        loop.run_forever()
    assert log == ["cancelled"] and QEventLoop.quit_grace > 4
    assert loop.time() - before < 4


def test_run_forever_runs_callbacks_that_the_quit_has_made_ready(
    loop: QEventLoop, app: Any
) -> None:
    log: list[str] = []

    async def waits(event: asyncio.Event) -> None:
        await event.wait()
        log.append("ready")
        await asyncio.sleep(0)
        log.append("and on")

    async def start() -> None:
        event = asyncio.Event()
        app.aboutToQuit.connect(event.set)
        tasks.append(asyncio.create_task(waits(event)))
        loop.call_later(0.001, app.quit)

    tasks: list[asyncio.Task[None]] = []
    loop.create_task(start())
    loop.run_forever()
    assert log == ["ready", "and on"]
    app.aboutToQuit.disconnect()


# The last window under qtloop.run()


@pytest.fixture
def quits(app: Any) -> Any:
    """The application, which quits when its last window closes, as is the default."""
    app.setQuitOnLastWindowClosed(True)
    yield app
    app.setQuitOnLastWindowClosed(False)


def opened(dialog: Any) -> asyncio.Future[int]:
    """Resolves when the dialog is closed."""
    future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    dialog.finished.connect(future.set_result)
    dialog.open()
    return future


@pytest.mark.parametrize("work", [0.0, 0.05])
def test_main_that_waits_for_a_dialog_continues_when_that_was_the_last_window(
    quits: Any, work: float
) -> None:
    """A login, a check of the password, then the main window."""
    log: list[str] = []

    async def main() -> str:
        for name in ("login", "again"):
            dialog = QtWidgets.QDialog()
            asyncio.get_running_loop().call_later(0.001, dialog.accept)
            await opened(dialog)
            log.append(name)
            await asyncio.sleep(work)
        window = QtWidgets.QWidget()
        window.show()
        asyncio.get_running_loop().call_later(0.001, window.close)
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            log.append("closed")
            raise
        return "never"

    assert qtloop.run(main()) is None
    assert log == ["login", "again", "closed"]


def test_main_that_continues_without_a_window_is_cancelled_after_quit_grace(
    quits: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(QEventLoop, "quit_grace", 0.05)
    log: list[str] = []

    async def main() -> None:
        dialog = QtWidgets.QDialog()
        asyncio.get_running_loop().call_later(0.001, dialog.accept)
        await opened(dialog)
        log.append("goes on")
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            log.append("cancelled")
            raise

    assert qtloop.run(main()) is None
    assert log == ["goes on", "cancelled"]


def test_main_with_traffic_ends_with_the_last_window(
    quits: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Main awaits one future after another. The close of the window completes none of them."""
    monkeypatch.setattr(QEventLoop, "quit_grace", 0.1)

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(10):
                writer.write(data)
        finally:  # also when the end of the run cancels it
            writer.close()

    async def main() -> None:
        async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            window = QtWidgets.QWidget()
            window.show()
            asyncio.get_running_loop().call_later(0.02, window.close)
            try:
                while True:
                    writer.write(b"ping")
                    await reader.readexactly(4)
            finally:
                writer.close()

    assert qtloop.run(main()) is None


def test_last_window_without_quit_on_close_does_not_end_main(app: Any) -> None:
    """quitOnLastWindowClosed is off, as in a program with an icon in the tray."""

    async def main() -> str:
        window = QtWidgets.QWidget()
        window.show()
        window.close()
        await asyncio.sleep(0.05)
        return "went on"

    assert qtloop.run(main()) == "went on"


SHOWS = {
    "exec()": "dialog.exec()",
    "asyncWrap": "await qtloop.asyncWrap(dialog.exec)",
    "exec_dialog": "await qtloop.exec_dialog(dialog)",
    "once": "dialog.open(); await qtloop.once(dialog.finished)",
    "a task": "await asyncio.create_task(qtloop.exec_dialog(dialog))",
    "its own close": "dialog.show(); await asyncio.sleep(0.01); dialog.close()",
}


@pytest.mark.parametrize(
    "run", ["qtloop.run(main())", "with QEventLoop() as l: l.run_until_complete(main())"]
)
@pytest.mark.parametrize("way", SHOWS)
def test_main_continues_after_dialogs_shown_by(way: str, run: str, child: Child) -> None:
    """aboutToQuit is emitted once, when the main window closes."""
    # Qt 5 quits for accept() of a dialog that was closed before.
    accept = "" if way == "its own close" else "QtCore.QTimer.singleShot(30, dialog.accept)"
    program = f"""
        app = QtWidgets.QApplication([])
        app.aboutToQuit.connect(lambda: print("quits"))
        async def main():
            for name in ("login", "again"):
                dialog = QtWidgets.QDialog()
                {accept}
                {SHOWS[way]}
                print(name)
                await asyncio.sleep(0.05)
            window = QtWidgets.QWidget()
            window.show()
            QtCore.QTimer.singleShot(30, window.close)
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                print("cancelled")
                raise
        try:
            {run}
        except RuntimeError as error:
            print(error)
    """
    printed = child(program).stdout.splitlines()
    assert printed[:3] == ["login", "again", "quits"]
    if "qtloop.run" in run:
        assert printed[3:] == ["cancelled"]
    else:
        assert printed[3:] == [
            "cancelled",
            "Event loop stopped before Future completed.",
        ] or printed[3:] == ["Event loop stopped before Future completed.", "cancelled"]


def test_main_that_completes_after_the_last_window_quits_the_application(quits: Any) -> None:
    log: list[str] = []
    quits.aboutToQuit.connect(lambda: log.append("quits"))

    async def main() -> str:
        dialog = QtWidgets.QDialog()
        asyncio.get_running_loop().call_later(0.001, dialog.accept)
        await opened(dialog)
        return "done"

    assert qtloop.run(main()) == "done"
    quits.aboutToQuit.disconnect()
    assert log == ["quits"]
