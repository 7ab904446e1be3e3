"""The end of a run by stop(), by a quit of the application, or by main."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from support.running import cleans_up

import qtloop
from qtloop._binding import binding

if binding is None:
    pytest.skip("applications that quit need a Qt binding", allow_module_level=True)

QtCore: Any = binding.QtCore

pytest_plugins = ["support.quitting"]

STOPPED = r"Event loop stopped before Future completed\."
Quit = Callable[[], object]

from_3_11 = pytest.mark.skipif(sys.version_info < (3, 11), reason="asyncio has this from 3.11 on")


@pytest.fixture(params=["last window", "quit", "exit"])
def quit(request: pytest.FixtureRequest, app: Any, window: Any) -> Quit:
    """Each way of quitting the application."""
    ways: dict[str, Quit] = {
        "last window": window.close,
        "quit": app.quit,
        "exit": lambda: app.exit(0),
    }
    return ways[request.param]


@pytest.fixture
def hears_quit(app: Any) -> Iterator[asyncio.Event]:
    """An event that `aboutToQuit` sets."""
    event = asyncio.Event()
    app.aboutToQuit.connect(event.set)
    yield event
    app.aboutToQuit.disconnect(event.set)


# The loop ends, or the application does


def test_quit_ends_run_forever_and_emits_about_to_quit_once(
    loop: qtloop.QEventLoop, quit: Quit, quits: list[str]
) -> None:
    loop.call_later(0.001, quit)
    assert loop.run_forever() == 0
    assert quits == ["about to quit"]


def test_exit_code_is_what_run_forever_returns(loop: qtloop.QEventLoop, app: Any) -> None:
    loop.call_soon(app.exit, 3)
    assert loop.run_forever() == 3
    loop.call_soon(app.exit, 4)
    assert loop.run_forever() == 4


def test_stop_ends_the_run_without_quitting_the_application(
    loop: qtloop.QEventLoop, window: Any, quits: list[str]
) -> None:
    for _ in range(3):
        loop.call_later(0.001, loop.stop)
        assert loop.run_forever() == 0
    assert quits == [] and window.isVisible()


def test_run_until_complete_returns_without_quitting_the_application(
    loop: qtloop.QEventLoop, window: Any, quits: list[str]
) -> None:
    for number in range(3):
        assert loop.run_until_complete(asyncio.sleep(0.001, number)) == number
    assert quits == [] and window.isVisible()


def test_exception_in_main_ends_the_run_without_quitting_the_application(
    loop: qtloop.QEventLoop, window: Any, quits: list[str]
) -> None:
    async def main() -> None:
        await asyncio.sleep(0.001)
        raise LookupError("in main")

    with pytest.raises(LookupError, match="in main"):
        loop.run_until_complete(main())
    assert quits == [] and window.isVisible()


def test_signals_of_the_application_work_after_a_stop(
    loop: qtloop.QEventLoop, app: Any, quits: list[str]
) -> None:
    """From stop() to the end of exec() they are blocked, so that aboutToQuit is not emitted."""
    names: list[str] = []

    def note() -> None:
        names.append(app.objectName())

    app.objectNameChanged.connect(note)
    try:
        loop.call_soon(loop.stop)
        loop.run_forever()
        app.setObjectName("renamed")
    finally:
        app.objectNameChanged.disconnect(note)
    assert names == ["renamed"] and not app.signalsBlocked()


@pytest.mark.parametrize("blocked", [False, True])
def test_stops_restore_whether_the_application_blocks_its_signals(
    loop: qtloop.QEventLoop, app: Any, blocked: bool
) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    def stop_twice() -> None:
        loop.stop()
        loop.stop()

    app.blockSignals(blocked)
    try:
        for end in [loop.stop, stop_twice, interrupt]:
            loop.call_soon(end)
            with suppress(KeyboardInterrupt):
                loop.run_forever()
            assert app.signalsBlocked() is blocked
    finally:
        app.blockSignals(False)


def test_quit_and_stop_together_end_the_run_once(
    loop: qtloop.QEventLoop, app: Any, quits: list[str]
) -> None:
    loop.call_soon(app.quit)
    loop.call_soon(loop.stop)
    assert loop.run_forever() == 0
    assert len(quits) <= 1
    assert loop.run_until_complete(asyncio.sleep(0.002, "runs again")) == "runs again"


def test_quit_before_the_run_is_ignored(loop: qtloop.QEventLoop, app: Any) -> None:
    """Qt's exec() also ignores a quit before it."""
    app.exit(5)
    assert loop.run_until_complete(asyncio.sleep(0.002, "runs")) == "runs"


