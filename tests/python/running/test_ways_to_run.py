"""Ways to run a loop: run(), attach() and the program's exec(), threads, policies, no binding."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
import warnings
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from typing import Any

import pytest
from conftest import Child, needs_binding
from support.running import cleans_up
from test_binding import NO_BINDING, chosen, needs_system_qt

import qtloop
from qtloop import QEventLoop
from qtloop._binding import binding

QtCore: Any = binding.QtCore if binding else None

Main = Coroutine[Any, Any, Any]
Run = Callable[[Main], Any]
Exec = Callable[[], int]


def soon(function: Callable[[], object], msec: int = 0) -> None:
    """Makes Qt call the function."""
    QtCore.QTimer.singleShot(msec, function)


@pytest.fixture
def execute(app: Any) -> Exec:
    """The program's own exec(); it returns -1 if it is not exited in time."""
    if binding is None:
        pytest.skip("a program without a binding cannot call exec()")

    def execute() -> int:
        limit = QtCore.QTimer()
        limit.timeout.connect(lambda: app.exit(-1))
        limit.start(10_000)
        code: int = app.exec()
        limit.stop()
        return code

    return execute


def no_loop_runs() -> bool:
    return asyncio._get_running_loop() is None


# A coroutine is the program


def by_with_block(main: Main) -> Any:
    with QEventLoop() as loop:
        return loop.run_until_complete(main)


def by_runner(main: Main) -> Any:
    with asyncio.Runner(loop_factory=QEventLoop) as runner:
        return runner.run(main)


def by_asyncio_run(main: Main) -> Any:
    return asyncio.run(main, loop_factory=QEventLoop)


from_3_11 = pytest.mark.skipif(sys.version_info < (3, 11), reason="asyncio.Runner came with 3.11")
from_3_12 = pytest.mark.skipif(sys.version_info < (3, 12), reason="loop_factory came with 3.12")
each_run = pytest.mark.parametrize(
    "run",
    [
        qtloop.run,
        by_with_block,
        pytest.param(by_runner, marks=from_3_11),
        pytest.param(by_asyncio_run, marks=from_3_12),
    ],
)


@each_run
def test_main_returns_or_raises_and_its_loop_is_closed(app: Any, run: Run) -> None:
    loops: list[asyncio.AbstractEventLoop] = []

    async def main(result: int) -> float:
        loops.append(asyncio.get_running_loop())
        return 1 / await asyncio.sleep(0.001, result)

    assert [run(main(1)), run(main(2))] == [1, 0.5]
    with pytest.raises(ZeroDivisionError):
        run(main(0))
    assert len(set(loops)) == 3 and no_loop_runs()
    assert all(type(loop) is QEventLoop and loop.is_closed() for loop in loops)


@pytest.mark.parametrize("run", [qtloop.run, by_with_block, lambda _: qtloop.attach().__enter__()])
def test_second_loop_in_a_thread_is_refused_and_the_first_keeps_running(app: Any, run: Run) -> None:
    with qtloop.attach() as loop:
        refused = asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="running"):
            run(refused)
        refused.close()
        assert asyncio.get_running_loop() is loop
        assert loop.run_until_complete(asyncio.sleep(0.001, "goes on")) == "goes on"


@each_run
def test_loop_in_a_slot_of_a_plain_exec_ends_itself(app: Any, execute: Exec, run: Run) -> None:
    log: list[object] = []
    qt_goes_on = asyncio.Event()

    def slot() -> None:
        soon(qt_goes_on.set)
        log.extend((run(qt_goes_on.wait()), no_loop_runs()))
        soon(lambda: app.exit(7))

    soon(slot)
    assert (execute(), log) == (7, [True, True])


# The application first, then a loop


@needs_binding
def test_exec_that_the_program_overrides_is_called(child: Child) -> None:
    program = """
        class App(QtWidgets.QApplication):
            def exec(self):
                print("own exec")
                return super().exec() + 100
        app = App([])
        for loop in (QEventLoop(app), QEventLoop()):
            loop.call_soon(app.exit, 7)
            print(loop.run_forever())
            loop.close()
    """
    assert child(program).stdout.splitlines() == ["own exec", "107"] * 2


