"""A loop without a run on other threads, and with one application after another."""

from __future__ import annotations

import asyncio
import sys
import threading
from typing import Any

import pytest
from conftest import Child
from support.running import count_descriptors
from support.serving import by_exec, by_process_events

from qtloop import QEventLoop

pytest_plugins = ["support.serving"]
pytestmark = pytest.mark.usefixtures("limit")


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
            support().delete(app)
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
