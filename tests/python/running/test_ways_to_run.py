"""The ways to run a coroutine as the program: run(), Runner, a with block, and without a binding."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from support.ways_to_run import Exec, Run, by_with_block, each_run, no_loop_runs, soon

import qtloop
from qtloop import QEventLoop

pytest_plugins = ["support.ways_to_run"]


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


def test_run_of_an_uncalled_coroutine_function_asks_whether_it_should_be_called() -> None:
    async def main() -> None: ...

    with pytest.raises(
        ValueError, match=r"a coroutine was expected, got .*did you mean main\(\)\?"
    ):
        qtloop.run(main)  # type: ignore[arg-type]
