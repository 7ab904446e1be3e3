"""Tasks and open dialogs: current task, contexts, exceptions, cancellations, and the loop's end."""

from __future__ import annotations

import asyncio
import contextvars
import sys
from typing import Any

import pytest
from support.modal import Modal, each_kind, from_qt

import qtloop

pytestmark = pytest.mark.usefixtures("reports")

from_3_11 = pytest.mark.skipif(sys.version_info < (3, 11), reason="asyncio has this from 3.11 on")
from_3_12 = pytest.mark.skipif(sys.version_info < (3, 12), reason="asyncio has this from 3.12 on")


# Current tasks and contexts


def test_current_task_is_correct_before_during_and_after_a_dialog(loop: qtloop.QEventLoop) -> None:
    async def main() -> None:
        me, modal = asyncio.current_task(), Modal()
        seen: list[object] = []

        async def other() -> None:
            await asyncio.sleep(0.001)
            seen.append(asyncio.current_task())
            modal.close()

        loop.call_soon(lambda: seen.append(asyncio.current_task()))
        loop.call_later(0, lambda: seen.append(asyncio.current_task()))
        task = asyncio.create_task(other())
        modal.exec()
        assert seen == [None, None, task]
        assert asyncio.current_task() is me
        await task
        assert asyncio.current_task() is me

    loop.run_until_complete(main())
    assert asyncio.current_task(loop) is None


def test_current_task_is_correct_after_two_nested_dialogs_and_an_exception(
    loop: qtloop.QEventLoop,
) -> None:
    async def main() -> None:
        me, outer, inner = asyncio.current_task(), Modal(), Modal()

        async def second() -> None:
            me = asyncio.current_task()
            loop.call_soon(inner.close)
            inner.exec()
            assert asyncio.current_task() is me
            outer.close()
            raise LookupError("under a dialog")

        task = asyncio.create_task(second())
        outer.exec()
        assert asyncio.current_task() is me
        with pytest.raises(LookupError, match="under a dialog"):
            await task
        assert asyncio.current_task() is me

    loop.run_until_complete(main())


def test_slot_that_opens_a_dialog_outside_any_task_has_no_current_task(
    loop: qtloop.QEventLoop,
) -> None:
    seen: list[object] = []

    def slot() -> None:
        modal = Modal()
        loop.call_soon(lambda: seen.append(asyncio.current_task()))
        loop.call_soon(modal.close)
        modal.exec()
        seen.append(asyncio.current_task())
        loop.stop()

    from_qt(slot)
    loop.run_forever()
    assert seen == [None, None]


variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


def test_context_variables_are_correct_before_during_and_after_a_dialog(
    loop: qtloop.QEventLoop,
) -> None:
    seen: list[str] = []

    async def other(modal: Modal) -> None:
        seen.append(variable.get())
        variable.set("other's")
        await asyncio.sleep(0.001)
        loop.call_soon(lambda: seen.append(variable.get()))
        await asyncio.sleep(0)
        variable.set("other's last")
        modal.close()

    async def main() -> None:
        modal = Modal()
        token = variable.set("main's")
        task = asyncio.create_task(other(modal))
        loop.call_soon(lambda: seen.append(variable.get()), context=contextvars.Context())
        modal.exec()
        assert variable.get() == "main's"
        variable.reset(token)
        await task
        assert variable.get() == "unset"

    loop.run_until_complete(main())
    assert seen == ["main's", "unset", "other's"]


@from_3_11
@pytest.mark.parametrize("levels", [1, 2])
def test_task_in_the_context_of_the_dialogs_task_runs_after_the_dialog(
    loop: qtloop.QEventLoop, levels: int
) -> None:
    context = contextvars.copy_context()
    log: list[str] = []

    async def other(name: str) -> None:
        log.append(name)
        await asyncio.sleep(0)
        log.append(name)

    async def free(modal: Modal) -> None:
        if levels == 2:
            inner = Modal()
            loop.call_later(0.002, inner.close)
            inner.exec()
        await asyncio.sleep(0.002)
        log.append("free")
        modal.close()

    create_task: Any = loop.create_task  # its `context` is newer than the oldest Python here

    async def main() -> None:
        modal = Modal()
        tasks = [
            create_task(other("a"), context=context),
            create_task(other("b"), context=context),
            create_task(free(modal)),
        ]
        modal.exec()
        log.append("main")
        await asyncio.wait(tasks)

    loop.run_until_complete(create_task(main(), context=context))
    assert log == ["free", "main", "a", "b", "a", "b"]


