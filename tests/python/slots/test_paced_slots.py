"""`throttle` and `debounce` as slots; their exceptions, threads, loops and wrong arguments."""

from __future__ import annotations

import asyncio
import gc
import math
import sys
import threading
import weakref
from typing import Any

import pytest
from support.pace import FOREVER, Log, Meter
from support.running import run_until
from support.slots import QtWidgets, Sender, run

import qtloop

pytest_plugins = ["support.pace"]
pytestmark = pytest.mark.usefixtures("no_excepthook")


def test_slot_gets_the_arguments_that_it_takes(loop: qtloop.QEventLoop) -> None:
    async def main() -> None:
        emissions: list[tuple[str, Any, object]] = [
            ("debounced", lambda sender: sender.clicked.emit(True), True),
            ("takes_none", lambda sender: sender.clicked.emit(True), ()),
            ("slot_above", lambda sender: sender.edited.emit("text"), "text"),
            ("slot_below", lambda sender: sender.edited.emit("text"), "text"),
        ]
        for method, emit, expected in emissions:
            meter, sender = Meter(), Sender()
            signal = sender.edited if method.startswith("slot") else sender.clicked
            signal.connect(getattr(meter, method))
            for _ in range(3):
                emit(sender)
            assert await meter.log.until(1) == [expected]
            signal.disconnect(getattr(meter, method))
            emit(sender)
            assert not getattr(meter, method).pending

    run(loop, main())


def test_function_is_a_slot(loop: qtloop.QEventLoop) -> None:
    async def main() -> None:
        sender, log, lines = Sender(), Log(), []
        everything = qtloop.throttle(FOREVER)(log)
        first = qtloop.throttle(FOREVER)(lambda value: lines.append(value))
        sender.moved.connect(everything)
        sender.moved.connect(first)
        for number in range(3):
            sender.moved.emit(number, str(number))
        everything.flush()
        first.flush()
        assert (log.runs, lines) == ([(0, "0"), (2, "2")], [0, 2])

    run(loop, main())


def test_signal_of_another_thread_runs_a_method_on_the_thread_of_its_object(
    loop: qtloop.QEventLoop,
) -> None:
    async def main() -> None:
        threads = []

        class Here(Meter):
            @qtloop.debounce(0.001)
            def debounced(self, value: bool) -> None:
                threads.append(threading.current_thread())
                self.log(value)

        here, sender = Here(), Sender()
        sender.clicked.connect(here.debounced)
        await asyncio.to_thread(sender.clicked.emit, True)
        await here.log.until(1)
        assert threads == [threading.current_thread()]

    run(loop, main())


def test_values_that_a_signal_lends_are_copied(loop: qtloop.QEventLoop) -> None:
    async def main() -> None:
        log = Log()
        rows = qtloop.debounce(0.001)(lambda new: log([each.row() for each in new.indexes()]))
        table = QtWidgets.QTableWidget(3, 1)
        table.selectionModel().selectionChanged.connect(rows)
        table.selectRow(1)
        table.selectRow(2)
        assert await log.until(1) == [[2]]

    run(loop, main())


def fail(_: int) -> None:
    raise ValueError("the call failed")


def test_exception_of_a_call_at_once_is_raised_and_of_a_later_one_reported(
    loop: qtloop.QEventLoop, reports: list[Any]
) -> None:
    async def main() -> None:
        paced = qtloop.throttle(0.001)(fail)
        with pytest.raises(ValueError, match="the call failed"):
            paced(1)
        paced(2)
        while not reports:
            await asyncio.sleep(0)
        paced(3)  # it is not disturbed
        with pytest.raises(ValueError, match="the call failed"):
            paced(4)
            paced.flush()

    run(loop, main())
    (report,) = reports
    assert (report["message"], str(report["exception"])) == (
        "Exception in a Qt slot",
        "the call failed",
    )
    reports.clear()


