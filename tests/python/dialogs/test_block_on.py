"""A plain function waits for a coroutine while windows and tasks go on: `block_on()`."""

from __future__ import annotations

import asyncio
import importlib.util
from typing import Any

import pytest
from conftest import Child, needs_binding

import qtloop
from qtloop._binding import binding

QtCore: Any = binding and binding.QtCore


async def double(number: int, seconds: float = 0.005) -> int:
    await asyncio.sleep(seconds)
    if number < 0:
        raise ValueError(number)
    return number * 2


async def ticking(ticks: list[int]) -> None:
    while True:
        ticks.append(len(ticks))
        await asyncio.sleep(0.001)


@needs_binding
def test_block_on_returns_results_and_exceptions_while_tasks_run(app: Any) -> None:
    results: list[Any] = []

    def slot() -> None:
        results.append([qtloop.block_on(double(number)) for number in range(3)])
        try:
            qtloop.block_on(double(-1))
        except ValueError as error:
            results.append(str(error))

    async def main() -> None:
        ticks: list[int] = []
        task = asyncio.create_task(ticking(ticks))
        QtCore.QTimer.singleShot(0, slot)
        while len(results) < 2:
            await asyncio.sleep(0.001)
        assert len(ticks) > 5
        task.cancel()

    qtloop.run(main())
    assert results == [[0, 2, 4], "-1"]


def test_task_that_calls_block_on_suspends_only_itself(app: Any) -> None:
    async def main() -> None:
        ticks: list[int] = []
        task = asyncio.create_task(ticking(ticks))
        me = asyncio.current_task()

        async def ticked(count: int) -> str:
            while len(ticks) < count:
                await asyncio.sleep(0.001)
            return "others have run"

        assert qtloop.block_on(ticked(4)) == "others have run"
        assert asyncio.current_task() is me
        assert await ticked(len(ticks) + 2) == "others have run"
        task.cancel()

    qtloop.run(main())


