"""A loop that is attached to the program's own exec(): attach() and already_running."""

from __future__ import annotations

import asyncio
import sys
from contextlib import ExitStack
from typing import Any

import pytest
from conftest import Child, needs_binding
from support.running import cleans_up
from support.ways_to_run import Exec, no_loop_runs, soon

import qtloop
from qtloop import QEventLoop

pytest_plugins = ["support.ways_to_run"]


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
