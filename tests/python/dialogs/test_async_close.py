"""asyncClose: a Qt call waits in a nested loop until its coroutine has completed."""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections.abc import Callable
from typing import Any

import pytest
from support.modal import QtCore, from_qt
from support.slots import run

import qtloop
from qtloop import asyncClose

QObject: Any = QtCore.QObject


class Closing(QObject):  # type: ignore[misc]
    """A QObject whose event handler, a virtual method that Qt calls, is a coroutine."""

    def __init__(self) -> None:
        super().__init__()
        self.log: list[str] = []

    @asyncClose
    async def customEvent(self, event: Any) -> None:
        self.log.append("begun")
        await asyncio.sleep(0.01)
        self.log.append("done")


async def _give(value: Any, ticks: int = 2) -> Any:
    for _ in range(ticks):
        await asyncio.sleep(0)
    if isinstance(value, BaseException):
        raise value
    return value


give = asyncClose(_give)


def test_async_close_may_be_written_with_parentheses(loop: qtloop.QEventLoop) -> None:
    @asyncClose()
    async def close() -> int:
        await asyncio.sleep(0)
        return 7

    async def main() -> int | None:
        return close()

    assert run(loop, main()) == 7


def outside_a_task(loop: qtloop.QEventLoop, function: Callable[[], Any]) -> Any:
    """Calls the function from Qt while the loop runs; returns its result or exception."""

    async def main() -> Any:
        outcome: asyncio.Future[Any] = loop.create_future()

        def call() -> None:
            try:
                outcome.set_result(function())
            except Exception as error:
                outcome.set_exception(error)

        from_qt(call)
        return await outcome

    return run(loop, main())


def inside_a_task(loop: qtloop.QEventLoop, function: Callable[[], Any]) -> Any:
    """Calls the function from a coroutine; returns its result or exception."""

    async def main() -> Any:
        return function()

    return run(loop, main())


def before_the_loop_runs(loop: qtloop.QEventLoop, function: Callable[[], Any]) -> Any:
    """Calls the function when the loop is set but does not run; returns its result or exception."""
    asyncio.set_event_loop(loop)
    try:
        return function()
    finally:
        asyncio.set_event_loop(None)


everywhere = pytest.mark.parametrize("call", [outside_a_task, inside_a_task, before_the_loop_runs])


@everywhere
def test_close_returns_the_coroutines_result(loop: qtloop.QEventLoop, call: Any) -> None:
    assert call(loop, lambda: give("result")) == "result"


@everywhere
def test_close_raises_the_coroutines_exception(loop: qtloop.QEventLoop, call: Any) -> None:
    with pytest.raises(ZeroDivisionError):
        call(loop, lambda: give(ZeroDivisionError()))


@everywhere
def test_close_of_a_cancelled_coroutine_returns_none(loop: qtloop.QEventLoop, call: Any) -> None:
    assert call(loop, lambda: give(asyncio.CancelledError())) is None


def test_close_that_is_done_at_once_returns(loop: qtloop.QEventLoop) -> None:
    assert inside_a_task(loop, lambda: give("at once", ticks=0)) == "at once"


def test_async_close_overrides_a_virtual_method(loop: qtloop.QEventLoop) -> None:
    closing = Closing()

    async def main() -> None:
        event = QtCore.QEvent(QtCore.QEvent.Type.User)
        QtCore.QCoreApplication.sendEvent(closing, event)
        closing.log.append("returned")

    run(loop, main())
    assert closing.log == ["begun", "done", "returned"]


@pytest.mark.parametrize("call", [outside_a_task, inside_a_task])
def test_other_tasks_run_during_an_async_close(loop: qtloop.QEventLoop, call: Any) -> None:
    asked, answered = asyncio.Event(), asyncio.Event()

    async def other() -> None:
        await asked.wait()
        answered.set()

    @asyncClose
    async def close() -> bool:
        asked.set()
        return await answered.wait()

    task = loop.create_task(other())
    assert call(loop, close) is True
    run(loop, task)


def test_task_that_calls_an_async_close_is_current_again_afterwards(
    loop: qtloop.QEventLoop,
) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")

    async def main() -> None:
        variable.set("main's")
        task = asyncio.current_task()
        give(None)
        assert asyncio.current_task() is task
        assert variable.get() == "main's"
        await asyncio.sleep(0)

    run(loop, main())


def test_nested_async_close_returns_first(loop: qtloop.QEventLoop) -> None:
    log: list[str] = []

    @asyncClose
    async def outer() -> None:
        await asyncio.sleep(0)
        give(None, ticks=5)
        log.append("inner returned")

    inside_a_task(loop, outer)
    assert log == ["inner returned"]


@everywhere
def test_close_waits_without_using_the_processor(loop: qtloop.QEventLoop, call: Any) -> None:
    close = asyncClose(asyncio.sleep)
    before = time.thread_time()
    call(loop, lambda: close(0.5))
    # Calling processEvents() in a loop, as other libraries do, would take all of the half second.
    assert time.thread_time() - before < 0.2


@pytest.mark.parametrize("way", ["quit", "stop"])
def test_async_close_cut_off_by_the_loops_end_returns_none(
    loop: qtloop.QEventLoop, app: Any, way: str, capsys: pytest.CaptureFixture[str]
) -> None:
    loop.quit_grace = 0.1
    log: list[object] = []
    ended = asyncio.Event()

    @asyncClose
    async def close() -> str:
        try:
            if way == "quit":
                app.quit()
            ended.set()
            await asyncio.sleep(1000)
        finally:
            log.append("cleaned up")
        return "done"

    async def main() -> str:
        from_qt(lambda: log.append(close()))
        await ended.wait()
        return "main"

    with loop:
        assert loop.run_until_complete(main()) == "main"
        assert log == [None]
    assert log == [None, "cleaned up"]
    assert capsys.readouterr().err == ""


def test_close_of_a_plain_function_is_refused() -> None:
    def plain() -> None: ...

    with pytest.raises(TypeError, match=r"asyncClose takes a coroutine function"):
        asyncClose(plain)  # type: ignore[arg-type]


def test_async_close_without_a_loop_raises_an_error_that_names_the_cure() -> None:
    asyncio.set_event_loop(None)
    with pytest.raises(RuntimeError, match="no event loop is running"):
        give(None)


def test_close_on_another_kind_of_loop_is_refused() -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match=r"asyncClose needs a qtloop\.QEventLoop"):
            give(None)

    other = asyncio.SelectorEventLoop()
    try:
        other.run_until_complete(main())
    finally:
        other.close()
