"""Exceptions of callbacks: the exception handler, and those that stop the loop; as in asyncio."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import threading
import traceback
from collections.abc import Callable
from typing import Any, NoReturn

import pytest
from support.running import Errors, Pipe, nothing, run_for, run_once, run_until

pytest_plugins = ["support.each_loop"]

Loop = asyncio.SelectorEventLoop


def fail(error: BaseException) -> NoReturn:
    raise error


async def fail_later(error: BaseException) -> NoReturn:
    await asyncio.sleep(0)
    raise error


# Reports to the exception handler


@pytest.mark.parametrize("method", ["call_soon", "call_soon_threadsafe", "call_later"])
def test_exception_of_a_callback_reaches_the_handler(
    each_loop: Loop, errors: Errors, method: str
) -> None:
    error = LookupError("on purpose")
    arguments = (0,) if method == "call_later" else ()
    handle = getattr(each_loop, method)(*arguments, fail, error)
    run_for(each_loop, 0.005)
    (context,) = errors
    assert context["exception"] is error
    assert context["handle"] is handle
    # Python 3.13 reports the arguments only in debug mode.
    assert context["message"].startswith("Exception in callback fail(")
    assert f") at {__file__}:" in context["message"]
    assert set(context) == {"message", "exception", "handle"}
    assert traceback.extract_tb(error.__traceback__)[-1].name == "fail"


def test_exception_of_a_reader_reaches_the_handler(
    each_loop: Loop, errors: Errors, pipe: Pipe
) -> None:
    reading, writing = pipe

    def read() -> None:
        each_loop.remove_reader(reading)
        raise LookupError

    os.write(writing, b"x")
    each_loop.add_reader(reading, read)
    run_until(each_loop, lambda: errors)
    (context,) = errors
    assert isinstance(context["exception"], LookupError)
    assert isinstance(context["handle"], asyncio.Handle)
    assert context["message"].startswith("Exception in callback ")


def test_debug_mode_reports_where_the_handle_was_made(each_loop: Loop, errors: Errors) -> None:
    each_loop.set_debug(True)
    each_loop.call_soon(fail, LookupError())
    run_once(each_loop)
    (context,) = errors
    assert context["source_traceback"][-1].filename == __file__
    assert set(context) == {"message", "exception", "handle", "source_traceback"}


def test_callback_that_is_not_callable_is_reported_as_its_own_error(
    each_loop: Any, errors: Errors
) -> None:
    for wrong in (None, 5, "name", object()):
        each_loop.call_soon(wrong)
    each_loop.call_soon(nothing, context="no context")
    run_once(each_loop)
    kinds = [type(context["exception"]) for context in errors]
    assert kinds[:4] == [TypeError] * 4
    assert len(kinds) == 5


def test_callbacks_after_one_that_raised_run(each_loop: Loop, errors: Errors) -> None:
    seen: list[int] = []
    for number in range(10):
        each_loop.call_soon(fail, ValueError(number))
        each_loop.call_soon(seen.append, number)
    run_once(each_loop)
    assert seen == list(range(10))
    assert [context["exception"].args[0] for context in errors] == list(range(10))


@pytest.mark.parametrize(
    "kind", [MemoryError, GeneratorExit, asyncio.CancelledError, BaseException, StopIteration]
)
def test_exceptions_of_all_kinds_reach_the_handler(
    each_loop: Loop, errors: Errors, kind: type[BaseException]
) -> None:
    each_loop.call_soon(fail, kind("on purpose"))
    run_once(each_loop)
    assert [type(context["exception"]) for context in errors] == [kind]


def test_task_with_an_unretrieved_exception_is_reported(each_loop: Loop, errors: Errors) -> None:
    task = each_loop.create_task(fail_later(LookupError("on purpose")))
    run_until(each_loop, task.done)
    del task
    gc.collect()  # the traceback of its exception may hold it
    (context,) = errors
    assert context["message"] == "Task exception was never retrieved"
    assert isinstance(context["exception"], LookupError)


# Handlers


def test_handler_can_be_set_and_asked_for(each_loop: Any) -> None:
    def handler(loop: Any, context: dict[str, Any]) -> None: ...

    assert each_loop.get_exception_handler() is None
    each_loop.set_exception_handler(handler)
    assert each_loop.get_exception_handler() is handler
    each_loop.set_exception_handler(None)
    assert each_loop.get_exception_handler() is None
    with pytest.raises(TypeError, match="A callable object or None is expected"):
        each_loop.set_exception_handler("handler")


def test_handler_gets_the_loop_and_the_context(each_loop: Loop) -> None:
    seen: list[Any] = []
    each_loop.set_exception_handler(lambda loop, context: seen.append((loop, context)))
    context = {"message": "by hand", "more": 1}
    each_loop.call_exception_handler(context)
    assert seen == [(each_loop, context)]


def test_default_handler_logs(each_loop: Loop, caplog: pytest.LogCaptureFixture) -> None:
    each_loop.call_soon(fail, LookupError("on purpose"))
    run_once(each_loop)
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("asyncio", logging.ERROR)
    assert record.getMessage().startswith("Exception in callback fail(")
    assert record.exc_info and isinstance(record.exc_info[1], LookupError)


def test_exception_handler_that_raises_is_logged_and_the_loop_continues(
    each_loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    each_loop.set_exception_handler(lambda loop, context: fail(ValueError("in the handler")))
    each_loop.call_soon(fail, LookupError("on purpose"))
    seen: list[str] = []
    each_loop.call_soon(seen.append, "next")
    run_once(each_loop)
    assert seen == ["next"]
    assert "Unhandled error in exception handler" in caplog.text
    assert "in the handler" in caplog.text


# Exceptions that stop the loop


LEAVE = pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])


def raise_soon(loop: Loop, error: BaseException) -> None:
    loop.call_soon(fail, error)


def raise_threadsafe(loop: Loop, error: BaseException) -> None:
    thread = threading.Thread(target=loop.call_soon_threadsafe, args=(fail, error))
    thread.start()
    thread.join()


def raise_in_timer(loop: Loop, error: BaseException) -> None:
    loop.call_later(0, fail, error)


def raise_in_reader(loop: Loop, error: BaseException) -> None:
    reading, writing = os.pipe()
    os.close(writing)

    def read() -> None:
        loop.remove_reader(reading)
        os.close(reading)
        raise error

    loop.add_reader(reading, read)


def raise_in_task(loop: Loop, error: BaseException) -> None:
    task = loop.create_task(fail_later(error))
    task.add_done_callback(lambda task: task.exception())


def raise_in_handler(loop: Loop, error: BaseException) -> None:
    loop.set_exception_handler(lambda loop, context: fail(error))
    loop.call_soon(fail, ValueError())


WAYS = [
    raise_soon,
    raise_threadsafe,
    raise_in_timer,
    raise_in_reader,
    raise_in_task,
    raise_in_handler,
]


@LEAVE
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("debug", [False, True])
def test_interrupts_and_exits_leave_run_forever_and_queued_callbacks_run_later(
    each_loop: Loop,
    kind: type[BaseException],
    way: Callable[[Loop, BaseException], None],
    debug: bool,
) -> None:
    each_loop.set_debug(debug)
    seen: list[str] = []
    error = kind("on purpose")
    way(each_loop, error)
    each_loop.call_later(0.002, seen.append, "later")
    with pytest.raises(kind) as caught:
        each_loop.run_forever()
    assert caught.value is error
    assert not each_loop.is_running()
    each_loop.call_soon(seen.append, "soon")
    run_for(each_loop, 0.005)
    assert sorted(seen) == ["later", "soon"]


@LEAVE
def test_callbacks_of_the_batch_that_an_interrupt_has_cut_run_next_time(
    each_loop: Loop, kind: type[BaseException]
) -> None:
    seen: list[str] = []
    each_loop.call_soon(seen.append, "before")
    each_loop.call_soon(fail, kind())
    each_loop.call_soon(seen.append, "after")
    with pytest.raises(kind):
        each_loop.run_forever()
    assert seen == ["before"]
    run_once(each_loop)
    assert seen == ["before", "after"]


@LEAVE
def test_interrupts_and_exits_leave_run_until_complete(
    each_loop: Loop, kind: type[BaseException]
) -> None:
    error = kind("on purpose")
    with pytest.raises(kind) as caught:
        each_loop.run_until_complete(fail_later(error))
    assert caught.value is error
    future = each_loop.create_future()
    each_loop.call_soon(fail, kind())
    with pytest.raises(kind):
        each_loop.run_until_complete(future)
    each_loop.call_soon(future.set_result, "later")
    assert each_loop.run_until_complete(future) == "later"


def test_two_interrupts_in_one_batch_are_raised_one_per_run(each_loop: Loop) -> None:
    for number in range(2):
        each_loop.call_soon(fail, SystemExit(number))
    for number in range(2):
        with pytest.raises(SystemExit) as caught:
            each_loop.run_forever()
        assert caught.value.code == number


def test_subclasses_of_exits_leave_too(each_loop: Loop) -> None:
    class Leave(SystemExit):
        pass

    each_loop.call_soon(fail, Leave(3))
    with pytest.raises(Leave):
        each_loop.run_forever()