def test_callback_deferred_by_a_dialogs_context_can_be_cancelled(
    loop: qtloop.QEventLoop,
) -> None:
    context, modal = contextvars.copy_context(), Modal()
    called: list[str] = []

    def close() -> None:
        handle.cancel()
        modal.close()

    loop.call_soon(modal.exec, context=context)
    handle = loop.call_soon(called.append, "cancelled", context=context)
    loop.call_soon(called.append, "waits", context=context)
    loop.call_soon(loop.stop, context=context)
    loop.call_later(0.001, close)
    loop.run_forever()
    assert called == ["waits"]


def test_callback_deferred_by_a_dialogs_context_runs_after_a_stop_and_rerun(
    loop: qtloop.QEventLoop,
) -> None:
    context, modal = contextvars.copy_context(), Modal()
    called: list[str] = []
    loop.call_soon(modal.exec, context=context)
    loop.call_soon(called.append, "waits", context=context)
    loop.call_later(0.001, loop.stop)
    loop.run_forever()
    assert called == []
    loop.run_until_complete(asyncio.sleep(0))
    assert called == ["waits"]


@from_3_12
def test_eager_tasks_may_open_dialogs_and_start_under_them(loop: qtloop.QEventLoop) -> None:
    factory: Any = getattr(asyncio, "eager_task_factory", None)
    loop.set_task_factory(factory)

    async def main() -> list[str]:
        me, modal = asyncio.current_task(), Modal()

        async def eager(name: str) -> str:
            mine = asyncio.current_task()
            assert mine is not me
            if name == "asks":
                modal.exec()
            assert asyncio.current_task() is mine
            await asyncio.sleep(0)
            return name

        def starts_more() -> None:
            done = asyncio.ensure_future(eager("under it"))
            done.add_done_callback(lambda _: modal.close())
            tasks.append(done)

        tasks: list[asyncio.Future[str]] = []
        loop.call_soon(starts_more)
        tasks.append(asyncio.create_task(eager("asks")))
        assert asyncio.current_task() is me
        return await asyncio.gather(*tasks)

    assert loop.run_until_complete(main()) == ["under it", "asks"]


# Exceptions and cancellations while a dialog is open


def test_exceptions_during_a_dialog_reach_the_handler_or_the_awaiting_task(
    loop: qtloop.QEventLoop, reports: list[dict[str, Any]]
) -> None:
    async def fails() -> None:
        raise LookupError("of a task")

    def wrong() -> None:
        raise ValueError("of a callback")

    async def main() -> None:
        modal = Modal()
        task = asyncio.create_task(fails())
        loop.call_soon(wrong)
        loop.call_later(0.001, modal.close)
        modal.exec()
        (report,) = reports
        reports.clear()
        assert str(report["exception"]) == "of a callback"
        with pytest.raises(LookupError, match="of a task"):
            await task

    loop.run_until_complete(main())


def test_cancellation_of_the_dialogs_task_takes_effect_after_the_dialog(
    loop: qtloop.QEventLoop,
) -> None:
    log: list[str] = []

    async def asks(modal: Modal) -> None:
        modal.exec()
        log.append("dialog closed")
        await asyncio.sleep(0)
        log.append("not reached")

    async def main() -> None:
        modal = Modal()
        task = asyncio.create_task(asks(modal))
        await modal.opened.wait()
        task.cancel()
        await asyncio.sleep(0.001)
        assert modal.is_open and not task.done()
        modal.close()
        with pytest.raises(asyncio.CancelledError):
            await task

    loop.run_until_complete(main())
    assert log == ["dialog closed"]