# attach(): the program calls exec()


def test_attached_loop_is_the_running_loop_in_tasks_slots_and_the_block(
    app: Any, execute: Exec
) -> None:
    seen: list[object] = []
    tasks: list[asyncio.Task[None]] = []

    async def work() -> None:
        process = await asyncio.create_subprocess_exec("sh", "-c", "exit 3")
        seen.extend((await process.wait(), await asyncio.to_thread(no_loop_runs)))
        seen.append(asyncio.get_running_loop())
        app.exit(7)

    with qtloop.attach() as loop:
        assert asyncio.get_running_loop() is loop and loop.is_running()
        soon(lambda: tasks.append(asyncio.create_task(work())))
        assert execute() == 7
        # The exec() has returned, so the loop can run by itself.
        assert loop.run_until_complete(asyncio.sleep(0.001, "done")) == "done"
    assert seen == [3, True, loop] and loop.is_closed() and no_loop_runs()


def test_stop_of_an_attached_loop_exits_one_exec_and_the_next_one_runs(execute: Exec) -> None:
    log: list[int] = []
    with qtloop.attach() as loop:
        for number in range(4):
            loop.call_soon(log.append, number)
            soon(loop.stop) if number % 2 else loop.call_later(0.001, loop.stop)
            assert execute() == 0
    assert log == [0, 1, 2, 3]


def test_attached_loop_that_has_run_before_exec_is_served_by_exec(app: Any, execute: Exec) -> None:
    with qtloop.attach() as loop:
        assert loop.run_until_complete(asyncio.sleep(0.001, "prepared")) == "prepared"
        loop.call_later(0.001, app.exit, 7)
        assert execute() == 7


@pytest.mark.parametrize("when", ["exec runs", "exec ends"])
def test_already_running_loop_can_be_closed_while(app: Any, execute: Exec, when: str) -> None:
    log: list[object] = []
    loop = QEventLoop(already_running=True)

    def close() -> None:
        loop.call_soon(log.append, "never")
        loop.close()
        log.append(no_loop_runs())

    with ExitStack() as undo:
        if when == "exec runs":
            soon(close)
        else:
            app.aboutToQuit.connect(close)
            undo.callback(app.aboutToQuit.disconnect, close)
        soon(app.quit, msec=5)
        assert (execute(), log) == (0, [True])


def test_loops_can_be_attached_and_closed_while_exec_runs(app: Any, execute: Exec) -> None:
    log: list[str] = []
    guest = ExitStack()

    def come() -> None:
        loop = guest.enter_context(qtloop.attach())
        tasks.append(loop.create_task(cleans_up(log, "task")))
        loop.call_later(0.005, soon, leave)

    def leave() -> None:
        guest.close()
        log.append("left" if no_loop_runs() else "still there")
        soon(come if len(tasks) < 2 else lambda: app.exit(7))

    tasks: list[asyncio.Task[None]] = []
    soon(come)
    assert (execute(), log) == (7, ["task", "left", "task", "left"])


@pytest.mark.parametrize("end", ["quit", "exit", "stop"])
def test_remaining_tasks_of_an_attached_loop_clean_up(app: Any, execute: Exec, end: str) -> None:
    for _ in range(2):
        log: list[str] = []
        with qtloop.attach() as loop:
            tasks = [loop.create_task(cleans_up(log, name)) for name in "ab"]
            loop.call_later(0.001, getattr(loop if end == "stop" else app, end))
            assert (execute(), log) == (0, [])
        assert sorted(log) == ["a", "b"] and all(task.cancelled() for task in tasks)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("then", ["goes on", "exits", "fails"])
