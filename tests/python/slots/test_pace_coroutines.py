"""`throttle` and `debounce` of coroutine functions, alone and together with `asyncSlot`."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import Any

import pytest
from support.pace import FOREVER
from support.slots import QObject, Sender, destroy, run

import qtloop

pytest_plugins = ["support.pace"]
pytestmark = pytest.mark.usefixtures("no_excepthook")


class Work:
    """The work of a coroutine function: it records its steps, and ends when `go` is set."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.go = asyncio.Event()
        self._changed = asyncio.Event()

    def note(self, text: str) -> None:
        self.log.append(text)
        self._changed.set()

    async def __call__(self, text: str) -> str:
        self.note(f"{text} begins")
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            self.note(f"{text} has cleaned up")
            raise
        self.note(f"{text} ends")
        return text

    async def until(self, text: str) -> list[str]:
        while text not in self.log:
            self._changed.clear()
            await self._changed.wait()
        return self.log


def test_throttled_run_waits_for_the_one_before(loop: qtloop.QEventLoop) -> None:
    async def main() -> None:
        work = Work()
        paced = qtloop.throttle(0.001)(work.__call__)
        paced("a")
        paced("b")
        while paced._state._timer is not None:
            await asyncio.sleep(0)
        assert (work.log, paced.pending) == (["a begins"], True)
        paced("c")  # the last arguments win, although "b" is due
        work.go.set()
        assert await work.until("c ends") == ["a begins", "a ends", "c begins", "c ends"]

    run(loop, main())


def test_first_call_after_the_interval_waits_for_the_run_before(loop: qtloop.QEventLoop) -> None:
    async def main() -> None:
        work = Work()
        paced, dropping = (
            qtloop.throttle(0.001, True, last)(work.__call__) for last in (True, False)
        )
        for each in (paced, dropping):
            each("a")
            while each._state._timer is not None:
                await asyncio.sleep(0)
            each("b")
        assert (work.log, paced.pending, dropping.pending) == (["a begins"] * 2, True, False)
        work.go.set()
        await work.until("b ends")
        assert work.log == ["a begins"] * 2 + ["a ends"] * 2 + ["b begins", "b ends"]

    run(loop, main())


@pytest.mark.parametrize("leading", [False, True])
def test_debounced_run_cancels_the_one_before_and_starts_when_it_has_cleaned_up(
    loop: qtloop.QEventLoop, leading: bool
) -> None:
    async def main() -> None:
        work = Work()
        paced = qtloop.debounce(0.001, leading)(work.__call__)
        paced("a")
        await work.until("a begins")
        while paced._state._timer is not None:
            await asyncio.sleep(0)
        paced("b")
        await work.until("b begins")
        work.go.set()
        assert await work.until("b ends") == [
            "a begins",
            "a has cleaned up",
            "b begins",
            "b ends",
        ]

    run(loop, main())


def test_call_during_the_clean_up_replaces_the_call_that_waits(loop: qtloop.QEventLoop) -> None:
    async def main() -> None:
        work = Work()
        paced = qtloop.debounce(0.001)(work.__call__)
        paced("a")
        await work.until("a begins")
        paced("b")
        paced.flush()
        paced("c")
        assert await work.until("c begins") == ["a begins", "a has cleaned up", "c begins"]
        work.go.set()
        await work.until("c ends")

    run(loop, main())


def test_cancel_keeps_the_run_and_drops_the_call_that_waits_for_it(
    loop: qtloop.QEventLoop,
) -> None:
    async def main() -> None:
        work = Work()
        paced = qtloop.throttle(FOREVER)(work.__call__)
        first = paced("a")
        paced("b")
        paced.flush()
        assert paced.pending
        paced.cancel()
        assert (paced.pending, loop._close_callbacks) == (False, set())
        work.go.set()
        assert await first == "a"
        assert work.log == ["a begins", "a ends"]

    run(loop, main())


def test_awaited_call_gives_its_result_or_is_cancelled(loop: qtloop.QEventLoop) -> None:
    async def main() -> None:
        work = Work()
        work.go.set()
        paced = qtloop.debounce(FOREVER)(work.__call__)

        async def wait(text: str) -> str:
            return await paced(text)

        tasks = [asyncio.ensure_future(wait(text)) for text in "abc"]
        await asyncio.sleep(0)
        paced.flush()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(each) for each in results] == [asyncio.CancelledError] * 2 + [str]
        dropped = paced("d")
        paced.cancel()
        with pytest.raises(asyncio.CancelledError):
            await dropped

    run(loop, main())


def test_cancelled_waiter_cancels_its_call(loop: qtloop.QEventLoop) -> None:
    async def main() -> None:
        work = Work()
        paced = qtloop.debounce(FOREVER)(work.__call__)

        async def wait(text: str) -> str:
            return await paced(text)

        task = asyncio.ensure_future(wait("a"))
        await asyncio.sleep(0)
        assert paced.pending
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not paced.pending
        task = asyncio.ensure_future(wait("b"))
        await asyncio.sleep(0)
        paced.flush()
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert work.log == ["b begins", "b has cleaned up"]

    run(loop, main())


