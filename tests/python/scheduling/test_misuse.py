"""Wrong uses of a loop raise an exception; they never abort or hang."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sys
import threading
import weakref
from typing import Any

import pytest
from conftest import Child
from support.running import Errors, nothing, refused_elsewhere, run_once, run_until

import qtloop

pytest_plugins = ["support.each_loop"]

Loop = asyncio.SelectorEventLoop


@pytest.fixture
def errors_of(loop: qtloop.QEventLoop) -> Errors:
    seen: Errors = []
    loop.set_exception_handler(lambda loop, context: seen.append(context))
    return seen


# In callbacks


def test_close_in_a_callback_raises_runtime_error(each_loop: Loop, errors: Errors) -> None:
    seen: list[str] = []
    each_loop.call_soon(each_loop.close)
    each_loop.call_soon(seen.append, "next")
    run_once(each_loop)
    (context,) = errors
    assert str(context["exception"]) == "Cannot close a running event loop"
    assert seen == ["next"]


def test_callbacks_may_call_stop_repeatedly(each_loop: Loop) -> None:
    for _ in range(5):
        for _ in range(10):
            each_loop.call_soon(each_loop.stop)
            each_loop.call_later(0, each_loop.stop)
        each_loop.run_forever()
    run_once(each_loop)


def test_endless_recursion_in_a_callback_is_reported(each_loop: Loop, errors: Errors) -> None:
    def dig() -> None:
        dig()

    seen: list[str] = []
    each_loop.call_soon(dig)
    each_loop.call_later(0, dig)
    each_loop.call_soon(seen.append, "next")
    run_until(each_loop, lambda: len(errors) == 2)
    assert [type(context["exception"]) for context in errors] == [RecursionError] * 2
    assert seen == ["next"]


def test_scheduling_without_room_on_the_stack_does_not_crash(each_loop: Loop) -> None:
    handles: list[asyncio.Handle] = []
    depths = [0]

    def dig() -> None:
        try:
            depths[0] += 1
            dig()
        except RecursionError:
            # The stack has room for some of these calls only; none may crash.
            for schedule in (each_loop.call_soon, each_loop.call_soon_threadsafe):
                handles.append(schedule(nothing))
            handles.append(each_loop.call_later(0, nothing))
            handles.pop().cancel()
            raise

    with pytest.raises(RecursionError):
        dig()
    assert depths[0] > 100
    assert handles
    run_once(each_loop)


def test_callback_may_run_the_collector_at_any_time(each_loop: Loop) -> None:
    class Knot:
        def __init__(self) -> None:
            self.me = self

        def __call__(self) -> None:
            gc.collect()

        def __del__(self) -> None:
            each_loop.call_soon(gone.append, 1)

    gone: list[int] = []
    for _ in range(5):
        each_loop.call_soon(Knot())
        each_loop.call_later(0, Knot())
    run_until(each_loop, lambda: gc.collect() >= 0 and len(gone) == 10)


# Wrong types and broken objects


def test_descriptor_objects_that_misbehave_are_refused(each_loop: Loop) -> None:
    class Odd:
        def __init__(self, answer: Any) -> None:
            self.answer = answer

        def fileno(self) -> Any:
            if isinstance(self.answer, BaseException):
                raise self.answer
            return self.answer

    for answer in (None, "x", -1, ValueError("odd"), TypeError("odd"), AttributeError("odd")):
        with pytest.raises(ValueError, match="Invalid file"):
            each_loop.add_reader(Odd(answer), nothing)
    with pytest.raises(LookupError):
        each_loop.add_writer(Odd(LookupError("odd")), nothing)


def test_uninitialised_handles_are_reported_as_errors(loop: Any) -> None:
    for made in (loop.call_soon(nothing), loop.call_later(60, nothing)):
        kind: Any = type(made)
        blank = kind.__new__(kind)
        with pytest.raises((RuntimeError, AttributeError)):
            blank.cancel()
        with pytest.raises(AttributeError):
            blank._run()
        made.cancel()
    with pytest.raises(TypeError):
        loop._add_callback("handle")
    with pytest.raises(TypeError):
        loop._add_callback(None)
    run_once(loop)


def test_handles_with_modified_attributes_are_reported_as_errors(
    loop: Any, errors_of: Errors
) -> None:
    handles = [loop.call_soon(nothing) for _ in range(3)]
    handles[0]._callback = None
    handles[1]._context = "context"
    handles[2]._args = [1, 2]  # as good as a tuple
    run_once(loop)
    assert [type(context["exception"]) for context in errors_of] == [TypeError, TypeError]


def test_callback_whose_repr_fails_does_not_end_the_loop(
    loop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Shy:
        def __call__(self) -> None:
            raise LookupError("on purpose")

        def __repr__(self) -> str:
            raise ValueError("no repr")

    seen: list[str] = []
    unraisable: list[BaseException | None] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda what: unraisable.append(what.exc_value))
    loop.call_soon(Shy())
    loop.call_soon(seen.append, "next")
    run_once(loop)
    assert seen == ["next"]
    # asyncio's own loop would raise it from the run; this one reports it and continues.
    assert [str(error) for error in unraisable] == ["no repr"]


def test_arguments_of_the_loop_itself_are_checked(app: Any) -> None:
    make: Any = qtloop.QEventLoop
    for wrong in ("app", 5, object()):
        with pytest.raises(TypeError, match="app must be a QCoreApplication or a QThread"):
            make(wrong)


# Threads


def test_loop_may_be_made_run_and_closed_in_three_threads(app: Any) -> None:
    results: list[object] = []

    def in_thread(function: Any) -> None:
        def call() -> None:
            try:
                results.append(function())
            except BaseException as error:
                results.append(error)

        thread = threading.Thread(target=call)
        thread.start()
        thread.join()

    in_thread(qtloop.QEventLoop)
    loop = results.pop()
    assert isinstance(loop, qtloop.QEventLoop)
    in_thread(lambda: loop.run_until_complete(asyncio.sleep(0.002, "run")))
    assert loop.run_until_complete(asyncio.sleep(0.002, "here")) == "here"
    in_thread(lambda: loop.run_until_complete(asyncio.sleep(0.002, "again")))
    in_thread(loop.close)
    assert results == ["run", "again", None]
    assert loop.is_closed()


def test_loop_may_be_collected_in_another_thread(app: Any) -> None:
    made: list[qtloop.QEventLoop] = []

    def make() -> None:
        made.append(qtloop.QEventLoop())
        made[0].run_until_complete(asyncio.sleep(0.001))
        made[0].call_later(60, nothing)

    for target in (make, lambda: (made.clear(), gc.collect())):
        if made:
            ref = weakref.ref(made[0])
        with pytest.warns(ResourceWarning) if made else contextlib.nullcontext():
            thread = threading.Thread(target=target)
            thread.start()
            thread.join()
    assert ref() is None


def test_running_loop_cannot_be_run_or_closed_from_another_thread(each_loop: Loop) -> None:
    async def main() -> list[str]:
        failures = refused_elsewhere(each_loop.run_forever, each_loop.close)
        assert each_loop.is_running()
        await asyncio.sleep(0.001)
        return failures

    if isinstance(each_loop, qtloop.QEventLoop):  # this breaks the loop of Python 3.13
        assert each_loop.run_until_complete(main()) == [
            "This event loop is already running",
            "Cannot close a running event loop",
        ]


# Resources


def test_loop_without_free_descriptors_raises_os_error(child: Child) -> None:
    program = """
        import gc, resource, warnings
        warnings.simplefilter("ignore", ResourceWarning)
        first = QEventLoop()
        first.run_until_complete(asyncio.sleep(0.001))
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        sys.unraisablehook = lambda what: None  # asyncio's own __del__ of a loop without its pipe
        loops = []
        try:
            while True:
                loops.append(QEventLoop())
        except OSError as error:
            print(error.errno == 24, len(loops) > 2)
        files = []
        try:
            while True:
                files.append(os.dup(0))
        except OSError:
            pass
        print(loops[-1].run_until_complete(asyncio.sleep(0.001, "runs")))
        for file in files:
            os.close(file)
        loops.pop(0).close()
        loops[-1].run_until_complete(asyncio.sleep(0.001))
        for loop in loops:
            loop.close()
        print(first.run_until_complete(asyncio.sleep(0.001, "well")))
        first.close()
    """
    assert child(program).stdout.split() == ["True", "True", "runs", "well"]


def test_huge_descriptor_numbers_use_no_memory(child: Child) -> None:
    program = """
        import resource
        loop = QEventLoop()
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))
        reading, writing = os.pipe()
        high = os.dup2(reading, min(limits[1], 1_000_000) - 1)
        resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
        for number in (2**31 - 1, 2**30, 10**6):
            try:
                loop.add_reader(number, print)
            except OSError as error:
                print(error.errno == 9)
        loop.add_reader(high, lambda: [print(os.read(high, 9)), loop.stop()])
        os.write(writing, b"x")
        loop.run_forever()
        loop.close()
    """
    assert child(program).stdout.split() == ["True", "True", "True", "b'x'"]
