"""asyncWrap: a task awaits a function that runs a nested Qt loop."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from typing import Any

import pytest
from support.modal import QtCore, from_qt
from support.slots import run

import qtloop
from qtloop import asyncWrap

# asyncWrap


def spin(function: Callable[[], object] = lambda: None) -> str:
    """Runs a nested Qt loop until the function has been called in it."""
    nested = QtCore.QEventLoop()

    def call() -> None:
        try:
            function()
        finally:
            nested.quit()

    from_qt(call)
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

        from_qt(cancel_then_quit)
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
