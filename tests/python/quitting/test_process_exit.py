"""Exit of the process with pending work or without an application: no hang, crash or output."""

from __future__ import annotations

import pytest
from conftest import Child, needs_binding

MAKE_APP = "app = QtWidgets.QApplication([])\n"
DELETE = """
def delete(thing):
    support().delete(thing)
"""
WORK = """
def leave_work(loop):
    async def waits():
        await asyncio.sleep(60)
    tasks.append(loop.create_task(waits()))
    loop.call_soon(print, "a callback ran")
    loop.call_later(60, print)
    loop.add_reader(pipe[0], print)
    loop.add_writer(pipe[1], loop.remove_writer, pipe[1])
    loop.run_in_executor(None, time.sleep, 0.01)
tasks = []
pipe = os.pipe()
"""


def lines(text: str) -> list[str]:
    """Returns the printed lines without Qt's warnings about the offscreen platform and about a
    pipe that a fork shares."""
    remarks = ("propagateSizeHints", "QThreadPipe: internal error")
    return [line for line in text.splitlines() if not any(remark in line for remark in remarks)]


# Interpreter exit with work pending


@needs_binding
@pytest.mark.parametrize(
    "program",
    [
        pytest.param(
            """
loop = QEventLoop(app)
leave_work(loop)
with loop:
    loop.run_until_complete(asyncio.sleep(0.01))
""",
            id="with-block",
        ),
        pytest.param(
            """
async def main():
    leave_work(asyncio.get_running_loop())
    await asyncio.sleep(0.01)
qtloop.run(main())
""",
            id="run",
        ),
        pytest.param(
            """
with qtloop.attach(app) as loop:
    leave_work(loop)
    loop.call_later(0.01, app.quit)
    app.exec()
""",
            id="attach",
        ),
        pytest.param(
            """
loop = QEventLoop(app, already_running=True)
leave_work(loop)
loop.call_later(0.01, app.quit)
app.exec()
""",
            id="guest-never-closed",
        ),
        pytest.param(
            """
loop = QEventLoop(app)
leave_work(loop)
loop.call_later(0.01, loop.stop)
loop.run_forever()
tasks[0].cancel()
loop.run_until_complete(asyncio.wait(tasks))
""",
            id="never-closed",
        ),
        pytest.param(
            """
window = QtWidgets.QWidget()
window.show()
def run():
    loop = QEventLoop()
    with loop:
        leave_work(loop)
        loop.run_until_complete(asyncio.sleep(0.01))
thread = threading.Thread(target=run)
thread.start()
thread.join()
""",
            id="thread",
        ),
    ],
)
def test_program_exits_cleanly_with_pending_work(program: str, child: Child) -> None:
    done = child(MAKE_APP + WORK + program + "print('end')")
    assert lines(done.stdout) == ["a callback ran", "end"]
    assert lines(done.stderr) == []


@needs_binding
def test_program_exits_cleanly_with_loops_that_never_ran(child: Child) -> None:
    program = """
loops = [QEventLoop(app), QEventLoop(app)]
for loop in loops:
    loop.call_soon(print, "never")
    loop.call_later(0, print, "never")
    loop.add_reader(pipe[0], print)
guest = QEventLoop(app, already_running=True)
guest.call_soon(print, "never")
"""
    done = child(MAKE_APP + WORK + program)
    assert lines(done.stdout) == lines(done.stderr) == []


@needs_binding
@pytest.mark.parametrize("order", ["del app, loop", "del loop, app", "app = loop = None"])
def test_program_may_drop_its_application_and_loop_in_any_order(order: str, child: Child) -> None:
    program = f"""
loop = QEventLoop(app)
leave_work(loop)
loop.run_until_complete(asyncio.sleep(0.01))
tasks[0].cancel()
loop.run_until_complete(asyncio.wait(tasks))
{order}
import gc
gc.collect()
"""
    done = child(MAKE_APP + WORK + program)
    assert lines(done.stdout) == ["a callback ran"]
    assert lines(done.stderr) == []


DAEMONS = """
ready = threading.Semaphore(0)
async def sleeps():
    ready.release()
    while True:
        await asyncio.sleep(0.001)
async def spins():
    ready.release()
    while True:
        await asyncio.sleep(0)
async def waits():
    ready.release()
    await asyncio.sleep(1000)
async def blocks():
    ready.release()
    while True:
        time.sleep(0.01)
def start(main):
    threading.Thread(target=lambda: qtloop.run(main()), daemon=True).start()
def start_all(*mains):
    for main in mains:
        start(main)
    for _ in mains:
        ready.acquire()
"""


def test_interpreter_exits_while_daemon_threads_run_loops(child: Child) -> None:
    program = """
app = QtCore.QCoreApplication([]) if binding else qtloop.run(asyncio.sleep(0))
start_all(sleeps, spins, waits, sleeps, spins)
print("end")
"""
    done = child(DAEMONS + program)
    assert lines(done.stdout) == ["end"]
    assert lines(done.stderr) == []


def test_interpreter_exits_while_callbacks_of_daemon_threads_block(
    child: Child,
) -> None:
    program = """
app = QtCore.QCoreApplication([]) if binding else qtloop.run(asyncio.sleep(0))
start_all(blocks, sleeps, blocks)
print("end")
"""
    done = child(DAEMONS + program)
    assert lines(done.stdout) == ["end"]
    assert lines(done.stderr) == []


