"""The wake-up of an idle loop by other threads, and calls from a thread that is not the loop's."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
from conftest import Child, needs_binding
from support.running import in_thread

pytest_plugins = ["support.each_loop"]

Loop = asyncio.SelectorEventLoop


def test_thousand_calls_wake_the_loop_once(child: Child) -> None:
    program = """
        loop = QEventLoop()
        loop.call_later(0.05, loop.stop)
        loop.run_forever()   # what is made on first use is made

        def waits():
            with open("/proc/self/task/%d/status" % threading.get_native_id()) as status:
                return next(int(line.split()[1]) for line in status if line.startswith("voluntary"))

        seen = []
        def send():
            time.sleep(0.1)
            # The GIL is held during all thousand calls, so the loop cannot run in between.
            sys.setswitchinterval(60)
            for number in range(1000):
                loop.call_soon_threadsafe(seen.append, number)
            loop.call_soon_threadsafe(loop.stop)
            sys.setswitchinterval(0.005)

        before = waits()
        threading.Thread(target=send).start()
        loop.run_forever()
        print(len(seen), waits() - before)
        loop.close()
    """
    calls, waits = map(int, child(program).stdout.split())
    assert calls == 1000
    # Sleeping, taking the GIL, starting and ending: each may wait a few times.
    assert waits < 50


def test_idle_loop_runs_a_call_from_a_thread_at_once(each_loop: Loop) -> None:
    delays: list[float] = []
    answered = threading.Event()

    def answer(sent: float) -> None:
        delays.append(time.perf_counter() - sent)
        answered.set()

    def ask() -> None:
        for _ in range(100):
            time.sleep(0.001)  # so that the loop is asleep
            answered.clear()
            each_loop.call_soon_threadsafe(answer, time.perf_counter())
            assert answered.wait(20)
        each_loop.call_soon_threadsafe(each_loop.stop)

    worker = in_thread(ask)
    each_loop.run_forever()
    worker.join()
    # It takes some tens of microseconds; the bound leaves room for a busy machine.
    assert sorted(delays)[50] < 0.005


@pytest.mark.parametrize("method", ["call_soon", "call_later", "call_at"])
def test_call_from_the_wrong_thread_does_not_freeze_the_loop(each_loop: Loop, method: str) -> None:
    # Such a call may come late, as asyncio does not wake for it; but what follows comes in time.
    seen: list[str] = []
    arguments = {"call_soon": (), "call_later": (0.01,), "call_at": (each_loop.time(),)}[method]

    def send() -> None:
        getattr(each_loop, method)(*arguments, seen.append, "wrong thread")

    async def main() -> None:
        await asyncio.sleep(0.01)
        in_thread(send).join()
        for _ in range(3):
            await asyncio.sleep(0.02)
            await asyncio.sleep(0)
        seen.append("end")

    each_loop.run_until_complete(main())
    assert seen == ["wrong thread", "end"]


@needs_binding
def test_call_from_the_wrong_thread_to_an_idle_loop_leaves_it_able_to_wake(child: Child) -> None:
    program = """
        app = QtCore.QCoreApplication([])
        loop = QEventLoop(app)
        seen = []
        def send():
            loop.call_soon(seen.append, "wrong thread")
            loop.call_later(0.01, seen.append, "wrong thread")
        QtCore.QTimer.singleShot(50, lambda: threading.Thread(target=send).start())
        QtCore.QTimer.singleShot(150, lambda: loop.call_soon(seen.append, "slot"))
        QtCore.QTimer.singleShot(200, lambda: loop.call_later(0.01, seen.append, "timer"))
        QtCore.QTimer.singleShot(300, lambda: loop.call_soon_threadsafe(loop.stop))
        QtCore.QTimer.singleShot(5000, app.quit)
        loop.run_forever()
        print(sorted(seen))
        loop.close()
    """
    result = child(program)
    assert result.stdout.strip() == "['slot', 'timer', 'wrong thread', 'wrong thread']"
    assert result.stderr == ""