@pytest.mark.parametrize("at_once", [True, False])
def test_exception_is_raised_by_the_awaitable_or_reported(
    loop: qtloop.QEventLoop, reports: list[Any], at_once: bool
) -> None:
    @qtloop.debounce(0, leading=at_once)
    async def fails() -> None:
        if not at_once:
            await asyncio.sleep(0)
        raise ValueError("the coroutine failed")

    async def main() -> None:
        with pytest.raises(ValueError, match="the coroutine failed"):
            await fails()
        while fails._state._timer is not None:
            await asyncio.sleep(0)
        assert reports == []
        fails()
        while not reports:
            await asyncio.sleep(0)

    run(loop, main())
    assert [str(each["exception"]) for each in reports] == ["the coroutine failed"]
    reports.clear()


def test_arguments_that_do_not_fit_are_reported(
    loop: qtloop.QEventLoop, reports: list[Any]
) -> None:
    @qtloop.debounce(0)
    async def takes_one(_: object) -> None: ...

    async def main() -> None:
        takes_one()  # type: ignore[call-arg]
        while not reports:
            await asyncio.sleep(0)

    run(loop, main())
    assert "missing 1 required" in str(reports[0]["exception"].__cause__)
    reports.clear()


class Window(QObject, Work):  # type: ignore[misc]
    """A QObject with paced coroutine methods."""

    def __init__(self) -> None:
        QObject.__init__(self)
        Work.__init__(self)

    @qtloop.debounce(0.001)
    async def alone(self, text: str) -> str:
        return await self(text)

    @qtloop.asyncSlot()
    @qtloop.debounce(0.001)
    async def below(self, text: str) -> str:
        return await self(text)

    @qtloop.debounce(0.001)
    @qtloop.asyncSlot()
    async def above(self, text: str) -> str:
        return await self(text)

    @qtloop.asyncSlot(str, scoped=True)
    @qtloop.debounce(0.001)
    async def scoped(self, text: str) -> str:
        return await self(text)

    @qtloop.asyncSlot()
    @qtloop.debounce(0.001)
    async def fails(self, text: str) -> None:
        raise ValueError(text)

    @qtloop.throttle(FOREVER)
    @qtloop.asyncSlot()
    async def fails_above(self, text: str) -> None:
        raise ValueError(text)


@pytest.mark.parametrize("method", ["alone", "below", "above", "scoped"])
def test_last_emission_runs_the_coroutine_once(loop: qtloop.QEventLoop, method: str) -> None:
    async def main() -> None:
        window, sender = Window(), Sender()
        window.go.set()
        sender.edited.connect(getattr(window, method))
        for text in ("q", "qt", "qtl"):
            sender.edited.emit(text)
        assert window.log == []
        assert await window.until("qtl ends") == ["qtl begins", "qtl ends"]

    run(loop, main())


@pytest.mark.parametrize("is_running", [False, True])
def test_scoped_slot_ends_with_its_object(loop: qtloop.QEventLoop, is_running: bool) -> None:
    async def main() -> None:
        window = Window()
        task = window.scoped("a")
        if is_running:
            await window.until("a begins")
        destroy(window)
        with pytest.raises(asyncio.CancelledError):
            await task
        assert window.log == (["a begins", "a has cleaned up"] if is_running else [])

    run(loop, main())


@pytest.mark.parametrize("method", ["fails", "fails_above"])
def test_exception_is_reported_once_with_an_async_slot(
    loop: qtloop.QEventLoop, reports: list[Any], method: str
) -> None:
    async def main() -> None:
        window = Window()
        getattr(window, method)("a")
        while not reports:
            await asyncio.sleep(0)
        gc.collect()
        await asyncio.sleep(0)

    run(loop, main())
    assert [str(each["exception"]) for each in reports] == ["a"]
    reports.clear()


def test_pending_call_of_a_coroutine_method_does_not_keep_its_object_alive(
    loop: qtloop.QEventLoop,
) -> None:
    async def main() -> None:
        window, sender = Window(), Sender()
        sender.edited.connect(window.alone)
        sender.edited.emit("a")
        reference = weakref.ref(window)
        del window
        gc.collect()
        assert (reference(), loop._close_callbacks) == (None, set())

    run(loop, main())


def test_close_drops_a_call_that_waits_for_a_run(app: Any) -> None:
    work = Work()
    paced = qtloop.throttle(FOREVER)(work.__call__)
    with qtloop.QEventLoop(app) as loop:

        async def main() -> None:
            paced("a")
            paced("b")
            paced.flush()
            assert paced.pending
            work.go.clear()

        run(loop, main())
    assert not paced.pending
    assert work.log == ["a begins", "a has cleaned up"]