def test_run_until_complete_ended_by_a_quit_raises_and_the_loop_can_run_again(
    loop: qtloop.QEventLoop, quit: Quit, quits: list[str]
) -> None:
    async def main() -> str:
        await asyncio.sleep(0.5)
        return "done"

    task = loop.create_task(main())
    loop.call_later(0.001, quit)
    with pytest.raises(RuntimeError, match=STOPPED):
        loop.run_until_complete(task)
    assert not task.done()
    assert loop.run_until_complete(task) == "done"
    assert quits == ["about to quit"]


def test_quit_in_a_loop_that_runs_in_a_slot_ends_the_program_after_it(
    loop: qtloop.QEventLoop, app: Any, quits: list[str]
) -> None:
    log: list[object] = []

    def slot() -> None:
        loop.call_soon(app.quit)
        log.append(loop.run_forever())

    QtCore.QTimer.singleShot(0, slot)
    assert app.exec() == 0
    assert log == [0] and quits == ["about to quit"]


def test_objects_passed_to_delete_later_are_deleted(loop: qtloop.QEventLoop) -> None:
    deleted: list[str] = []

    def delete_later(name: str) -> None:
        thing = QtCore.QObject()
        thing.destroyed.connect(lambda: deleted.append(name))
        things.append(thing)
        thing.deleteLater()

    async def main() -> None:
        delete_later("while it ran")
        await asyncio.sleep(0.002)
        assert "while it ran" in deleted
        delete_later("at its end")

    things: list[Any] = []
    delete_later("before it ran")
    loop.run_until_complete(main())
    assert sorted(deleted) == ["at its end", "before it ran", "while it ran"]


# A main that reacts to the quit


async def waits(event: asyncio.Event) -> str:
    await event.wait()
    return "finished"


async def waits_with_a_limit(event: asyncio.Event) -> str:
    await asyncio.wait_for(event.wait(), 60)
    return "finished"


async def waits_and_cleans_up(event: asyncio.Event) -> str:
    await event.wait()
    await asyncio.sleep(0.02)
    await asyncio.to_thread(time.sleep, 0.02)
    return "finished"


async def waits_in_a_task(event: asyncio.Event) -> str:
    return await asyncio.create_task(waits_and_cleans_up(event))


async def waits_in_a_gather(event: asyncio.Event) -> str:
    done, _ = await asyncio.gather(waits_and_cleans_up(event), waits(event))
    return done


async def waits_for_the_first(event: asyncio.Event) -> str:
    tasks = [asyncio.create_task(event.wait()), asyncio.create_task(asyncio.sleep(60))]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    tasks[1].cancel()
    return await waits_and_cleans_up(event)


@pytest.mark.parametrize(
    "main",
    [
        waits,
        waits_with_a_limit,
        waits_and_cleans_up,
        waits_in_a_task,
        waits_in_a_gather,
        waits_for_the_first,
    ],
)
def test_main_that_reacts_to_the_quit_completes(
    main: Callable[[asyncio.Event], Awaitable[str]],
    loop: qtloop.QEventLoop,
    quit: Quit,
    hears_quit: asyncio.Event,
    quits: list[str],
) -> None:
    waiters: Any = hears_quit

    def quit_when_awaited() -> None:
        if waiters._waiters:
            quit()
        else:
            loop.call_later(0.001, quit_when_awaited)

    quit_when_awaited()
    assert loop.run_until_complete(main(hears_quit)) == "finished"
    assert quits == ["about to quit"]


async def sleeps_and_sleeps() -> None:
    while True:
        await asyncio.sleep(0.05)


async def spins() -> None:
    while True:
        await asyncio.sleep(0)


async def sleeps_for_ever() -> None:
    await asyncio.get_running_loop().create_future()


async def waits_for_sleeping_tasks() -> None:
    while True:
        await asyncio.gather(asyncio.sleep(0.05), asyncio.sleep(0.06))


