"""Qt serves a loop whenever it processes events on the loop's thread, also outside of a run."""

from __future__ import annotations

import asyncio
import gc
import socket
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from conftest import Child, needs_binding
from support.running import count_descriptors

import qtloop
from qtloop import QEventLoop
from qtloop._binding import binding

if binding is None:
    pytest.skip("a program without a binding cannot run Qt by itself", allow_module_level=True)

QtCore: Any = binding.QtCore
QtWidgets: Any = binding.module("QtWidgets")

Serve = Callable[[Callable[[], bool]], None]


def by_exec(until: Callable[[], bool]) -> None:
    """The program's own `app.exec()`."""
    app = QtCore.QCoreApplication.instance()
    timer = QtCore.QTimer()
    timer.timeout.connect(lambda: until() and app.exit(0))
    timer.start(1)
    app.exec()


def by_process_events(until: Callable[[], bool]) -> None:
    while not until():
        QtCore.QCoreApplication.processEvents(QtCore.QEventLoop.ProcessEventsFlag.WaitForMoreEvents)


def by_dialog(until: Callable[[], bool]) -> None:
    dialog = QtWidgets.QDialog()
    timer = QtCore.QTimer()
    timer.timeout.connect(lambda: until() and dialog.accept())
    timer.start(1)
    dialog.exec()


def by_event_loop(until: Callable[[], bool]) -> None:
    qt = QtCore.QEventLoop()
    timer = QtCore.QTimer()
    timer.timeout.connect(lambda: until() and qt.quit())
    timer.start(1)
    qt.exec()


each_way = pytest.mark.parametrize("serve", [by_exec, by_process_events, by_dialog, by_event_loop])


@pytest.fixture(autouse=True)
def limit(app: Any) -> Iterator[None]:
    """Fails a test that hangs in Qt: an exception in a timer would not end it."""
    timer = threading.Timer(20, lambda: app.exit(-1))
    timer.start()
    yield
    timer.cancel()


# Callbacks, timers, descriptors


@each_way
def test_task_that_sleeps_completes_in_a_loop_without_a_run(loop: QEventLoop, serve: Serve) -> None:
    async def work() -> str:
        await asyncio.sleep(0.001)
        return await asyncio.to_thread(str, "from a thread")

    task = loop.create_task(work())
    serve(task.done)
    assert task.result() == "from a thread"


@each_way
def test_connection_is_served_in_a_loop_without_a_run(loop: QEventLoop, serve: Serve) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readline())
        writer.close()

    async def talk() -> bytes:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        async with server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(b"words\n")
            answer = await reader.readline()
            writer.close()
            await writer.wait_closed()
        return answer

    task = loop.create_task(talk())
    serve(task.done)
    assert task.result() == b"words\n"


@each_way
def test_callback_of_another_thread_arrives_in_a_loop_without_a_run(
    loop: QEventLoop, serve: Serve
) -> None:
    arrived: list[int] = []
    thread = threading.Thread(
        target=lambda: loop.call_soon_threadsafe(lambda: arrived.append(threading.get_ident()))
    )
    loop.call_soon(thread.start)
    serve(lambda: bool(arrived))
    thread.join()
    assert arrived == [threading.get_ident()]


def test_reader_is_called_in_a_loop_without_a_run(loop: QEventLoop) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        read: list[bytes] = []
        loop.add_reader(ours, lambda: read.append(ours.recv(10)))
        theirs.send(b"ready")
        by_exec(lambda: bool(read))
        loop.remove_reader(ours)
    assert read == [b"ready"]


def test_loop_is_served_between_and_after_its_runs(loop: QEventLoop) -> None:
    seen: list[str] = []
    for word in ("first", "second"):
        loop.call_soon(seen.append, word)
        by_exec(lambda word=word: word in seen)  # type: ignore[misc]
        assert loop.run_until_complete(asyncio.sleep(0.001, word)) == word
    assert seen == ["first", "second"]


def test_closed_loop_runs_no_more_callbacks(app: Any) -> None:
    seen: list[str] = []
    loop = QEventLoop(app)
    loop.call_soon(seen.append, "never")
    loop.close()
    passes = iter([False] * 5 + [True])
    by_exec(lambda: next(passes))
    assert seen == []


# The running loop


