"""asyncClose, a Qt call that waits for a coroutine, and asyncWrap, which awaits a Qt call."""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections.abc import Callable
from typing import Any

import pytest

import qtloop
from qtloop import asyncClose, asyncWrap
from qtloop._binding import binding

if binding is None:
    pytest.skip("these tests call from Qt: they need a Qt binding", allow_module_level=True)

QtCore: Any = binding.QtCore
QObject: Any = QtCore.QObject


def run(loop: qtloop.QEventLoop, main: Any) -> Any:
    return loop.run_until_complete(asyncio.wait_for(main, 20))


def soon(function: Callable[[], object]) -> None:
    """Makes Qt call the function, outside of any task and of the loop's callbacks."""
    QtCore.QTimer.singleShot(0, function)


# asyncClose


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


def test_parentheses_may_be_written(loop: qtloop.QEventLoop) -> None:
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

        soon(call)
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
        soon(lambda: log.append(close()))
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


# asyncWrap


def spin(function: Callable[[], object] = lambda: None) -> str:
    """Runs a nested Qt loop until the function has been called in it."""
    nested = QtCore.QEventLoop()

    def call() -> None:
        try:
            function()
        finally:
            nested.quit()

    soon(call)
    nested.exec()
    return "accepted"


def test_wrap_returns_what_the_function_returns(loop: qtloop.QEventLoop) -> None:
    async def main() -> str:
        return await asyncWrap(spin)

    assert run(loop, main()) == "accepted"


def test_wrap_passes_arguments_on(loop: qtloop.QEventLoop) -> None:
    async def main() -> dict[str, int]:
        return await asyncWrap(dict, {"a": 1}, b=2)

    assert run(loop, main()) == {"a": 1, "b": 2}


def test_wrap_raises_what_the_function_raises(loop: qtloop.QEventLoop) -> None:
    async def main() -> None:
        with pytest.raises(ZeroDivisionError):
            await asyncWrap(divmod, 1, 0)

    run(loop, main())


def test_wrapped_function_runs_outside_any_task_with_the_tasks_context(
    loop: qtloop.QEventLoop,
) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")

    async def main() -> tuple[Any, str]:
        variable.set("main's")
        return await asyncWrap(lambda: (asyncio.current_task(), variable.get()))

    assert run(loop, main()) == (None, "main's")


def test_other_tasks_run_during_a_wrapped_function(loop: qtloop.QEventLoop) -> None:
    log: list[str] = []

    async def main() -> None:
        nested = QtCore.QEventLoop()

        async def other() -> None:
            log.append("other runs")
            await asyncio.sleep(0.01)
            log.append("other done")
            nested.quit()

        task = asyncio.ensure_future(other())
        await asyncWrap(nested.exec)
        log.append("wrap done")
        await task

    run(loop, main())
    assert log == ["other runs", "other done", "wrap done"]


def test_async_wrap_cancelled_before_the_call_does_not_call_the_function(
    loop: qtloop.QEventLoop,
) -> None:
    calls: list[str] = []

    async def main() -> None:
        task = asyncio.ensure_future(asyncWrap(calls.append, "called"))
        loop.call_soon(task.cancel)  # runs after the task's first step, before the call
        await asyncio.wait([task])
        assert task.cancelled()
        await asyncio.sleep(0)

    run(loop, main())
    assert calls == []


@pytest.mark.parametrize("error", [None, ValueError("nobody waits for it")])
def test_wrap_cancelled_during_the_call_ends_at_once_and_loses_no_exception(
    loop: qtloop.QEventLoop, error: Exception | None
) -> None:
    seen: list[Any] = []
    loop.set_exception_handler(lambda _, context: seen.append(context["exception"]))

    async def main() -> None:
        nested = QtCore.QEventLoop()

        def dialog() -> None:
            nested.exec()
            if error:
                raise error

        task = asyncio.ensure_future(asyncWrap(dialog))

        def cancel_then_quit() -> None:
            task.cancel()
            task.add_done_callback(lambda _: nested.quit())

        soon(cancel_then_quit)
        await asyncio.wait([task])
        assert task.cancelled()
        await asyncio.sleep(0)

    run(loop, main())
    assert seen == ([error] if error else [])


def test_keyboard_interrupt_in_a_wrapped_function_is_raised_by_the_run(
    loop: qtloop.QEventLoop,
) -> None:
    def dialog() -> None:
        raise KeyboardInterrupt

    task = loop.create_task(asyncWrap(dialog))
    with pytest.raises(KeyboardInterrupt):
        loop.run_forever()
    run(loop, asyncio.wait([task]))
    assert task.cancelled()
