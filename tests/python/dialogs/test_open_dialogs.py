"""While a dialog is open, tasks, timers, sockets, threads, processes and Qt are served."""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
import threading
import time
import weakref
from collections.abc import Coroutine
from typing import Any

import pytest
from support.modal import Modal, QtCore, each_kind, from_qt

import qtloop

pytestmark = pytest.mark.usefixtures("reports")


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(await reader.readline())
    writer.close()
    await writer.wait_closed()


async def all_there_is() -> list[object]:
    """Uses a server, a client, a timer, the executor, a thread and a process."""
    loop = asyncio.get_running_loop()
    async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"over a socket\n")
        said = await reader.readline()
        writer.close()
        await writer.wait_closed()
    await asyncio.sleep(0.002)
    in_executor = await asyncio.to_thread(int, "7")
    called = asyncio.Event()
    thread = threading.Thread(target=loop.call_soon_threadsafe, args=(called.set,))
    thread.start()
    await called.wait()
    thread.join()
    process = await asyncio.create_subprocess_exec("true")
    return [said, in_executor, await process.wait()]


USED = [b"over a socket\n", 7, 0]


def under(modal: Modal) -> asyncio.Task[list[object]]:
    """Starts a task that does all of this, and then closes the dialog."""
    others = asyncio.get_running_loop().create_task(all_there_is())
    others.add_done_callback(lambda _: modal.close())
    return others


@each_kind
def test_tasks_timers_sockets_threads_and_processes_work_under(
    kind: str, loop: qtloop.QEventLoop
) -> None:
    async def main() -> list[object]:
        modal = Modal(kind)
        others = under(modal)
        modal.exec()
        return others.result()

    assert loop.run_until_complete(main()) == USED


@each_kind
def test_tasks_and_sockets_work_in_two_nested_loops_of(kind: str, loop: qtloop.QEventLoop) -> None:
    outer, inner = Modal(kind), Modal(kind)

    async def second() -> list[object]:
        others = under(inner)
        inner.exec()
        await asyncio.sleep(0)
        outer.close()
        return others.result()

    async def main() -> list[object]:
        task = asyncio.create_task(second())
        outer.exec()
        return await task

    assert loop.run_until_complete(main()) == USED


@each_kind
def test_dialogs_task_continues_after_the_dialog(kind: str, loop: qtloop.QEventLoop) -> None:
    async def main() -> list[object]:
        for _ in range(3):
            modal = Modal(kind)
            loop.call_later(0.001, modal.close)
            modal.exec()
            await asyncio.sleep(0)
        return await all_there_is()

    assert loop.run_until_complete(main()) == USED


@pytest.mark.parametrize("opener", ["slot", "callback", "signal of a dialog", "exception handler"])
def test_dialog_may_be_opened_by_a(
    opener: str, loop: qtloop.QEventLoop, reports: list[dict[str, Any]]
) -> None:
    async def main() -> list[object]:
        used: asyncio.Future[list[object]] = loop.create_future()

        def opens(*_: object) -> None:
            modal = Modal()
            others = under(modal)
            modal.exec()
            used.set_result(others.result())

        if opener == "slot":
            from_qt(opens)
        elif opener == "callback":
            loop.call_soon(opens)
        elif opener == "exception handler":
            loop.set_exception_handler(opens)
            loop.call_soon(int, "not a number")
        else:
            first = Modal()
            from_qt(opens)
            used.add_done_callback(lambda _: first.close())
            first.exec()
        return await used

    assert loop.run_until_complete(main()) == USED


def test_process_events_in_a_coroutine_runs_other_tasks(loop: qtloop.QEventLoop) -> None:
    async def main() -> list[object]:
        others = asyncio.create_task(all_there_is())
        while not others.done():
            QtCore.QCoreApplication.processEvents()
        return others.result()

    assert loop.run_until_complete(main()) == USED


def test_dialogs_nest_in_the_loop_of_a_worker_thread(app: Any) -> None:
    results: list[object] = []

    async def main() -> list[object]:
        me, nested = asyncio.current_task(), QtCore.QEventLoop()
        others = asyncio.create_task(all_there_is())
        others.add_done_callback(lambda _: nested.quit())
        nested.exec()
        assert asyncio.current_task() is me
        return others.result()

    thread = threading.Thread(target=lambda: results.append(qtloop.run(main())))
    thread.start()
    thread.join(30)
    assert results == [USED]