@from_3_11
def test_a_timeout_around_a_dialog_takes_effect_after_it(loop: qtloop.QEventLoop) -> None:
    async def main() -> None:
        modal = Modal()
        loop.call_later(0.01, modal.close)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                modal.exec()
                await asyncio.sleep(60)
        await asyncio.sleep(0)

    loop.run_until_complete(main())


@from_3_11
def test_a_task_group_fails_after_the_dialog_in_it(loop: qtloop.QEventLoop) -> None:
    async def fails(modal: Modal) -> None:
        await modal.opened.wait()
        loop.call_later(0.001, modal.close)
        raise LookupError("of a task in the group")

    async def main() -> None:
        modal = Modal()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(fails(modal))
                modal.exec()
                await asyncio.sleep(60)
        except BaseException as error:
            assert [type(each) for each in getattr(error, "exceptions", ())] == [LookupError]
        else:
            pytest.fail("the group did not fail")
        await asyncio.sleep(0)

    loop.run_until_complete(main())


# The end of the loop while a dialog is open


async def asks(modal: Modal, log: list[str]) -> str:
    modal.exec()
    log.append("dialog closed")
    await asyncio.sleep(0)
    return "goes on"


@each_kind
def test_stop_closes_the_dialog_and_the_loop_can_run_again(
    kind: str, loop: qtloop.QEventLoop
) -> None:
    log: list[str] = []
    task = loop.create_task(asks(Modal(kind), log))
    loop.call_later(0.001, loop.stop)
    loop.run_forever()
    assert log == ["dialog closed"] and not task.done()
    assert loop.run_until_complete(task) == "goes on"


@each_kind
def test_quit_closes_the_dialog_and_the_loop_can_run_again(
    kind: str, loop: qtloop.QEventLoop, app: Any
) -> None:
    log: list[str] = []
    task = loop.create_task(asks(Modal(kind), log))
    loop.call_later(0.001, app.quit)
    assert loop.run_forever() == 0
    assert log == ["dialog closed"]
    assert loop.run_until_complete(task) == "goes on"


@each_kind
def test_dialog_of_another_task_closes_when_main_completes(
    kind: str, loop: qtloop.QEventLoop
) -> None:
    log: list[str] = []
    modal = Modal(kind)

    async def main() -> str:
        await modal.opened.wait()
        return "done"

    task = loop.create_task(asks(modal, log))
    assert loop.run_until_complete(main()) == "done"
    assert log == ["dialog closed"]
    assert loop.run_until_complete(task) == "goes on"


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("of", ["callback", "task"])
def test_exit_during_a_dialog_closes_it_and_is_raised_by_the_run(
    loop: qtloop.QEventLoop, kind: type[BaseException], of: str
) -> None:
    def leaves() -> None:
        raise kind("under a dialog")

    async def leaves_too() -> None:
        leaves()

    log: list[str] = []
    modal = Modal()
    task = loop.create_task(asks(modal, log))
    if of == "callback":
        loop.call_soon(leaves)
    else:
        other = loop.create_task(leaves_too())
    with pytest.raises(kind, match="under a dialog"):
        loop.run_forever()
    if of == "task":
        assert isinstance(other.exception(), kind)
    assert log == ["dialog closed"] and not task.done()
    assert loop.run_until_complete(task) == "goes on"


def test_loop_with_an_open_dialog_refuses_to_run_again_and_to_close(
    loop: qtloop.QEventLoop,
) -> None:
    async def main() -> str:
        modal = Modal()

        def wrong() -> None:
            with pytest.raises(RuntimeError, match="already running"):
                loop.run_forever()
            with pytest.raises(RuntimeError, match="already running"):
                loop.run_until_complete(loop.create_future())
            with pytest.raises(RuntimeError, match="Cannot close a running event loop"):
                loop.close()
            modal.close()

        loop.call_soon(wrong)
        modal.exec()
        return await asyncio.sleep(0, "goes on")

    assert loop.run_until_complete(main()) == "goes on"