@pytest.mark.parametrize("caller", ["the loop", "Qt"])
@pytest.mark.parametrize(
    "main", [sleeps_and_sleeps, spins, sleeps_for_ever, waits_for_sleeping_tasks]
)
def test_main_that_does_not_react_to_the_quit_ends_at_once(
    main: Callable[[], Awaitable[None]], caller: str, loop: qtloop.QEventLoop, app: Any
) -> None:
    began: list[float] = []

    def quit() -> None:
        began.append(time.monotonic())
        app.quit()

    if caller == "Qt":
        QtCore.QTimer.singleShot(10, quit)
    else:
        loop.call_later(0.01, quit)
    with pytest.raises(RuntimeError, match=STOPPED):
        loop.run_until_complete(main())
    assert time.monotonic() - began[0] < 1


def test_main_whose_sleep_ends_with_the_quit_does_not_react(
    loop: qtloop.QEventLoop, app: Any
) -> None:
    began: list[float] = []

    def quit() -> None:
        time.sleep(
            0.02
        )  # the timers of main are due when this ends, and come with what is queued here
        loop.call_soon(app.quit)
        began.append(time.monotonic())

    async def main() -> None:
        loop.call_soon(quit)
        while True:
            await asyncio.sleep(0.01)

    with pytest.raises(RuntimeError, match=STOPPED):
        loop.run_until_complete(main())
    assert time.monotonic() - began[0] < 2


def test_main_that_reacts_for_longer_than_the_grace_is_cut_off(
    loop: qtloop.QEventLoop, app: Any, hears_quit: asyncio.Event
) -> None:
    async def main() -> None:
        await hears_quit.wait()
        await asyncio.sleep(60)

    loop.quit_grace = 0.05
    loop.call_later(0.001, app.quit)
    began = time.monotonic()
    with pytest.raises(RuntimeError, match=STOPPED):
        loop.run_until_complete(main())
    assert 0.05 <= time.monotonic() - began < 2


def test_second_quit_ends_the_grace(
    loop: qtloop.QEventLoop, app: Any, hears_quit: asyncio.Event
) -> None:
    async def main() -> None:
        await hears_quit.wait()
        loop.call_later(0.01, app.quit)
        await asyncio.sleep(60)

    loop.quit_grace = 30
    loop.call_soon(app.quit)
    began = time.monotonic()
    with pytest.raises(RuntimeError, match=STOPPED):
        loop.run_until_complete(main())
    assert time.monotonic() - began < 5


# asyncio.Runner, and `with loop:`, clean up on the living loop


async def main_with_a_task(log: list[str]) -> None:
    task = asyncio.create_task(cleans_up(log, "task"))
    await cleans_up(log, "main")
    await task


@from_3_11
def test_runner_cleans_up_with_awaits_after_a_quit(app: Any, quit: Quit, quits: list[str]) -> None:
    log: list[str] = []
    with pytest.raises(RuntimeError, match=STOPPED):
        with asyncio.Runner(loop_factory=qtloop.QEventLoop) as runner:
            runner.get_loop().call_later(0.005, quit)
            runner.run(main_with_a_task(log))
    assert sorted(log) == ["main", "task"]
    assert quits == ["about to quit"]


@from_3_11
def test_runner_runs_a_second_main_after_a_quit(app: Any) -> None:
    with asyncio.Runner(loop_factory=qtloop.QEventLoop) as runner:
        runner.get_loop().call_soon(app.quit)
        with pytest.raises(RuntimeError, match=STOPPED):
            runner.run(asyncio.sleep(60))
        assert runner.run(asyncio.sleep(0.001, "second")) == "second"


def test_with_block_cleans_up_with_awaits_after_a_quit(app: Any, quit: Quit) -> None:
    log: list[str] = []
    with pytest.raises(RuntimeError, match=STOPPED):
        with qtloop.QEventLoop(app) as loop:
            loop.call_later(0.005, quit)
            loop.run_until_complete(main_with_a_task(log))
    assert sorted(log) == ["main", "task"]
    assert loop.is_closed()


@pytest.mark.parametrize("how", ["quit", "stop"])
def test_loop_in_a_slot_cleans_up_with_awaits_while_the_program_quits(
    how: str, app: Any, quits: list[str]
) -> None:
    log: list[str] = []

    def slot() -> None:
        with pytest.raises(RuntimeError, match=STOPPED):
            with qtloop.QEventLoop() as loop:
                loop.call_later(0.005, app.quit if how == "quit" else loop.stop)
                loop.run_until_complete(main_with_a_task(log))
        log.append("slot")
        if how == "stop":
            assert quits == []
            app.exit(0)

    QtCore.QTimer.singleShot(0, slot)
    app.exec()
    assert sorted(log) == ["main", "slot", "task"] and log[-1] == "slot"
    assert quits == ["about to quit"]