def test_nested_block_on_calls_return_innermost_first(app: Any) -> None:
    log: list[str] = []

    async def wait(name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        log.append(f"{name} done")

    def block(name: str, seconds: float) -> None:
        qtloop.block_on(wait(name, seconds))
        log.append(f"{name} returned")

    async def main() -> None:
        asyncio.get_running_loop().call_later(0.005, block, "inner", 0.03)
        block("outer", 0.01)

    qtloop.run(main())
    assert log == ["outer done", "inner done", "inner returned", "outer returned"]


def test_done_future_is_returned_at_once_and_any_awaitable_is_taken(app: Any) -> None:
    class Seven:
        def __await__(self) -> Any:
            yield from asyncio.sleep(0.001).__await__()
            return 7

    async def main() -> None:
        future = asyncio.get_running_loop().create_future()
        future.set_result(1)
        assert qtloop.block_on(future) == 1
        assert qtloop.block_on(asyncio.create_task(double(1))) == 2
        assert qtloop.block_on(Seven()) == 7

    qtloop.run(main())


def test_block_on_before_the_loop_runs_is_run_until_complete(loop: qtloop.QEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        assert qtloop.block_on(double(3)) == 6
    finally:
        asyncio.set_event_loop(None)


def test_block_on_in_another_loop_is_an_error_that_names_it(app: Any) -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match=r"needs a qtloop\.QEventLoop"):
            qtloop.block_on(double(1))

    loop = asyncio.SelectorEventLoop()
    loop.run_until_complete(main())
    loop.close()


def test_task_that_waits_for_itself_is_an_error(app: Any) -> None:
    async def main() -> None:
        task = asyncio.current_task()
        assert task is not None
        with pytest.raises(RuntimeError, match="cannot wait for itself"):
            qtloop.block_on(task)

    qtloop.run(main())


def test_cancelled_coroutine_raises_cancelled_error(app: Any) -> None:
    async def main() -> None:
        task = asyncio.create_task(asyncio.sleep(60))
        asyncio.get_running_loop().call_later(0.001, task.cancel)
        with pytest.raises(asyncio.CancelledError):
            qtloop.block_on(task)

    qtloop.run(main())


ENDING = """
async def wait(seconds):
    try:
        await asyncio.sleep(seconds)
        print("completed")
        return "result"
    except asyncio.CancelledError:
        await asyncio.sleep(0.01)
        print("cleaned up")
        raise

def block(seconds):
    try:
        print(qtloop.block_on(wait(seconds)))
    except BaseException as error:
        print(type(error).__name__)
        raise
"""


@pytest.mark.parametrize(
    ("grace", "seconds", "printed"),
    [(20, 0.2, ["completed", "result"]), (0.1, 60, ["cleaned up", "CancelledError"])],
)
def test_stop_during_block_on_cancels_the_coroutine_after_quit_grace(
    child: Child, grace: float, seconds: float, printed: list[str]
) -> None:
    program = f"""
loop = QEventLoop()
asyncio.set_event_loop(loop)
loop.quit_grace = {grace}
loop.call_soon(block, {seconds})
loop.set_exception_handler(lambda _, context: None)
loop.call_later(0.05, loop.stop)
with loop:
    loop.run_forever()
print("ended")
"""
    assert child(ENDING + program).stdout.splitlines() == [*printed, "ended"]


@needs_binding
@pytest.mark.parametrize(
    ("grace", "seconds", "printed"),
    [(20, 0.2, ["completed", "result"]), (0.1, 60, ["cleaned up", "CancelledError"])],
)
def test_quit_during_block_on_cancels_the_coroutine_after_quit_grace(
    child: Child, grace: float, seconds: float, printed: list[str]
) -> None:
    program = f"""
app = QtWidgets.QApplication([])
async def main():
    loop = asyncio.get_running_loop()
    loop.quit_grace = {grace}
    loop.call_later(0.05, app.quit)
    block({seconds})
qtloop.run(main())
print("ended")
"""
    assert child(ENDING + program).stdout.splitlines() == [*printed, "ended"]


@needs_binding
def test_slot_whose_block_on_a_quit_cancels_is_not_reported(child: Child) -> None:
    program = """
app = QtWidgets.QApplication([])
async def main():
    loop = asyncio.get_running_loop()
    loop.quit_grace = 0.1
    QtCore.QTimer.singleShot(0, lambda: block(60))
    loop.call_later(0.05, app.quit)
    await asyncio.sleep(60)
qtloop.run(main())
print("ended")
"""
    done = child(ENDING + program)
    assert done.stdout.splitlines() == ["cleaned up", "CancelledError", "ended"]
    assert done.stderr == ""


@needs_binding
def test_slot_of_a_plain_exec_gets_its_result(child: Child) -> None:
    program = """
app = QtWidgets.QApplication([])
loop = QEventLoop(app)
asyncio.set_event_loop(loop)
def slot():
    block(0.05)
    app.exit()
QtCore.QTimer.singleShot(0, slot)
app.exec()
print("ended")
"""
    assert child(ENDING + program).stdout.splitlines() == ["completed", "result", "ended"]


@pytest.mark.parametrize("error", ["KeyboardInterrupt", "SystemExit"])
def test_exit_raised_by_the_coroutine_is_raised_by_the_run(child: Child, error: str) -> None:
    program = f"""
async def leave():
    await asyncio.sleep(0.01)
    raise {error}
async def main():
    try:
        qtloop.block_on(leave())
    except {error}:
        print("in the caller")
        raise
try:
    qtloop.run(main())
except {error}:
    print("out of the run")
"""
    assert child(program).stdout == "in the caller\nout of the run\n"


def test_ctrl_c_during_block_on_is_raised_by_the_run(child: Child) -> None:
    program = """
loop = QEventLoop()
asyncio.set_event_loop(loop)
loop.call_soon(lambda: block(60))
loop.set_exception_handler(lambda _, context: None)
def interrupt():
    time.sleep(0.2)
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=interrupt).start()
try:
    loop.run_forever()
except KeyboardInterrupt:
    print("interrupted")
"""
    lines = child(ENDING + program).stdout.splitlines()
    assert lines[-1] == "interrupted" and "cleaned up" in lines


@pytest.mark.skipif(
    importlib.util.find_spec("nest_asyncio") is None, reason="nest_asyncio is not installed"
)
def test_nest_asyncio_leaves_the_loop_intact_and_its_runs_nest(child: Child) -> None:
    program = """
import warnings
warnings.simplefilter("ignore", DeprecationWarning)
import nest_asyncio

async def inner():
    await asyncio.sleep(0.02)
    return 42

async def main():
    ticks = []
    async def tick():
        while True:
            ticks.append(1)
            await asyncio.sleep(0.001)
    ticking = asyncio.create_task(tick())
    loop = asyncio.get_running_loop()
    nest_asyncio.apply(loop)
    print(loop.run_until_complete(inner()), len(ticks) > 3)
    print(asyncio.run(inner()))
    before = len(ticks)
    await asyncio.sleep(0.01)
    print(len(ticks) > before)
    ticking.cancel()
qtloop.run(main())
print("ended")
"""
    assert child(program).stdout.splitlines() == ["42 True", "42", "True", "ended"]


def test_run_until_complete_of_a_running_loop_is_refused_without_nest_asyncio(app: Any) -> None:
    async def main() -> None:
        coroutine = double(1)
        with pytest.raises(RuntimeError, match="already running"):
            asyncio.get_running_loop().run_until_complete(coroutine)
        coroutine.close()

    qtloop.run(main())