def test_hook_of_the_program_gets_the_exception(
    loop: qtloop.QEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        qtloop.debounce(0.001)(fail)(1)
        await hooked.wait()

    hooked, errors = asyncio.Event(), []

    def hook(kind: type[BaseException], *_: object) -> None:
        errors.append(kind)
        hooked.set()

    monkeypatch.setattr(sys, "excepthook", hook)
    run(loop, main())
    assert errors == [ValueError]


def test_close_drops_the_pending_call_silently(app: Any) -> None:
    log, arguments = Log(), [Sender()]
    paced, meter = qtloop.throttle(FOREVER)(log), Meter()
    reference = weakref.ref(arguments[0])
    with qtloop.QEventLoop(app) as loop:

        async def main() -> None:
            paced(1)
            paced(arguments.pop())
            meter.debounced(True)

        run(loop, main())
        assert paced.pending and meter.debounced.pending
    assert not paced.pending and not meter.debounced.pending
    gc.collect()
    assert reference() is None
    paced.flush()
    paced.cancel()
    with qtloop.QEventLoop(app) as loop:  # it serves the next loop

        async def again() -> None:
            paced(3)

        run(loop, again())
    assert log.runs == [1, 3]


def test_pending_call_moves_to_the_loop_that_calls_next(app: Any) -> None:
    async def first() -> None:
        paced(1)

    async def second() -> None:
        paced(2)
        assert await log.until(1) == [2]

    log = Log()
    paced = qtloop.debounce(0.001)(log)
    with qtloop.QEventLoop(app) as one, qtloop.QEventLoop(app) as other:
        run(one, first())
        run(other, second())
        assert one._close_callbacks == set()
        run_until(other, lambda: not other._close_callbacks)  # the function is idle again


def test_call_without_a_loop_names_the_cure(app: Any) -> None:
    with pytest.raises(RuntimeError, match=r"qtloop\.run\(main\(\)\)"):
        qtloop.throttle(1)(fail)(1)


def test_call_on_another_thread_names_the_cure(loop: qtloop.QEventLoop) -> None:
    async def main() -> None:
        log = Log()
        paced = qtloop.debounce(FOREVER)(log)

        def call(method: Any, *args: Any) -> str:
            with pytest.raises(RuntimeError) as error:
                method(*args)
            return str(error.value)

        async def elsewhere(method: Any, *args: Any) -> str:
            async def within() -> str:
                return call(method, *args)

            return await asyncio.to_thread(asyncio.run, within())

        assert "no event loop is running" in await asyncio.to_thread(call, paced, 1)
        paced(2)
        for method, args in ((paced, (1,)), (paced.cancel, ()), (paced.flush, ())):
            assert "call_soon_threadsafe" in await elsewhere(method, *args)
        await asyncio.to_thread(loop.call_soon_threadsafe, paced, 3)
        await asyncio.to_thread(loop.call_soon_threadsafe, paced.flush)
        assert await log.until(1) == [3]

    run(loop, main())


def test_instance_may_be_deleted_on_another_thread(loop: qtloop.QEventLoop) -> None:
    class Plain:
        @qtloop.throttle(FOREVER)
        def method(self) -> None: ...

    async def main() -> None:
        plain = [Plain()]
        plain[0].method()
        plain[0].method()
        reference = weakref.ref(plain[0])
        await asyncio.to_thread(plain.clear)
        while loop._close_callbacks:
            await asyncio.sleep(0)
        assert reference() is None

    run(loop, main())


throttle: Any = qtloop.throttle  # wrong types are passed below
debounce: Any = qtloop.debounce


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: throttle(-1), ValueError, "not negative"),
        (lambda: debounce(math.nan), ValueError, "finite"),
        (lambda: debounce(math.inf), ValueError, "finite"),
        (lambda: debounce(1, max_wait=-1), ValueError, "max_wait"),
        (lambda: debounce(1, max_wait=0.5), ValueError, "raise max_wait"),
        (lambda: throttle(1, False, False), ValueError, "leave out one of the two"),
        (lambda: throttle(fail), TypeError, r"write `@qtloop\.throttle\(0\.05\)`"),
        (lambda: debounce("1"), TypeError, "number of seconds"),
        (lambda: debounce(True), TypeError, "number of seconds"),
        (lambda: debounce(1)(3), TypeError, "takes a function"),
    ],
)
def test_wrong_argument_names_the_cure(make: Any, error: Any, words: str) -> None:
    with pytest.raises(error, match=words):
        make()
