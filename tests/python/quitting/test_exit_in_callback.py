"""A process that exits inside a callback, in daemon threads or with open loops does not crash."""

from __future__ import annotations

import pytest
from conftest import Child

pytest_plugins = ["support.each_loop"]


@pytest.mark.parametrize(
    ("end", "code"),
    [
        ("sys.exit(3)", 3),
        ("sys.exit('words')", 1),
        ("os._exit(4)", 4),
        ("raise KeyboardInterrupt", -2),
    ],
)
@pytest.mark.parametrize("where", ["call_soon", "task"])
def test_process_may_exit_inside_a_callback(child: Child, end: str, code: int, where: str) -> None:
    program = f"""
        loop = QEventLoop()
        def end():
            {end}
        async def main():
            asyncio.get_running_loop().call_later(60, print)
            reading, writing = os.pipe()
            loop.add_reader(reading, print)
            others = [asyncio.ensure_future(asyncio.sleep(60)) for _ in range(3)]
            if {where!r} == "task":
                end()
            loop.call_soon(end)
            await asyncio.sleep(60)
        loop.run_until_complete(main())
    """
    result = child(program, code=code)
    assert "Fatal" not in result.stderr and "panicked" not in result.stderr


def test_interpreter_may_exit_while_daemon_threads_run_loops(child: Child) -> None:
    program = """
        QtApp = binding.QtCore.QCoreApplication([]) if binding else None
        main_loop = QEventLoop()
        def busy():
            async def main():
                while True:
                    await asyncio.sleep(0)
            QEventLoop().run_until_complete(main())
        def idle():
            QEventLoop().run_until_complete(asyncio.sleep(60))
        def ticking():
            async def main():
                while True:
                    await asyncio.sleep(0.0005)
            QEventLoop().run_until_complete(main())
        for target in (busy, busy, idle, ticking):
            threading.Thread(target=target, daemon=True).start()
        main_loop.run_until_complete(asyncio.sleep(0.05))
        main_loop.close()
    """
    for _ in range(3):
        result = child(program)
        assert "QSocketNotifier" not in result.stderr
        assert "Fatal" not in result.stderr


def test_interpreter_may_exit_with_pending_work_and_open_loops(child: Child) -> None:
    program = """
        loops = [QEventLoop() for _ in range(3)]
        for loop in loops:
            loop.call_soon(print, "never")
            loop.call_later(0, print, "never")
            loop.call_soon_threadsafe(print, "never")
            loop.task = loop.create_task(asyncio.sleep(60))
            loop.task._log_destroy_pending = False
        loops[0].run_until_complete(asyncio.sleep(0.001))
        loops[0].keep = loops
    """
    result = child(program)
    assert "Fatal" not in result.stderr and "panicked" not in result.stderr