def test_exit_in_an_attached_loop_is_raised_at_the_end_of_its_block(
    execute: Exec, kind: type[BaseException], then: str
) -> None:
    log: list[str] = []

    def leave() -> None:
        raise kind(7)

    with pytest.raises(kind, match="7"):
        with qtloop.attach() as loop:
            task = loop.create_task(cleans_up(log, "task"))
            loop.call_later(0.001, leave)
            log.append(f"after exec {execute()}")
            if then != "goes on":
                raise SystemExit(0) if then == "exits" else LookupError
    assert log == ["after exec 0", "task"]
    assert task.cancelled() and loop.is_closed() and no_loop_runs()


@pytest.mark.parametrize("debug", [True, False])
def test_attach_passes_debug_to_the_loop(app: Any, execute: Exec, debug: bool) -> None:
    depth, depths = sys.get_coroutine_origin_tracking_depth, list[int]()
    with qtloop.attach(debug=debug) as loop:
        loop.call_later(0.001, lambda: depths.append(depth()))
        loop.call_later(0.002, app.quit)
        assert execute() == 0 and loop.get_debug() is debug
    assert (depths[0] > 0) is debug and depth() == 0


# Threads


@contextlib.contextmanager
def in_qthread(function: Callable[[Any], Any]) -> Iterator[tuple[Any, Future[Any]]]:
    """Calls the function in a QThread's `run()`, with the QThread as its argument."""
    ended: Future[Any] = Future()

    def run(self: Any) -> None:
        try:
            ended.set_result(function(self))
        except BaseException as error:
            ended.set_exception(error)

    thread = type("Thread", (QtCore.QThread,), {"run": run})()
    thread.start()
    try:
        yield thread, ended
    finally:
        thread.quit()
        assert thread.wait(10_000)