@each_way
def test_loop_without_a_run_is_the_running_loop_in_its_callbacks_only(
    loop: QEventLoop, serve: Serve
) -> None:
    inside: list[object] = []
    between: list[object] = []

    async def work() -> None:
        await asyncio.sleep(0.001)
        inside.extend((asyncio.get_running_loop(), asyncio.current_task(), loop.is_running()))

    task = loop.create_task(work())
    QtCore.QTimer.singleShot(
        0, lambda: between.extend((asyncio._get_running_loop(), loop.is_running()))
    )
    serve(task.done)
    assert inside == [loop, task, True]
    assert between == [None, False]
    assert asyncio._get_running_loop() is None and not loop.is_running()


def test_another_loop_can_run_in_a_slot_beside_a_loop_without_a_run(loop: QEventLoop) -> None:
    """As at the prompt of a console inside a Qt program."""
    seen: list[object] = []
    ticks: list[None] = []

    async def tick() -> None:
        while True:
            await asyncio.sleep(0.001)
            ticks.append(None)

    def slot() -> None:
        loop_of_asyncio = asyncio.SelectorEventLoop()
        with closing(loop_of_asyncio):
            seen.append(loop_of_asyncio.run_until_complete(asyncio.sleep(0.001, "asyncio's")))
        seen.append(qtloop.run(asyncio.sleep(0.001, "another")))

    task = loop.create_task(tick())
    QtCore.QTimer.singleShot(5, slot)
    by_exec(lambda: len(seen) == 2)
    before = len(ticks)
    by_exec(lambda: len(ticks) > before + 5)
    assert seen == ["asyncio's", "another"] and not task.done()


