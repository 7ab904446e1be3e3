"""`loop.add_instrument()`: which methods are called for tasks, in which order, and on what errors."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from support.running import Errors, in_thread, nothing, refused_elsewhere, run_once

import qtloop
from qtloop._instruments import METHODS

from_3_12 = pytest.mark.skipif(sys.version_info < (3, 12), reason="asyncio has this from 3.12 on")


class Log:
    """Notes each call of a task's method as (method, name of the task)."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []

    def _note(self, method: str, task: asyncio.Task[Any]) -> None:
        self.calls.append((method, task.get_name()))

    def task_spawned(self, task: asyncio.Task[Any]) -> None:
        self._note("spawned", task)

    def task_scheduled(self, task: asyncio.Task[Any]) -> None:
        self._note("scheduled", task)

    def before_task_step(self, task: asyncio.Task[Any]) -> None:
        self._note("before", task)

    def after_task_step(self, task: asyncio.Task[Any]) -> None:
        self._note("after", task)

    def task_exited(self, task: asyncio.Task[Any]) -> None:
        self._note("exited", task)

    def of(self, name: str) -> list[str]:
        """The calls for the tasks of this name."""
        return [method for method, task in self.calls if task == name]


class Waits:
    """Notes the waits."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, float | None]] = []

    def before_io_wait(self, timeout: float | None) -> None:
        self.calls.append(("before", timeout))

    def after_io_wait(self, timeout: float | None) -> None:
        self.calls.append(("after", timeout))


def on(**methods: Callable[..., object]) -> Any:
    """Makes an instrument of functions."""
    return type("Instrument", (), {name: staticmethod(call) for name, call in methods.items()})()


@pytest.fixture
def log(loop: qtloop.QEventLoop) -> Log:
    log = Log()
    loop.add_instrument(log)
    return log


# A step that waits for a future, one that yields, and the last one.
STEP = ["scheduled", "before", "after"]
YIELD = ["before", "scheduled", "after"]
LAST_STEP = ["scheduled", "before", "exited", "after"]


# The order of the calls


async def yields(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def test_log_shows_when_a_task_is_created_ready_started_and_finished(
    loop: qtloop.QEventLoop, log: Log
) -> None:
    async def main() -> None:
        await loop.create_task(yields(0), name="child")

    task = loop.create_task(main(), name="main")
    assert log.calls == [("spawned", "main"), ("scheduled", "main")]
    loop.run_until_complete(task)
    assert log.calls == [
        ("spawned", "main"),
        ("scheduled", "main"),
        ("before", "main"),
        ("spawned", "child"),
        ("scheduled", "child"),
        ("after", "main"),
        ("before", "child"),
        ("scheduled", "main"),
        ("exited", "child"),
        ("after", "child"),
        ("before", "main"),
        ("exited", "main"),
        ("after", "main"),
    ]


def test_order_for_one_task_is_that_of_trio(loop: qtloop.QEventLoop, log: Log) -> None:
    trio = pytest.importorskip("trio")

    class TrioLog(Log):
        def _note(self, method: str, task: Any) -> None:
            self.calls.append((method, task.name.rpartition(".")[2]))

    async def worker() -> None:
        await trio.sleep(0.001)

    theirs = type("TrioInstrument", (TrioLog, trio.abc.Instrument), {})()
    trio.run(worker, instruments=[theirs])
    loop.run_until_complete(loop.create_task(asyncio.sleep(0.001), name="worker"))
    assert log.of("worker") == theirs.of("worker")


def test_each_step_is_reported_once(loop: qtloop.QEventLoop, log: Log) -> None:
    loop.run_until_complete(loop.create_task(yields(3), name="task"))
    assert log.of("task") == ["spawned", "scheduled", *YIELD, *YIELD, *YIELD, *LAST_STEP[1:]]


def test_task_that_waits_for_a_future_is_scheduled_when_that_is_done(
    loop: qtloop.QEventLoop, log: Log
) -> None:
    async def waits(future: asyncio.Future[None]) -> None:
        await future

    future = loop.create_future()
    task = loop.create_task(waits(future), name="task")
    run_once(loop)
    assert log.of("task") == ["spawned", *STEP]
    future.set_result(None)
    assert log.of("task") == ["spawned", *STEP, "scheduled"]
    loop.run_until_complete(task)
    assert log.of("task") == ["spawned", *STEP, *LAST_STEP]


def test_steps_of_a_task_and_of_a_task_inside_it_are_nested(
    loop: qtloop.QEventLoop, log: Log
) -> None:
    async def outer() -> None:
        loop.create_task(yields(0), name="inner")
        asyncio.current_task().set_name("outer")  # type: ignore[union-attr]
        loop._run_batch()  # as a Qt loop inside of this step does

    loop.run_until_complete(loop.create_task(outer(), name="outer"))
    assert log.calls[2:] == [
        ("before", "outer"),
        ("spawned", "inner"),
        ("scheduled", "inner"),
        ("before", "inner"),
        ("exited", "inner"),
        ("after", "inner"),
        ("exited", "outer"),
        ("after", "outer"),
    ]


def test_step_that_is_deferred_is_reported_when_it_runs(loop: qtloop.QEventLoop, log: Log) -> None:
    async def main() -> None:
        context = asyncio.current_task().get_context()  # type: ignore[union-attr]
        task = loop.create_task(yields(0), name="same context", context=context)
        loop._run_batch()  # it cannot run here: this step has entered its context
        assert log.of("same context") == ["spawned", "scheduled"]
        await task

    if sys.version_info < (3, 12):
        pytest.skip("tasks with a context have no get_context() here")
    loop.run_until_complete(main())
    assert log.of("same context") == ["spawned", *LAST_STEP]


# Each way in which tasks are made and end


def test_task_cancelled_before_its_first_step_exits(loop: qtloop.QEventLoop, log: Log) -> None:
    task = loop.create_task(yields(9), name="task")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        loop.run_until_complete(task)
    assert log.of("task") == ["spawned", *LAST_STEP]


def test_task_that_raises_an_exception_exits(loop: qtloop.QEventLoop, log: Log) -> None:
    async def fails() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        loop.run_until_complete(loop.create_task(fails(), name="task"))
    assert log.of("task") == ["spawned", *LAST_STEP]


def test_task_that_is_made_directly_is_spawned(loop: qtloop.QEventLoop, log: Log) -> None:
    loop.run_until_complete(asyncio.Task(yields(0), loop=loop, name="task"))
    assert log.of("task") == ["spawned", *LAST_STEP]


def test_task_of_a_factory_is_spawned_once(loop: qtloop.QEventLoop, log: Log) -> None:
    def factory(loop: Any, coro: Any, **kwargs: Any) -> asyncio.Task[Any]:
        return asyncio.Task(coro, loop=loop, **kwargs)

    loop.set_task_factory(factory)
    task = loop.create_task(yields(0))
    task.set_name("task")
    loop.run_until_complete(task)
    assert log.of("task") == LAST_STEP[1:]
    assert [method for method, _ in log.calls].count("spawned") == 1


def test_task_of_a_class_in_python_is_reported(loop: qtloop.QEventLoop, log: Log) -> None:
    python_task: Any = asyncio.tasks._PyTask  # type: ignore[attr-defined]
    loop.run_until_complete(python_task(yields(2), loop=loop, name="task"))
    assert log.of("task") == ["spawned", "scheduled", *YIELD, *YIELD, *LAST_STEP[1:]]


@from_3_12
def test_eager_task_is_spawned_when_it_was_made(loop: qtloop.QEventLoop, log: Log) -> None:
    async def main() -> None:
        loop.create_task(yields(0), name="completes")
        assert log.of("completes") == ["spawned", "exited"]
        task = loop.create_task(asyncio.sleep(0.001), name="waits")
        assert log.of("waits") == ["spawned"]
        await task
        before = len(log.calls)
        await asyncio.create_task(yields(1))  # the factory makes it, and create_task() names it
        methods = [method for method, task in log.calls[before:] if task != "main"]
        assert methods == ["spawned", *LAST_STEP]

    main_task = loop.create_task(main(), name="main")
    loop.set_task_factory(asyncio.eager_task_factory)
    loop.run_until_complete(main_task)
    assert log.of("waits") == ["spawned", *LAST_STEP]


def test_task_that_starts_in_its_slot_is_spawned(loop: qtloop.QEventLoop, log: Log) -> None:
    from qtloop._eager_task import start

    async def main() -> None:
        start(loop, yields(0), name="completes")
        assert log.of("completes") == ["spawned", "exited"]
        await start(loop, asyncio.sleep(0.001), name="waits")

    loop.run_until_complete(main())
    assert log.of("waits") == ["spawned", *LAST_STEP]


def test_wake_up_by_another_thread_is_reported(loop: qtloop.QEventLoop, log: Log) -> None:
    async def main() -> None:
        future = loop.create_future()
        in_thread(lambda: loop.call_soon_threadsafe(future.set_result, None)).join()
        await future

    loop.run_until_complete(loop.create_task(main(), name="main"))
    assert log.of("main") == ["spawned", *STEP, *LAST_STEP]


def test_step_that_another_thread_sends_is_reported_before_it_runs(
    loop: qtloop.QEventLoop, log: Log
) -> None:
    made: list[asyncio.Task[None]] = []

    async def main() -> None:
        thread = in_thread(lambda: made.append(_task_of_another_thread(loop, yields(0))))
        thread.join()
        await made[0]

    loop.run_until_complete(main())
    assert log.of("sent") == ["spawned", *LAST_STEP]


def _task_of_another_thread(loop: Any, coro: Any) -> asyncio.Task[None]:
    """Makes a task whose first step is sent by `call_soon_threadsafe()`."""

    class Sends(asyncio.Task):  # type: ignore[type-arg]
        pass

    soon = loop.call_soon
    loop.call_soon = loop.call_soon_threadsafe
    try:
        return Sends(coro, loop=loop, name="sent")
    finally:
        loop.call_soon = soon


# When an instrument is added and removed


def test_tasks_that_exist_are_not_spawned(loop: qtloop.QEventLoop) -> None:
    log = Log()

    async def main() -> None:
        other = loop.create_task(yields(2), name="other")
        loop.add_instrument(log)
        await asyncio.sleep(0)
        await other
        loop.create_task(yields(0), name="new")
        await asyncio.sleep(0)

    loop.run_until_complete(loop.create_task(main(), name="main"))
    assert log.of("main")[:3] == STEP
    assert log.of("main")[-2:] == ["exited", "after"]
    assert "spawned" not in log.of("main") + log.of("other")
    assert log.of("new") == ["spawned", *LAST_STEP]


def test_removed_instrument_is_not_called_any_more(loop: qtloop.QEventLoop) -> None:
    log = Log()

    async def main() -> None:
        loop.add_instrument(log)
        await asyncio.sleep(0)
        loop.remove_instrument(log)
        await asyncio.sleep(0)

    loop.run_until_complete(loop.create_task(main(), name="main"))
    assert log.of("main") == ["scheduled", "before"]
    loop.add_instrument(log)
    loop.run_until_complete(loop.create_task(yields(0), name="again"))
    assert log.of("again") == ["spawned", *LAST_STEP]


def test_instruments_are_called_in_the_order_in_which_they_were_added(
    loop: qtloop.QEventLoop,
) -> None:
    calls: list[int] = []
    for number in range(3):
        loop.add_instrument(on(task_spawned=lambda task, number=number: calls.append(number)))
    loop.run_until_complete(yields(0))
    assert calls == [0, 1, 2]


def test_instrument_that_is_added_twice_is_called_once(loop: qtloop.QEventLoop, log: Log) -> None:
    loop.add_instrument(log)
    loop.run_until_complete(loop.create_task(yields(0), name="task"))
    assert log.of("task") == ["spawned", *LAST_STEP]
    loop.remove_instrument(log)
    with pytest.raises(KeyError):
        loop.remove_instrument(log)


def test_methods_are_looked_up_once(loop: qtloop.QEventLoop) -> None:
    looked_up: list[str] = []

    class Instrument:
        def __getattr__(self, name: str) -> Any:
            looked_up.append(name)
            if name != "task_exited":
                raise AttributeError(name)
            return nothing

    loop.add_instrument(Instrument())
    loop.run_until_complete(yields(3))
    assert looked_up == list(METHODS)


def test_object_without_a_method_of_instruments_is_refused(loop: qtloop.QEventLoop) -> None:
    with pytest.raises(TypeError) as raised:
        loop.add_instrument(on(task_started=nothing))
    assert str(raised.value).endswith(f"has none of these methods: {', '.join(METHODS)}")


def test_attribute_that_is_no_method_is_refused(loop: qtloop.QEventLoop) -> None:
    with pytest.raises(TypeError, match="task_exited of the instrument"):
        loop.add_instrument(type("I", (), {"task_exited": 5, "task_spawned": nothing})())


def test_method_that_is_none_is_missing(loop: qtloop.QEventLoop) -> None:
    loop.add_instrument(type("I", (), {"task_exited": nothing, "task_spawned": None})())
    loop.run_until_complete(yields(1))


def test_unknown_instrument_cannot_be_removed(loop: qtloop.QEventLoop, log: Log) -> None:
    other = Log()
    with pytest.raises(KeyError) as raised:
        loop.remove_instrument(other)
    assert raised.value.args == (other,)


def test_closed_loop_refuses_an_instrument_and_lets_one_be_removed(app: object) -> None:
    loop, log = qtloop.QEventLoop(), Log()
    loop.add_instrument(log)
    loop.close()
    with pytest.raises(RuntimeError, match="Event loop is closed"):
        loop.add_instrument(Log())
    loop.remove_instrument(log)


def test_other_threads_are_refused(loop: qtloop.QEventLoop, log: Log) -> None:
    async def main() -> list[str]:
        return refused_elsewhere(
            lambda: loop.add_instrument(Log()), lambda: loop.remove_instrument(log)
        )

    texts = loop.run_until_complete(main())
    assert len(texts) == 2
    assert all("use loop.call_soon_threadsafe()" in text for text in texts)
    loop.remove_instrument(log)


def test_steps_in_debug_mode_are_reported(loop: qtloop.QEventLoop, log: Log) -> None:
    loop.set_debug(True)
    loop.run_until_complete(loop.create_task(yields(0), name="task"))
    assert log.of("task") == ["spawned", *LAST_STEP]


# Calls of the loop by instruments


def test_instrument_may_make_and_cancel_tasks(loop: qtloop.QEventLoop, reports: Errors) -> None:
    made: list[asyncio.Task[None]] = []

    def spawned(task: asyncio.Task[Any]) -> None:
        if task.get_name() == "watched":
            made.append(loop.create_task(yields(9), name="made"))
            task.cancel()

    def before(task: asyncio.Task[Any]) -> None:
        if task.get_name() == "made":
            task.cancel()

    async def main() -> None:
        watched = loop.create_task(yields(9), name="watched")
        with contextlib.suppress(asyncio.CancelledError):
            await watched
        await asyncio.wait(made)
        assert watched.cancelled()

    loop.add_instrument(on(task_spawned=spawned, before_task_step=before))
    loop.run_until_complete(main())
    assert len(made) == 1
    assert made[0].cancelled()


@pytest.mark.parametrize("method", METHODS)
def test_instrument_may_use_the_loop_in_each_method(
    loop: qtloop.QEventLoop, reports: Errors, method: str
) -> None:
    seen: list[object] = []

    def use(_: object) -> None:
        if not seen:
            seen.append("used")
            assert loop is asyncio.get_running_loop()
            loop.stats()
            loop.call_soon(seen.append, "called")
            loop.call_later(0, seen.append, "timer")
            loop.create_task(yields(1)).add_done_callback(seen.append)
            loop.remove_instrument(instrument)
            loop.add_instrument(other)

    async def main() -> None:
        await asyncio.sleep(0.01)
        task = asyncio.create_task(yields(1))
        await task
        while len(seen) < 4:
            await asyncio.sleep(0.001)

    other = Log()
    instrument = on(**{method: use})
    loop.call_soon(lambda: loop.add_instrument(instrument))
    loop.run_until_complete(main())
    assert seen[0] == "used"
    assert {"called", "timer"} < set(seen)
    assert other.calls
    loop.remove_instrument(other)


def test_task_that_an_instrument_makes_before_a_wait_runs(loop: qtloop.QEventLoop) -> None:
    made: list[asyncio.Task[None]] = []

    def before_io_wait(timeout: float | None) -> None:
        if not made:
            made.append(loop.create_task(yields(1)))
            made[0].add_done_callback(lambda _: loop.stop())

    loop.add_instrument(on(before_io_wait=before_io_wait))
    loop.run_forever()
    assert made[0].done()


# Errors of instruments


@pytest.mark.parametrize("method", METHODS)
def test_instrument_that_raises_is_reported_and_removed(
    loop: qtloop.QEventLoop, reports: Errors, method: str
) -> None:
    calls: list[object] = []

    def fails(argument: object) -> None:
        calls.append(argument)
        raise LookupError(method)

    instrument = on(**{method: fails})
    loop.add_instrument(instrument)
    log = Log()
    loop.add_instrument(log)
    loop.run_until_complete(loop.create_task(asyncio.sleep(0.01), name="task"))
    assert log.of("task") == ["spawned", *STEP, *LAST_STEP]
    assert len(calls) == 1
    (report,) = reports
    reports.clear()
    assert report["message"] == f"Exception in {method}() of an instrument, which was removed"
    assert isinstance(report["exception"], LookupError)
    assert report["instrument"] is instrument
    with pytest.raises(KeyError):
        loop.remove_instrument(instrument)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_interrupt_in_an_instrument_stops_the_loop(
    app: object, method: str, error: type[BaseException]
) -> None:
    raised: list[object] = []

    def interrupts(argument: object) -> None:
        if not raised:
            raised.append(argument)
            raise error("in an instrument")

    async def main(loop: qtloop.QEventLoop) -> None:
        loop.add_instrument(on(**{method: interrupts}))
        asyncio.create_task(yields(0))  # noqa: RUF006
        while True:
            await asyncio.sleep(0.01)

    with qtloop.QEventLoop() as loop:
        with pytest.raises(error, match="in an instrument"):
            loop.run_until_complete(main(loop))
    assert raised


def test_instrument_that_calls_itself_for_ever_is_removed(
    loop: qtloop.QEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spawned(_: object) -> None:
        loop.create_task(yields(0))

    # The stack may have no room for the report.
    monkeypatch.setattr(sys, "unraisablehook", nothing)
    loop.set_exception_handler(nothing)
    instrument = on(task_spawned=spawned)
    loop.add_instrument(instrument)
    loop.run_until_complete(yields(0))
    with pytest.raises(KeyError):
        loop.remove_instrument(instrument)


# Waits


def test_wait_for_a_timer_is_reported_with_its_time(loop: qtloop.QEventLoop) -> None:
    waits = Waits()
    loop.add_instrument(waits)
    loop.run_until_complete(asyncio.sleep(0.05))
    loop.remove_instrument(waits)
    before, after = waits.calls[:2]
    assert before[0] == "before"
    assert before[1] is not None
    assert 0 < before[1] <= 0.05
    assert after == ("after", before[1])
    assert [name for name, _ in waits.calls] == ["before", "after"] * (len(waits.calls) // 2)


def test_wait_without_a_timer_has_no_time(loop: qtloop.QEventLoop) -> None:
    waits = Waits()

    async def main() -> None:
        future = loop.create_future()
        started = threading.Event()

        def send() -> None:
            started.wait(30)
            loop.call_soon_threadsafe(future.set_result, None)

        loop.add_instrument(waits)
        loop.add_instrument(on(before_io_wait=lambda _: started.set()))
        thread = in_thread(send)
        await future
        thread.join()

    loop.run_until_complete(main())
    assert waits.calls == [("before", None), ("after", None)]


def test_turns_with_ready_callbacks_do_not_wait(loop: qtloop.QEventLoop) -> None:
    waits = Waits()
    loop.turn_budget = 0
    loop.add_instrument(waits)
    loop.run_until_complete(yields(50))
    assert waits.calls == []


def test_wait_of_an_instrument_that_is_added_during_it_is_not_reported(
    loop: qtloop.QEventLoop,
) -> None:
    waits = Waits()
    added: list[float | None] = []

    def before_io_wait(timeout: float | None) -> None:
        if not added:
            added.append(timeout)
            loop.add_instrument(waits)

    loop.add_instrument(on(before_io_wait=before_io_wait))
    loop.run_until_complete(asyncio.sleep(0.02))
    assert waits.calls[:1] != [("after", added[0])]


# Memory


def test_loop_with_an_instrument_that_refers_to_it_is_collected(app: object) -> None:
    class Instrument:
        def __init__(self, loop: qtloop.QEventLoop) -> None:
            self.loop = loop

        def task_spawned(self, task: object) -> None: ...

    def make() -> tuple[weakref.ref[Any], weakref.ref[Any]]:
        loop = qtloop.QEventLoop()
        instrument = Instrument(loop)
        loop.add_instrument(instrument)
        loop.run_until_complete(yields(1))
        loop.close()
        return weakref.ref(loop), weakref.ref(instrument)

    loop, instrument = make()
    gc.collect()
    assert loop() is None
    assert instrument() is None


def test_loop_with_an_instrument_whose_callback_refers_to_it_is_collected(app: object) -> None:
    def make() -> weakref.ref[Any]:
        loop = qtloop.QEventLoop()

        class Callback:
            def __call__(self) -> qtloop.QEventLoop:
                return loop

        loop.add_instrument(on(task_spawned=nothing))
        loop.call_soon(Callback())
        loop.run_until_complete(yields(1))
        return weakref.ref(loop)

    with pytest.warns(ResourceWarning, match="unclosed event loop"):
        reference = make()
        gc.collect()
    assert reference() is None


def test_task_is_freed_although_an_instrument_has_seen_it(
    loop: qtloop.QEventLoop,
) -> None:
    loop.add_instrument(on(task_exited=nothing, after_task_step=nothing))
    task = loop.create_task(yields(2))
    freed = weakref.ref(task)
    loop.run_until_complete(task)
    del task
    assert freed() is None


def test_new_task_at_the_address_of_a_lost_one_is_spawned(
    loop: qtloop.QEventLoop, log: Log, reports: Errors
) -> None:
    for _ in range(200):
        loop.create_task(_forever(loop), name="lost")
        run_once(loop)
        gc.collect()
        reports.clear()  # it was destroyed while it was pending
    assert log.of("lost") == ["spawned", *STEP] * 200


@from_3_12
def test_new_eager_task_at_the_address_of_a_lost_one_is_spawned(
    loop: qtloop.QEventLoop, log: Log, reports: Errors
) -> None:
    for number in range(50):
        loop.create_task(_forever(loop), name="lost")
        run_once(loop)
        gc.collect()
        reports.clear()  # it was destroyed while it was pending
        loop.set_task_factory(asyncio.eager_task_factory)
        loop.run_until_complete(_make(loop, f"eager {number}"))
        loop.set_task_factory(None)
    for number in range(50):
        assert log.of(f"eager {number}") == ["spawned", *LAST_STEP]


async def _make(loop: qtloop.QEventLoop, name: str) -> None:
    await loop.create_task(asyncio.sleep(0.001), name=name)


async def _forever(loop: qtloop.QEventLoop) -> None:
    await loop.create_future()
