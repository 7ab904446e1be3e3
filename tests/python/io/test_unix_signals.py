"""Handlers of Unix signals, and the wake-up descriptor that a run sets and restores."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from support.killing import IDLE, LATE

import qtloop

pytest_plugins = ["support.killing"]


def test_ignored_signal_does_nothing(
    loop: qtloop.QEventLoop, kill: Callable[[int], list[float]]
) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        kill(signal.SIGINT)
        assert loop.run_until_complete(asyncio.sleep(IDLE * 2, "goes on")) == "goes on"
    finally:
        signal.signal(signal.SIGINT, before)


def test_python_handler_runs_at_once_while_idle(
    loop: qtloop.QEventLoop, kill: Callable[[int], list[float]]
) -> None:
    ran: list[float] = []

    def handler(number: int, frame: object) -> None:
        ran.append(time.monotonic())
        loop.stop()

    before = signal.signal(signal.SIGUSR1, handler)
    try:
        sent = kill(signal.SIGUSR1)
        loop.run_forever()
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert ran[0] - sent[0] < LATE


# add_signal_handler


def test_added_handler_is_called_in_the_loop_with_its_arguments(
    loop: qtloop.QEventLoop, kill: Callable[[int], list[float]]
) -> None:
    called: list[object] = []

    def handler(*args: object) -> None:
        called.extend((*args, asyncio.get_running_loop() is loop, time.monotonic()))
        loop.stop()

    loop.add_signal_handler(signal.SIGUSR1, handler, "argument")
    sent = kill(signal.SIGUSR1)
    loop.run_forever()
    argument, in_loop, moment = called
    assert (argument, in_loop) == ("argument", True)
    assert isinstance(moment, float) and moment - sent[0] < LATE
    assert loop.remove_signal_handler(signal.SIGUSR1) is True
    assert loop.remove_signal_handler(signal.SIGUSR1) is False
    assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL


def test_signal_handler_that_raises_is_reported_and_the_loop_continues(
    loop: qtloop.QEventLoop,
) -> None:
    reports: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: reports.append(context))
    loop.add_signal_handler(signal.SIGUSR1, int, "no number")
    loop.call_soon(os.kill, os.getpid(), signal.SIGUSR1)
    loop.run_until_complete(asyncio.sleep(0.02))
    loop.remove_signal_handler(signal.SIGUSR1)
    assert [type(report["exception"]) for report in reports] == [ValueError]


def test_handler_cannot_be_added_in_another_thread(app: Any) -> None:
    refused: list[str] = []

    async def main() -> None:
        try:
            asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, print)
        except RuntimeError as error:
            refused.append(str(error))

    thread = threading.Thread(target=lambda: qtloop.run(main()))
    thread.start()
    thread.join()
    assert len(refused) == 1


# The wake-up descriptor


def wakeup_descriptor() -> int:
    descriptor = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(descriptor)
    return descriptor


@pytest.mark.parametrize("ending", ["result", "exception", "ctrl-c"])
def test_wakeup_descriptor_is_restored(
    ending: str, loop: qtloop.QEventLoop, kill: Callable[[int], list[float]]
) -> None:
    async def main() -> None:
        assert wakeup_descriptor() not in (-1, ours.fileno())
        if ending == "exception":
            raise LookupError
        if ending == "ctrl-c":
            await asyncio.sleep(60)

    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        before = signal.set_wakeup_fd(ours.fileno())
        if ending == "ctrl-c":
            kill(signal.SIGINT)
        try:
            loop.run_until_complete(main())
        except (LookupError, KeyboardInterrupt):
            assert ending != "result"
        assert signal.set_wakeup_fd(before) == ours.fileno()


def test_closing_the_previous_wakeup_descriptor_during_a_run_is_no_error(
    loop: qtloop.QEventLoop,
) -> None:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    before = signal.set_wakeup_fd(ours.fileno())

    async def main() -> str:
        ours.close()
        theirs.close()
        return "done"

    assert loop.run_until_complete(main()) == "done"
    signal.set_wakeup_fd(before)


def test_wakeup_descriptor_is_left_to_a_handler_and_restored_after_it(
    loop: qtloop.QEventLoop,
) -> None:
    """As in asyncio: a signal between two runs wakes the next one."""
    called: list[str] = []
    loop.add_signal_handler(signal.SIGUSR1, called.append, "called")
    loop.run_until_complete(asyncio.sleep(0))
    os.kill(os.getpid(), signal.SIGUSR1)
    loop.run_until_complete(asyncio.sleep(0.01))
    assert called == ["called"]
    loop.remove_signal_handler(signal.SIGUSR1)
    loop.run_until_complete(asyncio.sleep(0))
    assert wakeup_descriptor() == -1