def test_dialogs_nest_in_an_attached_loop(app: Any) -> None:
    async def main() -> list[object]:
        modal = Modal()
        others = under(modal)
        modal.exec()
        return others.result()

    with qtloop.attach(app) as guest:
        task = guest.create_task(main())
        task.add_done_callback(lambda _: app.exit(0))
        app.exec()
    assert task.result() == USED


def test_inner_run_whose_main_has_completed_is_served_until_its_dialog_closes(app: Any) -> None:
    """The dialog keeps Qt's loop running; the task that closes it must still run."""
    closed: list[object] = []

    async def asks() -> None:
        modal = Modal()
        asyncio.get_running_loop().call_later(0.03, modal.close)
        modal.exec()
        closed.append("dialog")

    async def main() -> int:
        task = asyncio.create_task(asks())
        await asyncio.sleep(0.001)
        assert not task.done()
        return 5

    def slot() -> None:
        closed.append(qtloop.run(main()))
        app.exit(0)

    from_qt(slot)
    app.exec()
    assert closed == ["dialog", 5]


# Order


def test_dialogs_closed_outermost_first_return_innermost_first(
    loop: qtloop.QEventLoop,
) -> None:
    modals = [Modal() for _ in range(5)]
    returned: list[int] = []

    async def ask(level: int) -> int:
        modals[level].exec()
        returned.append(level)
        await asyncio.sleep(0)
        return level

    async def main() -> list[int]:
        tasks = [asyncio.create_task(ask(level)) for level in range(5)]
        await modals[4].opened.wait()
        for modal in modals[:4]:
            modal.close()
        await asyncio.sleep(0.002)
        assert returned == []
        modals[4].close()
        return await asyncio.gather(*tasks)

    assert loop.run_until_complete(main()) == [0, 1, 2, 3, 4]
    assert returned == [4, 3, 2, 1, 0]


def test_callbacks_keep_their_order_and_none_is_lost_or_called_twice(
    loop: qtloop.QEventLoop,
) -> None:
    called: list[int] = []
    modals = {index: Modal() for index in (3, 6)}

    def callback(index: int) -> None:
        called.append(index)
        if index in modals:
            modals[index].exec()
        if index == 9:
            for modal in modals.values():
                modal.close()

    for index in range(10):
        loop.call_soon(callback, index)
    loop.call_later(0.002, loop.stop)
    loop.run_forever()
    assert called == list(range(10))


def test_forty_nested_dialogs_work(loop: qtloop.QEventLoop) -> None:
    async def ask(level: int) -> int:
        modal = Modal()
        if level == 0:
            loop.call_soon(modal.close)
            modal.exec()
            return 1
        inner = asyncio.create_task(ask(level - 1))
        inner.add_done_callback(lambda _: modal.close())
        modal.exec()
        return inner.result() + 1

    assert loop.run_until_complete(ask(39)) == 40


# Descriptors


def test_reader_with_an_open_dialog_is_not_called_again_until_it_closes(
    loop: qtloop.QEventLoop,
) -> None:
    ours, theirs = socket.socketpair()
    modal = Modal()
    calls: list[bool] = []

    def readable() -> None:
        calls.append(modal.is_open)
        if len(calls) == 1:
            loop.call_later(0.005, modal.close)
            modal.exec()
            return  # still unread
        ours.recv(1)
        loop.stop()

    with ours, theirs:
        theirs.send(b"x")
        loop.add_reader(ours, readable)
        loop.run_forever()
        loop.remove_reader(ours)
    assert calls == [False, False]


def test_reader_can_be_removed_and_its_number_reused_during_its_dialog(
    loop: qtloop.QEventLoop,
) -> None:
    ours, theirs = socket.socketpair()
    modal = Modal()
    log: list[str] = []
    kept: list[socket.socket] = []

    def readable() -> None:
        loop.call_soon(reuse)
        modal.exec()
        log.append("first closed")
        loop.call_later(0.002, loop.stop)

    def reuse() -> None:
        number = ours.fileno()
        assert loop.remove_reader(ours)
        ours.close()
        kept.extend(socket.socketpair())
        assert number in (kept[0].fileno(), kept[1].fileno())
        if kept[0].fileno() != number:
            kept.reverse()
        kept[1].send(b"y")
        loop.add_reader(number, again)

    def again() -> None:
        log.append(f"second read {kept[0].recv(1)!r}")
        modal.close()

    theirs.send(b"x")
    loop.add_reader(ours, readable)
    loop.run_forever()
    for each in (theirs, *kept):
        loop.remove_reader(each)
        each.close()
    assert log == ["second read b'y'", "first closed"]