@pytest.mark.parametrize("factory", [asyncio.SelectorEventLoop, QEventLoop])
def test_task_of_the_outer_loop_is_current_again_after_a_turn_inside_of_its_step(
    loop: QEventLoop, factory: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    """Another loop's task processes Qt's events, which runs callbacks of this loop."""
    inner: list[object] = []

    async def work() -> None:
        await asyncio.sleep(0)
        inner.extend((asyncio.get_running_loop(), asyncio.current_task()))

    async def main() -> list[object]:
        hooks = sys.get_asyncgen_hooks()
        by_process_events(task.done)
        assert sys.get_asyncgen_hooks() == hooks
        return [asyncio.get_running_loop(), asyncio.current_task()]

    task = loop.create_task(work())
    with closing(factory()) as outer:
        main_task = outer.create_task(main())
        assert outer.run_until_complete(main_task) == [outer, main_task]
    assert inner == [loop, task]


def test_three_loops_on_one_thread_are_independent(app: Any) -> None:
    loops = [QEventLoop(app) for _ in range(3)]
    turns: dict[QEventLoop, int] = dict.fromkeys(loops, 0)

    async def work(loop: QEventLoop) -> None:
        for _ in range(20):
            await asyncio.sleep(0.0005)
            assert asyncio.get_running_loop() is loop
            turns[loop] += 1

    tasks = [loop.create_task(work(loop)) for loop in loops]
    loops[1].run_until_complete(tasks[1])
    by_exec(lambda: all(task.done() for task in tasks))
    assert list(turns.values()) == [20, 20, 20]
    for task, loop in zip(tasks, loops, strict=True):
        task.result()
        loop.close()


def test_asynchronous_generator_is_finalised_by_the_loop_without_a_run(loop: QEventLoop) -> None:
    log: list[str] = []

    async def numbers() -> Any:
        try:
            yield 1
        finally:
            await asyncio.sleep(0)
            log.append("finalised")

    async def work() -> None:
        generator = numbers()
        await anext(generator)
        del generator
        gc.collect()

    loop.create_task(work())
    by_exec(lambda: bool(log))


def test_set_running_loop_makes_it_the_running_loop_until_its_close(app: Any) -> None:
    loop = QEventLoop(app, set_running_loop=True)
    assert asyncio.get_running_loop() is loop and loop.is_running()
    task = asyncio.create_task(asyncio.sleep(0.001, "done"))
    by_exec(task.done)
    assert loop.run_until_complete(asyncio.sleep(0.001, "runs")) == "runs"
    loop.close()
    assert asyncio._get_running_loop() is None


# stop()


def test_stop_ends_an_exec_of_the_program(loop: QEventLoop, app: Any) -> None:
    for _ in range(2):
        loop.call_later(0.001, loop.stop)
        assert app.exec() == 0


def test_stop_without_a_qt_loop_ends_the_next_run_after_one_turn(loop: QEventLoop) -> None:
    seen: list[str] = []

    def stops() -> None:
        seen.append("stopped")
        loop.stop()
        loop.call_soon(seen.append, "next")

    loop.call_soon(stops)
    by_process_events(lambda: bool(seen))
    loop.run_forever()
    assert seen[0] == "stopped"
    assert loop.run_until_complete(asyncio.sleep(0.001, "runs")) == "runs"


def test_stop_of_a_loop_without_a_run_does_not_end_the_run_of_another(
    loop: QEventLoop, app: Any
) -> None:
    with closing(QEventLoop(app)) as other:
        loop.call_soon(loop.stop)
        assert other.run_until_complete(asyncio.sleep(0.01, "not disturbed")) == "not disturbed"


# Threads and applications


def test_loop_runs_on_another_thread_than_its_maker_and_leaves_no_descriptor(app: Any) -> None:
    def once() -> None:
        loop = QEventLoop(app)
        result: list[object] = []

        def run() -> None:
            result.append(loop.run_until_complete(asyncio.sleep(0.001, threading.get_ident())))
            loop.close()

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        assert result == [thread.ident]

    once()
    before = count_descriptors()
    for _ in range(20):
        once()
    assert count_descriptors() <= before + 2


def test_loop_is_served_on_the_thread_that_ran_it_last(app: Any) -> None:
    loop = QEventLoop(app)
    seen: list[int | None] = []

    def run() -> None:
        loop.run_until_complete(asyncio.sleep(0))
        loop.call_soon(lambda: seen.append(threading.get_ident()))
        by_process_events(lambda: bool(seen))
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    by_exec(lambda: not thread.is_alive())
    assert seen == [thread.ident]


def test_loop_made_before_the_application_is_served_by_its_exec(child: Child) -> None:
    program = """
        loop = QEventLoop()
        assert QtCore.QCoreApplication.instance() is None
        async def main():
            await asyncio.sleep(0.001)
            print("served")
            app.exit(7)
        task = loop.create_task(main())
        app = QtWidgets.QApplication([])
        print(app.exec())
        print(loop.run_until_complete(asyncio.sleep(0.001, "runs")))
        loop.close()
    """
    assert child(program).stdout.split() == ["served", "7", "runs"]


def test_loop_is_served_by_one_application_after_another(child: Child) -> None:
    program = """
        loop = QEventLoop()
        for number in range(3):
            app = QtWidgets.QApplication([])
            loop.call_soon(print, number)
            loop.call_later(0.001, app.exit, number)
            assert app.exec() == number
            if binding.name == "PyQt6":
                from PyQt6 import sip
                sip.delete(app)
            else:
                import shiboken6
                shiboken6.delete(app)
            del app
    """
    assert child(program).stdout.split() == ["0", "1", "2"]


def test_loop_of_the_policy_is_served_by_the_programs_exec(child: Child) -> None:
    program = """
        import warnings
        warnings.simplefilter("ignore", DeprecationWarning)
        asyncio.set_event_loop_policy(qtloop.QEventLoopPolicy())
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        app = QtWidgets.QApplication([])
        async def main():
            await asyncio.sleep(0.001)
            app.exit(7)
        task = asyncio.get_event_loop().create_task(main())
        print(app.exec(), task.done())
        loop.close()
    """
    if sys.version_info >= (3, 16):
        pytest.skip("Python 3.16 has no policies")
    assert child(program).stdout == "7 True\n"


# Loops that are never closed


def test_loop_that_is_never_closed_does_not_disturb_the_next_one(
    app: Any, loop: QEventLoop
) -> None:
    def forget() -> asyncio.Future[None]:
        forgotten = QEventLoop(app)
        stopped = forgotten.create_future()

        def stops() -> None:
            forgotten.stop()
            stopped.set_result(None)

        forgotten.call_later(0.001, stops)
        return stopped

    async def main(stopped: asyncio.Future[None]) -> str:
        while not stopped.done():
            await asyncio.sleep(0.001)
        return "not disturbed"

    assert loop.run_until_complete(main(forget())) == "not disturbed"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
    assert loop.run_until_complete(asyncio.sleep(0.001, "still not")) == "still not"


def test_already_running_loop_lives_without_a_reference_until_its_close(app: Any) -> None:
    seen: list[QEventLoop] = []
    QEventLoop(app, already_running=True).call_later(
        0.001,
        lambda: seen.append(asyncio.get_running_loop()),  # type: ignore[arg-type]
    )
    gc.collect()
    by_exec(lambda: bool(seen))
    seen[0].close()


@needs_binding
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("module", ["PySide6", "PyQt6"])
def test_python_prompt_serves_a_loop_and_prints_errors(
    module: str, app: Any, tmp_path: Any
) -> None:
    """`python -i`: the bindings run Qt while the prompt waits for input."""
    import os
    import pty
    import select
    import time

    if module != binding.name:  # type: ignore[union-attr]
        pytest.skip("one binding for each run")
    child, terminal = pty.fork()
    if child == 0:
        os.environ["QT_API"] = module
        os.environ["PYTHON_BASIC_REPL"] = "1"
        os.execv(sys.executable, [sys.executable, "-i", "-q"])
    printed = b""

    def wait_for(text: bytes, lines: str = "") -> None:
        nonlocal printed
        os.write(terminal, lines.encode())
        deadline = time.monotonic() + 20
        while text not in printed:
            assert time.monotonic() < deadline, printed
            if select.select([terminal], [], [], 0.1)[0]:
                printed += os.read(terminal, 65536)
        printed = printed[printed.index(text) + len(text) :]

    try:
        wait_for(b">>> ")
        wait_for(
            b"is ready",
            f"import asyncio, time, qtloop; from {module} import QtCore, QtWidgets; "
            "app = QtWidgets.QApplication(['-', '-platform', 'offscreen']); "
            "loop = qtloop.QEventLoop(app, already_running=True); seen = []; "
            "later = loop.call_later(0.05, lambda: print('from the ' + 'loop')); "
            "print('prompt is' + ' ready')\n",
        )
        wait_for(b"from the loop")
        wait_for(b"with asyncio.run", "asyncio.run(asyncio.sleep(0.01, 'with asyncio' + '.run'))\n")
        wait_for(b"division by zero", "1/0\n")
        wait_for(b">>> ", "loop.close()\n")
    finally:
        os.write(terminal, b"\nimport os; os._exit(0)\n")
        os.waitpid(child, 0)
        os.close(terminal)


# Exit of the interpreter, and forks


def test_interpreter_exits_while_a_daemon_thread_runs_qt_with_a_busy_loop(
    child: Child,
) -> None:
    program = """
        app = QtWidgets.QApplication([])
        kept = []
        def run():
            loop = QEventLoop()
            async def tick():
                while True:
                    await asyncio.sleep(0.0005)
            kept.extend((loop, loop.create_task(tick())))
            QtCore.QEventLoop().exec()
        threading.Thread(target=run, daemon=True).start()
        QtCore.QTimer.singleShot(20, app.quit)
        app.exec()
        print("ends")
    """
    assert child(program).stdout == "ends\n"


def test_forked_child_does_not_serve_the_loops_of_its_parent(child: Child) -> None:
    program = """
        import warnings
        warnings.simplefilter("ignore", DeprecationWarning)
        app = QtWidgets.QApplication([])
        loop = QEventLoop(app)
        ticks = []
        async def tick():
            while True:
                await asyncio.sleep(0.001)
                ticks.append(os.getpid())
        task = loop.create_task(tick())
        def serve():
            QtCore.QTimer.singleShot(20, app.quit)
            app.exec()
        serve()
        pid = os.fork()
        if pid == 0:
            serve()
            assert os.getpid() not in ticks
            other = QEventLoop(app)
            print(other.run_until_complete(asyncio.sleep(0.001, "child")), flush=True)
            os._exit(0)
        os.waitpid(pid, 0)
        before = len(ticks)
        serve()
        print("parent", len(ticks) > before)
        task.cancel()
        loop.close()
    """
    assert child(program).stdout == "child\nparent True\n"


def test_loops_that_are_never_closed_leave_no_descriptor_and_no_hook(child: Child) -> None:
    program = """
        import gc, warnings
        warnings.simplefilter("ignore", ResourceWarning)
        app = QtWidgets.QApplication([])
        def count():
            return len(os.listdir("/proc/self/fd"))
        def forget():
            loop = QEventLoop(app)
            loop.call_later(60, print)
            loop.self = loop
        forget()
        gc.collect()
        before = count()
        for _ in range(20):
            forget()
        gc.collect()
        QtCore.QTimer.singleShot(5, app.quit)
        app.exec()
        print(count() <= before, sys.excepthook is sys.__excepthook__)
    """
    done = child(program)
    assert (done.stdout, done.stderr) == ("True True\n", "")
