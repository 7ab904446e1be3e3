"""Ctrl-C ends a run with KeyboardInterrupt, while Qt is idle and while tasks spin."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from conftest import needs_binding
from support.killing import LATE

import qtloop

pytest_plugins = ["support.killing"]

from_3_11 = pytest.mark.skipif(sys.version_info < (3, 11), reason="asyncio.Runner is new in 3.11")


def ways(loop: qtloop.QEventLoop, app: Any) -> dict[str, Callable[[], object]]:
    """Every way to run the idle loop."""

    def attached() -> None:
        with qtloop.attach(app):
            app.exec()

    def runner() -> None:
        with asyncio.Runner(loop_factory=qtloop.QEventLoop) as runner:
            runner.run(asyncio.sleep(60))

    return {
        "run_forever": loop.run_forever,
        "run_until_complete": lambda: loop.run_until_complete(asyncio.sleep(60)),
        "run": lambda: qtloop.run(asyncio.sleep(60)),
        "Runner": runner,
        "attach": attached,
    }


@pytest.mark.parametrize(
    "way",
    [
        "run_forever",
        "run_until_complete",
        "run",
        pytest.param("Runner", marks=from_3_11),
        pytest.param("attach", marks=needs_binding),
    ],
)
def test_ctrl_c_while_idle_raises_at_once_under(
    way: str,
    loop: qtloop.QEventLoop,
    app: Any,
    kill: Callable[[int], list[float]],
    record_property: Callable[[str, object], None],
) -> None:
    sent = kill(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        ways(loop, app)[way]()
    late = time.monotonic() - sent[0]
    record_property("milliseconds", late * 1000)
    assert late < LATE


def test_ctrl_c_while_tasks_spin_raises_at_once(
    loop: qtloop.QEventLoop, kill: Callable[[int], list[float]]
) -> None:
    async def spin() -> None:
        while True:
            await asyncio.sleep(0)

    sent = kill(signal.SIGINT)
    task = loop.create_task(spin())
    with pytest.raises(KeyboardInterrupt):
        loop.run_forever()
    assert time.monotonic() - sent[0] < LATE
    task.cancel()
    loop.run_until_complete(asyncio.wait([task]))


def test_interrupt_while_a_run_begins_does_not_end_all_further_ones(
    loop: qtloop.QEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(loop._qt_loop_returned, "clear", interrupted)
        loop.run_until_complete(asyncio.sleep(0))
    assert loop.run_until_complete(asyncio.sleep(0, "again")) == "again"


def test_loop_runs_again_after_ctrl_c(
    loop: qtloop.QEventLoop, kill: Callable[[int], list[float]]
) -> None:
    for number in range(3):
        kill(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            loop.run_forever()
        assert loop.run_until_complete(asyncio.sleep(0.001, number)) == number


@pytest.mark.parametrize("way", ["run", pytest.param("Runner", marks=from_3_11)])
def test_ctrl_c_cancels_main_which_cleans_up(
    way: str, app: Any, kill: Callable[[int], list[float]]
) -> None:
    if way == "run" and sys.version_info < (3, 11):
        pytest.skip("before 3.11 asyncio.run did not cancel main at Ctrl-C, and qtloop.run neither")
    log: list[str] = []

    async def main() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.to_thread(log.append, "cancelled")
            await asyncio.sleep(0.005)
            log.append("cleaned up")
            raise

    kill(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        if way == "run":
            qtloop.run(main())
        else:
            with asyncio.Runner(loop_factory=qtloop.QEventLoop) as runner:
                runner.run(main())
    assert log == ["cancelled", "cleaned up"]


@from_3_11
def test_second_ctrl_c_interrupts_the_clean_up(app: Any) -> None:
    log: list[str] = []

    async def main() -> None:
        try:
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.sleep(60)
        finally:
            log.append("cleaning up")
            asyncio.get_running_loop().call_later(0.01, os.kill, os.getpid(), signal.SIGINT)
            try:
                await asyncio.sleep(60)
            finally:
                log.append("cut short")

    with pytest.raises(KeyboardInterrupt):
        qtloop.run(main())
    assert log == ["cleaning up", "cut short"]


def test_handler_may_be_added_and_removed_while_the_loop_runs_and_ctrl_c_still_works(
    loop: qtloop.QEventLoop, kill: Callable[[int], list[float]]
) -> None:
    async def main() -> None:
        called = asyncio.Event()
        loop.add_signal_handler(signal.SIGUSR1, called.set)
        os.kill(os.getpid(), signal.SIGUSR1)
        await called.wait()
        loop.remove_signal_handler(signal.SIGUSR1)
        sent.extend(kill_later(signal.SIGINT) for kill_later in [kill])
        await asyncio.sleep(60)

    sent: list[list[float]] = []
    with pytest.raises(KeyboardInterrupt):
        loop.run_until_complete(main())
    assert time.monotonic() - sent[0][0] < LATE


def test_handler_for_sigint_replaces_keyboard_interrupt(
    loop: qtloop.QEventLoop, kill: Callable[[int], list[float]]
) -> None:
    before = signal.getsignal(signal.SIGINT)
    loop.add_signal_handler(signal.SIGINT, loop.stop)
    kill(signal.SIGINT)
    loop.run_forever()
    loop.remove_signal_handler(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, before)


def test_loop_of_another_thread_leaves_ctrl_c_to_the_main_thread(
    loop: qtloop.QEventLoop, kill: Callable[[int], list[float]]
) -> None:
    async def main() -> None:
        done = asyncio.Event()
        stop.append(lambda: running.call_soon_threadsafe(done.set))
        running = asyncio.get_running_loop()
        await done.wait()

    stop: list[Callable[[], object]] = []
    thread = threading.Thread(target=lambda: qtloop.run(main()))
    thread.start()
    sent = kill(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        loop.run_forever()
    assert time.monotonic() - sent[0] < LATE
    stop[0]()
    thread.join()
