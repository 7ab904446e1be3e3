"""Event loop policies that make asyncio use this loop."""

from __future__ import annotations

import asyncio
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from typing import Any

import pytest
from conftest import Child

import qtloop
from qtloop import QEventLoop

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
    codes = child(program).stdout
    if kind == "MultiLoop":
        # Its signal handler may interrupt its own look at a process; then the code is lost, as 255.
        codes = codes.replace("255", "3")
    assert codes == f"{[3] * 5}\n"