def test_protocol_that_opens_a_dialog_gets_its_next_data_after_it(
    loop: qtloop.QEventLoop,
) -> None:
    log: list[object] = []

    class Protocol(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = transport

        def data_received(self, data: bytes) -> None:
            log.append(data)
            if data == b"1":
                modal = Modal()
                loop.call_later(0.005, modal.close)
                modal.exec()
                log.append("closed")
            else:
                self.transport.close()

        def connection_lost(self, error: Exception | None) -> None:
            loop.stop()

    async def serve() -> None:
        server = await loop.create_server(Protocol, "127.0.0.1", 0)
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        for piece in (b"1", b"2"):
            writer.write(piece)
            await asyncio.sleep(0.001)
        writer.close()
        await writer.wait_closed()
        server.close()

    task = loop.create_task(serve())
    loop.run_forever()
    loop.run_until_complete(task)
    assert log == [b"1", "closed", b"2"]


# Fairness, debug mode, garbage


def test_qt_processes_events_during_a_dialog_while_tasks_spin(loop: qtloop.QEventLoop) -> None:
    async def spin(modal: Modal) -> None:
        await modal.opened.wait()
        while modal.is_open:
            await asyncio.sleep(0)

    async def main() -> None:
        modal = Modal()
        spinners = [asyncio.create_task(spin(modal)) for _ in range(200)]
        ticks: list[float] = []

        def tick() -> None:
            ticks.append(time.monotonic())
            if len(ticks) == 10:
                modal.close()

        timer = QtCore.QTimer()
        timer.timeout.connect(tick)
        timer.start(5)
        modal.exec()
        timer.stop()
        await asyncio.gather(*spinners)
        assert ticks[-1] - ticks[0] < 0.5

    loop.run_until_complete(main())


@pytest.mark.parametrize("opener", ["coroutine", "slot"])
def test_an_idle_dialog_uses_no_processor_time(opener: str, loop: qtloop.QEventLoop) -> None:
    used: list[float] = []

    def idle() -> None:
        modal = Modal()
        loop.call_later(0.3, modal.close)
        began = time.process_time()
        modal.exec()
        used.append(time.process_time() - began)
        loop.stop()

    async def main() -> None:
        idle()

    if opener == "slot":
        from_qt(idle)
    else:
        task = loop.create_task(main())
    loop.run_forever()
    if opener == "coroutine":
        assert task.done()
    assert used[0] < 0.05


def test_debug_mode_tracks_the_current_handle_and_reports_no_dialog_as_slow(
    loop: qtloop.QEventLoop, caplog: pytest.LogCaptureFixture
) -> None:
    loop.set_debug(True)
    loop.slow_callback_duration = 0.01
    private: Any = loop

    def current() -> object:
        return private._current_handle

    def hold_up() -> None:
        time.sleep(0.02)

    async def main() -> str:
        modal, idle_modal = Modal(), Modal()
        outer, seen = current(), list[object]()
        inner = loop.call_soon(lambda: seen.append(current()))
        loop.call_later(0.02, modal.close)
        modal.exec()
        assert (seen, current()) == ([inner], outer)
        from_qt(idle_modal.close, 20)
        idle_modal.exec()
        loop.call_soon(hold_up)
        return await asyncio.sleep(0, "goes on")

    with caplog.at_level(logging.WARNING, "asyncio"):
        assert loop.run_until_complete(main()) == "goes on"
    (record,) = caplog.records
    assert "hold_up" in record.getMessage()


@pytest.mark.parametrize("in_a_cycle", [False, True])
def test_callbacks_and_tasks_of_a_dialog_are_freed(
    in_a_cycle: bool, loop: qtloop.QEventLoop
) -> None:
    class Thing:
        itself: Thing

    freed: list[weakref.ref[Thing]] = []

    async def other(thing: Thing, modal: Modal) -> None:
        await asyncio.sleep(0)
        modal.close()

    def start(modal: Modal) -> Coroutine[Any, Any, None]:
        thing = Thing()
        if in_a_cycle:
            thing.itself = thing
        freed.append(weakref.ref(thing))
        return other(thing, modal)

    async def main() -> None:
        modal = Modal()
        task = asyncio.create_task(start(modal))
        modal.exec()
        await task
        del task
        if in_a_cycle:
            gc.collect()
        assert freed[0]() is None

    loop.run_until_complete(main())
