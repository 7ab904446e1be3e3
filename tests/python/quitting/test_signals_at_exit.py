"""Signals that end a program: by its handlers, by their default, and under an open dialog."""

from __future__ import annotations

import signal

import pytest
from conftest import Child, needs_binding

KILL = """
def kill(number, after=0.05):
    def later():
        time.sleep(after)
        os.kill(os.getpid(), number)
    threading.Thread(target=later).start()
if binding:
    app = QtWidgets.QApplication([])
"""


@pytest.mark.parametrize(
    "handler", ["loop.stop", pytest.param("app.quit", marks=needs_binding), "task.cancel"]
)
def test_sigterm_while_idle_ends_the_program_by_its_handler(handler: str, child: Child) -> None:
    program = f"""
loop = QEventLoop()
async def main():
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        print("cancelled")
    finally:
        await asyncio.sleep(0.001)
        print("cleaned up")
with loop:
    task = loop.create_task(main())
    task.add_done_callback(lambda _: loop.stop())
    loop.add_signal_handler(signal.SIGTERM, {handler})
    kill(signal.SIGTERM)
    print(loop.run_forever())
print("end")
"""
    done = child(KILL + program)
    expected = ["0", "cancelled", "cleaned up", "end"]
    if handler == "task.cancel":
        expected = ["cancelled", "cleaned up", "0", "end"]
    assert done.stdout.splitlines() == expected
    assert done.stderr == ""


def test_sigterm_by_default_ends_the_process(child: Child) -> None:
    program = """
kill(signal.SIGTERM)
qtloop.run(asyncio.sleep(60))
"""
    done = child(KILL + program, code=-signal.SIGTERM)
    assert done.stdout == done.stderr == ""


def test_ctrl_c_in_run_ends_the_program_as_python_does(child: Child) -> None:
    program = """
async def main():
    try:
        await asyncio.sleep(60)
    finally:
        await asyncio.sleep(0.001)
        print("cleaned up")
kill(signal.SIGINT)
qtloop.run(main())
"""
    done = child(KILL + program, code=-signal.SIGINT)
    assert done.stdout.splitlines() == ["cleaned up"]
    assert done.stderr.rstrip().endswith("KeyboardInterrupt")


@needs_binding
def test_ctrl_c_during_a_dialog_cancels_main_after_the_dialog_closes(child: Child) -> None:
    """As with asyncio.Runner: the first Ctrl-C cancels, the second raises KeyboardInterrupt."""
    program = """
async def main():
    dialog = QtWidgets.QDialog()
    asyncio.get_running_loop().call_later(0.2, dialog.accept)
    print(dialog.exec())
    try:
        await asyncio.sleep(60)
    finally:
        print("cancelled")
kill(signal.SIGINT)
try:
    qtloop.run(main())
except KeyboardInterrupt:
    print("interrupted")
"""
    done = child(KILL + program)
    expected = ["1", "cancelled", "interrupted"]
    assert done.stdout.splitlines() == expected
    assert done.stderr == ""


@needs_binding
def test_second_ctrl_c_closes_the_dialog(child: Child) -> None:
    program = """
async def main():
    try:
        print(QtWidgets.QDialog().exec())
        await asyncio.sleep(60)
    finally:
        print("cancelled")
kill(signal.SIGINT)
kill(signal.SIGINT, 0.15)
try:
    qtloop.run(main())
except KeyboardInterrupt:
    print("interrupted")
"""
    done = child(KILL + program)
    assert done.stdout.splitlines() == ["0", "cancelled", "interrupted"]
    assert done.stderr == ""


@needs_binding
def test_signals_during_a_dialog_are_handled_promptly(child: Child) -> None:
    program = """
loop = QEventLoop(app)
moments = {}
def note(name):
    moments[name] = time.monotonic()
def plain(number, frame):
    note("python's")
def send(number):
    note("sent")
    os.kill(os.getpid(), number)
async def main():
    loop.add_signal_handler(signal.SIGUSR1, note, "asyncio's")
    signal.signal(signal.SIGUSR2, plain)
    for number, name in [(signal.SIGUSR1, "asyncio's"), (signal.SIGUSR2, "python's")]:
        dialog = QtWidgets.QDialog()
        timer = threading.Timer(0.1, send, (number,))
        timer.start()
        loop.call_later(0.3, dialog.accept)
        dialog.exec()
        timer.join()
        print(moments[name] - moments["sent"])
    threading.Timer(0.1, send, (signal.SIGINT,)).start()
    QtWidgets.QDialog().exec()
    note("closed")
    await asyncio.sleep(60)
try:
    loop.run_until_complete(main())
except KeyboardInterrupt:
    note("interrupted")
print(moments["closed"] - moments["sent"])
print(moments["interrupted"] - moments["sent"])
"""
    done = child(KILL + program)
    latest = [float(line) for line in done.stdout.splitlines()]
    assert len(latest) == 4 and max(latest) < 0.5, latest