def test_loop_can_run_while_the_interpreter_exits(child: Child) -> None:
    program = """
import atexit
@atexit.register
def last():
    print(qtloop.run(asyncio.sleep(0.001, "at exit")))
print(qtloop.run(asyncio.sleep(0.001, "before")))
"""
    done = child(program)
    assert lines(done.stdout) == ["before", "at exit"]
    assert lines(done.stderr) == []


# SystemExit


@needs_binding
@pytest.mark.parametrize("where", ["task", "callback", "thread's callback", "dialog"])
@pytest.mark.parametrize("way", ["run", "attach"])
def test_sys_exit_cleans_up_and_ends_the_program_with_its_code(
    way: str, where: str, child: Child
) -> None:
    program = f"""
where = {where!r}
async def cleans_up():
    try:
        await asyncio.sleep(60)
    finally:
        await asyncio.sleep(0.001)
        print("cleaned up")
async def exits():
    task = asyncio.create_task(cleans_up())
    loop = asyncio.get_running_loop()
    await asyncio.sleep(0)
    if where == "task":
        sys.exit(7)
    elif where == "callback":
        loop.call_soon(sys.exit, 7)
    elif where == "dialog":
        loop.call_later(0.001, sys.exit, 7)
        QtWidgets.QDialog().exec()
    else:
        threading.Thread(target=loop.call_soon_threadsafe, args=(sys.exit, 7)).start()
    await asyncio.sleep(60)
"""
    program += {
        "run": "qtloop.run(exits())",
        "attach": """
with qtloop.attach(app) as loop:
    task = loop.create_task(exits())
    task.add_done_callback(lambda task: task.cancelled() or task.exception())
    app.exec()
""",
    }[way]
    done = child(MAKE_APP + program, code=7)
    assert lines(done.stdout) == ["cleaned up"]
    assert lines(done.stderr) == []


@needs_binding
@pytest.mark.parametrize("way", ["run", "attach"])
def test_sys_exit_in_a_slot_ends_the_program_with_its_code(way: str, child: Child) -> None:
    """The process exits at once, without clean-up: the bindings leave SystemExit to Python."""
    program = """
async def main():
    QtCore.QTimer.singleShot(0, lambda: sys.exit(7))
    await asyncio.sleep(60)
"""
    program += {
        "run": "qtloop.run(main())",
        "attach": "with qtloop.attach(app) as loop: task = loop.create_task(main()); app.exec()",
    }[way]
    done = child(MAKE_APP + program, code=7)
    assert lines(done.stdout) == lines(done.stderr) == []


# Destroyed applications


@needs_binding
def test_run_with_a_deleted_application_raises_an_error_that_names_the_cure(child: Child) -> None:
    program = """
loop = QEventLoop(app)
delete(app)
main = asyncio.sleep(0.001, "runs")
for run in (loop.run_forever, lambda: loop.run_until_complete(main)):
    try:
        run()
    except RuntimeError as error:
        print(error)
app = QtWidgets.QApplication([])
print(loop.run_until_complete(main))
loop.close()
"""
    done = child(MAKE_APP + DELETE + program)
    *errors, last = lines(done.stdout)
    assert len(errors) == 2 and last == "runs"
    assert all(error.startswith("there is no QCoreApplication: make one") for error in errors)
    assert lines(done.stderr) == []


@needs_binding
def test_loop_can_be_closed_after_its_application_was_deleted(child: Child) -> None:
    program = """
loop = QEventLoop(app, already_running=True)
loop.call_later(0.001, print)
delete(app)
loop.call_soon(print, "kept")
loop.call_soon_threadsafe(print, "kept too")
loop.call_later(60, print)
loop.add_reader(pipe[0], print)
loop.stop()
loop.close()
app = QtWidgets.QApplication([])
print(qtloop.run(asyncio.sleep(0.001, "another runs")))
"""
    done = child(MAKE_APP + DELETE + WORK + program)
    assert lines(done.stdout) == ["another runs"]
    assert lines(done.stderr) == []


@needs_binding
def test_application_without_other_references_lives_as_long_as_the_loop(child: Child) -> None:
    program = """
loop = QEventLoop()
del app
print(loop.run_until_complete(asyncio.sleep(0.001, "runs")))
loop.close()
"""
    done = child(MAKE_APP + program)
    assert lines(done.stdout) == ["runs"]
    assert lines(done.stderr) == []


# Forks


def test_fork_in_a_loop_does_not_affect_the_parents_loop(child: Child) -> None:
    program = """
import warnings
warnings.simplefilter("ignore", DeprecationWarning)  # for a fork in a process with threads
async def main():
    loop = asyncio.get_running_loop()
    ours, theirs = os.pipe()
    loop.add_reader(ours, print, "never in the child")
    pid = os.fork()
    if pid == 0:
        loop.remove_reader(ours)
        sys.exit(3)
    print("child ended with", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    read = loop.create_future()
    loop.add_reader(ours, lambda: read.done() or read.set_result(os.read(ours, 1)))
    os.write(theirs, b"x")
    print(await read)
    loop.remove_reader(ours)
qtloop.run(main())
"""
    done = child(program)
    assert lines(done.stdout) == ["child ended with 3", "b'x'"]
    assert lines(done.stderr) == []


def test_unclosed_loop_warns_as_asyncios_does(child: Child) -> None:
    program = """
loop = QEventLoop()
loop.run_until_complete(asyncio.sleep(0))
del loop
import gc
gc.collect()
"""
    done = child(program, PYTHONWARNINGS="default")
    assert lines(done.stdout) == []
    # The order in which the collector frees the loop and its sockets is not defined.
    warning = "ResourceWarning: unclosed event loop <QEventLoop running=False closed=False"
    assert any(warning in line for line in lines(done.stderr))