async def talk(together: threading.Barrier) -> bytes:
    """Runs a server and a client in this loop, while all the other loops run."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line)
        writer.close()

    await asyncio.to_thread(together.wait, 20)
    async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"words\n")
        answer = await reader.readline()
        writer.close()
        await writer.wait_closed()
    await asyncio.to_thread(together.wait, 20)
    return answer


@each_run
def test_threads_run_loops_at_the_same_time_as_the_main_thread(app: Any, run: Run) -> None:
    async def main() -> list[bytes]:
        together = threading.Barrier(5)
        threads = [asyncio.to_thread(run, talk(together)) for _ in range(4)]
        return list(await asyncio.gather(*threads, talk(together)))

    assert run(main()) == [b"words\n"] * 5


@needs_binding
@pytest.mark.parametrize("end", ["quit", "exit", "stop"])
@pytest.mark.parametrize("way", [QEventLoop, qtloop.attach])
def test_end_of_a_loop_in_a_qthread_does_not_end_the_program(app: Any, way: Any, end: str) -> None:
    log: list[str] = []
    tasks: list[asyncio.Task[None]] = []

    def runs(thread: Any) -> tuple[int, str]:
        with way(thread) as loop:
            tasks.append(loop.create_task(cleans_up(log, "task")))
            ends = {"quit": thread.quit, "exit": lambda: thread.exit(7), "stop": loop.stop}
            loop.call_later(0.001, ends[end])
            code = loop.run_forever() if way is QEventLoop else thread.exec()
            return code, loop.run_until_complete(asyncio.sleep(0.001, "runs again"))

    async def main() -> object:
        with in_qthread(runs) as (_, ended):
            return await asyncio.wait_for(asyncio.wrap_future(ended), 10)

    assert qtloop.run(main()) == (7 if end == "exit" else 0, "runs again")
    assert log == ["task"] and tasks[0].cancelled()


@needs_binding
def test_end_of_a_qthread_cancels_the_main_that_run_runs_in_it(app: Any) -> None:
    log: list[str] = []
    running = threading.Event()

    async def main() -> None:
        asyncio.get_running_loop().call_later(0.001, running.set)
        await cleans_up(log, "main")

    with in_qthread(lambda _: qtloop.run(main())) as (thread, ended):
        assert running.wait(10)
        thread.quit()
        assert ended.result(10) is None and log == ["main"]


def test_run_in_a_thread_without_an_application_raises_an_error_that_names_the_cure(
    child: Child,
) -> None:
    program = """
        from concurrent.futures import ThreadPoolExecutor
        with ThreadPoolExecutor() as pool:
            print(pool.submit(QEventLoop().run_forever).exception())
            qtloop.run(asyncio.sleep(0))
            print(pool.submit(qtloop.run, asyncio.sleep(0.001, "runs")).result())
    """
    assert child(program).stdout == (
        "there is no QCoreApplication: make one in the main thread "
        "before a QEventLoop runs in another thread\nruns\n"
    )


# Policies

before_3_16 = pytest.mark.skipif(sys.version_info >= (3, 16), reason="Python 3.16 has no policies")


@before_3_16
def test_policy_makes_asyncio_use_this_loop(app: Any) -> None:
    async def main() -> type:
        return type(asyncio.get_running_loop())

    with warnings.catch_warnings(), ExitStack() as undo:
        warnings.simplefilter("ignore", DeprecationWarning)
        undo.callback(asyncio.set_event_loop_policy, asyncio.get_event_loop_policy())
        asyncio.set_event_loop_policy(qtloop.QEventLoopPolicy())
        if sys.version_info < (3, 14):  # get_event_loop() makes a loop on the main thread
            with closing(asyncio.get_event_loop()) as loop:
                assert type(loop) is QEventLoop and asyncio.get_event_loop() is loop
        with closing(asyncio.new_event_loop()) as loop:
            asyncio.set_event_loop(loop)
            assert type(loop) is QEventLoop and asyncio.get_event_loop() is loop
        assert asyncio.run(main()) is QEventLoop
        with ThreadPoolExecutor() as pool:
            assert pool.submit(asyncio.run, main()).result() is QEventLoop


@before_3_16
def test_setting_a_policy_warns_on_python_versions_that_deprecate_policies(child: Child) -> None:
    program = """
        asyncio.set_event_loop_policy(qtloop.QEventLoopPolicy())
        asyncio.run(asyncio.sleep(0.001))
    """
    done = child(program, PYTHONWARNINGS="default")
    assert ("DeprecationWarning" in done.stderr) == (sys.version_info >= (3, 14))


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="child watchers are deprecated since 3.12")
@pytest.mark.parametrize("kind", ["Threaded", "Safe", "Fast", "Pidfd", "MultiLoop"])
def test_processes_run_under_the_policy_and_any_child_watcher(child: Child, kind: str) -> None:
    program = f"""
        policy = qtloop.QEventLoopPolicy()
        policy.set_child_watcher(asyncio.{kind}ChildWatcher())
        asyncio.set_event_loop_policy(policy)
        async def run():
            process = await asyncio.create_subprocess_exec("sh", "-c", "exit 3")
            return await process.wait()
        async def main():
            policy.get_child_watcher().attach_loop(asyncio.get_running_loop())
            return await asyncio.gather(*(run() for _ in range(5)))
        print(asyncio.run(main()))
    """
    assert child(program).stdout == f"{[3] * 5}\n"


# No binding


@needs_system_qt
def test_ways_in_work_without_a_binding() -> None:
    code = """
import asyncio
from concurrent.futures import ThreadPoolExecutor
from qtloop import QEventLoop, attach, run
async def main():
    return await asyncio.sleep(0.001, type(asyncio.get_running_loop()) is QEventLoop)
with QEventLoop() as loop:
    loop.call_later(0.001, loop.stop)
    assert loop.run_forever() == 0 and loop.run_until_complete(main())
with attach() as loop:
    assert loop.run_until_complete(main())
with ThreadPoolExecutor() as pool:
    assert pool.submit(run, main()).result()
"""
    assert chosen(NO_BINDING + code)[0] == "None"


def test_run_of_an_uncalled_coroutine_function_asks_whether_it_should_be_called() -> None:
    async def main() -> None: ...

    with pytest.raises(
        ValueError, match=r"a coroutine was expected, got .*did you mean main\(\)\?"
    ):
        qtloop.run(main)  # type: ignore[arg-type]
