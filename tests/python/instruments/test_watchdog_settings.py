"""The settings of the watchdog, and processes that fork, exit or make another application with it."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
import time
from contextlib import closing
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import pytest
from conftest import Child, needs_binding
from support.running import count_descriptors
from support.stalls import Stalls

from qtloop import QEventLoop, _stack_dump

pytest_plugins = ["support.stalls"]
pytestmark = pytest.mark.timeout(60, method="thread")


def test_watchdog_is_off_by_default_and_reads_back(loop: QEventLoop) -> None:
    assert loop.watchdog == 0
    loop.watchdog = 0.2
    assert loop.watchdog == 0.2
    loop.watchdog = 1
    assert loop.watchdog == 1.0
    loop.watchdog = 0
    assert loop.watchdog == 0


@pytest.mark.parametrize("inner", [0, 0.3])
def test_watchdog_that_is_set_while_it_starts_has_the_last_value(
    loop: QEventLoop, monkeypatch: pytest.MonkeyPatch, inner: float
) -> None:
    acquire = _stack_dump.acquire

    def interrupted() -> Any:
        monkeypatch.setattr(_stack_dump, "acquire", acquire)
        loop.watchdog = inner  # as a signal handler may do
        return acquire()

    monkeypatch.setattr(_stack_dump, "acquire", interrupted)
    loop.watchdog = 0.2
    assert loop.watchdog == inner
    assert _reporters() == (1 if inner else 0)
    loop.watchdog = 0
    assert _reporters() == 0


def test_watchdog_of_another_loop_may_start_inside_of_that_of_the_first(
    app: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(QEventLoop()) as first, closing(QEventLoop()) as second:
        registration = _stack_dump._Registration

        def interrupted(signal: int) -> Any:
            second.watchdog = 0.3  # as a signal handler or a destructor may do
            return registration(signal)

        monkeypatch.setattr(_stack_dump, "_Registration", interrupted)
        first.watchdog = 0.2
        assert (first.watchdog, second.watchdog) == (0.2, 0.3)
        assert _reporters() == 2
    assert _reporters() == 0
    assert _stack_dump._registration is None


def test_loop_may_be_closed_inside_of_the_start_of_another_watchdog(
    app: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(QEventLoop()) as first, closing(QEventLoop()) as second:
        second.watchdog = 0.3
        lock = _stack_dump._lock

        class Interrupted:
            def __enter__(self) -> None:
                lock.acquire()
                monkeypatch.setattr(_stack_dump, "_lock", lock)
                second.close()  # as its destructor may do

            def __exit__(self, *error: object) -> None:
                lock.release()

        monkeypatch.setattr(_stack_dump, "_lock", Interrupted())
        first.watchdog = 0.2
        assert _reporters() == 1
    assert _reporters() == 0
    assert _stack_dump._registration is None


def _reporters() -> int:
    return sum(thread.name == "qtloop-reporter" for thread in threading.enumerate())


@pytest.mark.parametrize("value", [-1, -0.1, 0.0001, float("nan"), float("inf")])
def test_wrong_number_is_a_value_error_and_changes_nothing(loop: QEventLoop, value: float) -> None:
    loop.watchdog = 0.2
    with pytest.raises(ValueError, match=r"0 or seconds from 0\.001"):
        loop.watchdog = value
    assert loop.watchdog == 0.2


@pytest.mark.parametrize("value", ["0.2", b"1", None, [], 1j])
def test_other_types_are_a_type_error(loop: QEventLoop, value: Any) -> None:
    with pytest.raises(TypeError, match="a number of seconds is required"):
        loop.watchdog = value


def test_stall_handler_must_be_callable(loop: QEventLoop) -> None:
    handler: Any = 3
    with pytest.raises(TypeError, match="a function or None is required"):
        loop.set_stall_handler(handler)


def test_other_thread_gets_an_error_that_names_the_cure(loop: QEventLoop) -> None:
    errors: list[str] = []

    def work() -> None:
        try:
            loop.watchdog = 0.2
        except RuntimeError as error:
            errors.append(str(error))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert len(errors) == 1 and "call_soon_threadsafe" in errors[0]
    assert loop.watchdog == 0


def test_closed_loop_has_no_watchdog(app: Any) -> None:
    loop = QEventLoop(app)
    loop.watchdog = 0.2
    loop.close()
    with pytest.raises(RuntimeError, match="closed"):
        loop.watchdog = 0.2
    assert "qtloop-reporter" not in [thread.name for thread in threading.enumerate()]


def count_watchdogs() -> tuple[int, int]:
    """Counts the native threads and the reporters of the watchdogs of this process."""
    names = [thread.name for thread in threading.enumerate()]
    native = 0
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):  # it has just ended
            native += (task / "comm").read_text().strip() == "qtloop-watchdog"
    return native, names.count("qtloop-reporter")


def wait_for_watchdogs(number: int) -> None:
    """Waits until there are so many: a thread that was joined may still be ending."""
    end = time.monotonic() + 20
    while count_watchdogs() != (number, number) and time.monotonic() < end:
        time.sleep(0)
    assert count_watchdogs() == (number, number)


def test_watchdog_that_is_turned_off_leaves_no_thread_and_no_descriptor(loop: QEventLoop) -> None:
    wait_for_watchdogs(0)
    descriptors = count_descriptors()
    for _ in range(20):
        loop.watchdog = 0.2
        loop.run_until_complete(asyncio.sleep(0))
        wait_for_watchdogs(1)
        loop.watchdog = 0
    wait_for_watchdogs(0)
    assert count_descriptors() == descriptors


def test_stall_is_frozen(loop: QEventLoop, stalls: Stalls) -> None:
    async def main() -> None:
        with pytest.raises(FrozenInstanceError):
            stalls.next().seconds = 1.0  # type: ignore[misc]

    loop.run_until_complete(main())


def test_loop_that_was_dropped_without_close_ends_its_watchdog(child: Child) -> None:
    program = """
        import gc, warnings
        warnings.simplefilter("ignore", ResourceWarning)
        loop = QEventLoop()
        loop.run_until_complete(asyncio.sleep(0))
        loop.watchdog = 0.05
        del loop
        gc.collect()
        print([thread.name for thread in threading.enumerate()])
    """
    assert child(program).stdout.splitlines() == ["['MainThread']"]


def test_environment_variable_turns_it_on(child: Child) -> None:
    program = """
        reported = threading.Event()
        async def main():
            loop = asyncio.get_running_loop()
            print(loop.watchdog)
            loop.set_stall_handler(lambda stall: reported.set())
            print(reported.wait(20))
        qtloop.run(main())
    """
    lines = child(program, QTLOOP_WATCHDOG="0.05").stdout.splitlines()
    assert lines == ["0.05", "True"]


@pytest.mark.parametrize("value", ["soon", "-1", "nan"])
def test_wrong_environment_variable_is_logged_once_and_has_no_effect(
    child: Child, value: str
) -> None:
    program = """
        for _ in range(3):
            with QEventLoop() as loop:
                print(loop.watchdog)
    """
    result = child(program, QTLOOP_WATCHDOG=value)
    assert result.stdout.split() == ["0.0"] * 3
    assert result.stderr.splitlines() == [
        f"QTLOOP_WATCHDOG={value} has no effect: set it to seconds, such as 0.2, or to 0"
    ]


def test_forked_child_neither_reports_nor_hangs_and_the_parent_reports(child: Child) -> None:
    program = """
        import warnings
        warnings.simplefilter("ignore", DeprecationWarning)  # for a fork in a process with threads
        seen = []
        async def main():
            loop = asyncio.get_running_loop()
            loop.set_stall_handler(lambda stall: seen.append(stall.is_over))
            loop.watchdog = 0.05
            await asyncio.sleep(0)
            if os.fork() == 0:
                known = len(seen)  # on a busy machine, the parent may have stalled before
                time.sleep(0.2)
                print(loop.watchdog, seen[known:], flush=True)
                sys.exit(3)
            status = os.waitstatus_to_exitcode(os.wait()[1])
            await asyncio.sleep(0.01)
            print(status, seen[0], seen[-1])
        qtloop.run(main())
    """
    assert child(program).stdout.splitlines() == ["0.0 []", "3 False True"]


def test_forked_child_may_turn_it_on_again(child: Child) -> None:
    program = """
        import warnings
        warnings.simplefilter("ignore", DeprecationWarning)  # for a fork in a process with threads
        loop = QEventLoop()
        loop.watchdog = 0.05
        loop.run_until_complete(asyncio.sleep(0))
        reported = threading.Event()
        loop.set_stall_handler(lambda stall: reported.set())
        if os.fork() == 0:
            loop.watchdog = 0.05
            async def main():
                print(reported.wait(20), flush=True)
            loop.run_until_complete(main())
            loop.close()
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.wait()[1]))
        loop.close()
    """
    assert child(program).stdout.split() == ["True", "0"]


EXITS = {
    "sys.exit in a callback": "loop.call_soon(sys.exit, 0); loop.run_forever()",
    "an open loop": "loop.run_until_complete(asyncio.sleep(0.01))",
    "a blocked callback": "loop.call_soon(lambda: (reported.wait(20), sys.exit(0))); loop.run_forever()",
    "a handler that blocks": (
        "loop.set_stall_handler(lambda stall: (reported.set(), threading.Event().wait()));"
        "loop.call_soon(lambda: (reported.wait(20), sys.exit(0))); loop.run_forever()"
    ),
}


@pytest.mark.parametrize("action", EXITS.values(), ids=EXITS.keys())
def test_interpreter_exits_with_a_watchdog_after(child: Child, action: str) -> None:
    program = f"""
        loop = QEventLoop()
        reported = threading.Event()
        loop.set_stall_handler(lambda stall: reported.set())
        loop.watchdog = 0.05
        {action}
    """
    child(program)


@needs_binding
def test_watchdog_continues_with_the_next_application(child: Child) -> None:
    program = """
        import queue
        loop = QEventLoop()
        seen = queue.SimpleQueue()
        loop.set_stall_handler(seen.put)
        loop.watchdog = 0.05
        async def main():
            await asyncio.sleep(0)
            return seen.get(timeout=20)
        for number in range(3):
            app = QtWidgets.QApplication([])
            print(loop.run_until_complete(main()).is_over, seen.get(timeout=20).is_over)
            support().delete(app)
            del app
        loop.close()
    """
    assert child(program).stdout.splitlines() == ["False True"] * 3


@pytest.mark.skipif(sys.platform != "linux", reason="the dispatchers of Linux")
def test_watchdog_works_with_the_other_dispatcher(child: Child) -> None:
    program = """
        import queue
        seen = queue.SimpleQueue()
        async def main():
            loop = asyncio.get_running_loop()
            loop.set_stall_handler(seen.put)
            loop.watchdog = 0.05
            await asyncio.sleep(0.2)  # idle
            print(seen.empty(), seen.get(timeout=20).is_over)
            await asyncio.sleep(0.01)
            print(seen.get(timeout=20).is_over)
        qtloop.run(main())
    """
    lines = child(program, QT_NO_GLIB="1").stdout.splitlines()
    assert lines == ["True False", "True"]
