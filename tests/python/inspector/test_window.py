"""The inspector's window, by clicks and keys."""

from __future__ import annotations

import asyncio
import gc
import gzip
import json
import os
import sys
import time
import weakref
from pathlib import Path
from typing import Any

import pytest
from conftest import needs_binding
from support.inspector_user import User

import qtloop
from qtloop import _binding, inspector
from qtloop._asyncio_private import cancel_all_tasks

pytest_plugins = ["support.inspector_user"]
pytestmark = needs_binding


async def sleeps() -> None:
    await asyncio.sleep(60)


async def waits_for(*tasks: asyncio.Task[Any]) -> None:
    await asyncio.wait(tasks)


def make(user: User, name: str, *awaited: asyncio.Task[Any]) -> asyncio.Task[Any]:
    """Makes a task that awaits others, or sleeps."""
    coroutine = waits_for(*awaited) if awaited else sleeps()
    return user.loop.create_task(coroutine, name=name)


def test_tasks_are_a_tree_with_what_they_await(user: User) -> None:
    leaf = make(user, "leaf")
    make(user, "first", leaf)
    make(user, "second", leaf)
    user.update()
    assert user.tree() == ["first", ".leaf", "second"]
    assert user.texts("state") == ["waiting"] * 3
    assert user.texts("awaits") == ["wait()", "sleep()", "wait()"]
    assert all(text.startswith("test_window.py:") for text in user.texts("where"))
    assert user.texts("polls") == ["1"] * 3
    cells = user.window.tasks.tasks.cells(user.window.tasks.tasks.key(1))
    assert cells[1].note == "sleeps   and 1 other"


def test_tasks_that_were_made_before_the_window_have_their_order(
    loop: qtloop.QEventLoop, app: Any
) -> None:
    for at in (1, 10, 2):
        loop.create_task(sleeps(), name=f"part {at}")
    loop.run_until_complete(asyncio.sleep(0.002))
    user = User(loop)
    assert user.texts("name") == ["part 1", "part 2", "part 10"]
    cancel_all_tasks(loop)


def test_done_task_disappears_and_is_not_kept_alive(user: User) -> None:
    reference = weakref.ref(make(user, "one"))
    make(user, "two")
    user.update()
    user.click_row(0)
    task = reference()
    assert task is not None
    task.cancel()
    del task
    user.update()
    gc.collect()
    assert reference() is None
    assert user.texts("name") == ["two"]


def test_branch_is_closed_and_opened_by_click_and_by_key(user: User) -> None:
    make(user, "root", make(user, "leaf"))
    make(user, "other")
    user.update()
    arrow = user.view.visualRect(user.view.model().index(0, 1)).topLeft()
    arrow += user.QtCore.QPoint(12, 14)
    user.click(user.view.viewport(), arrow)
    assert user.tree() == ["root", "other"]
    assert user.window.tasks.tasks.cells(user.window.tasks.tasks.key(0))[1].note.endswith(
        "1 task below"
    )
    user.click(user.view.viewport(), arrow)
    assert user.tree() == ["root", ".leaf", "other"]
    user.click_row(0)
    user.key("Left", user.view)
    assert user.tree() == ["root", "other"]
    user.key("Right", user.view)
    assert user.tree() == ["root", ".leaf", "other"]


def test_filter_is_typed_after_ctrl_f_and_cleared_by_esc(user: User) -> None:
    for name in ("download a", "download b", "upload"):
        make(user, name)
    user.update()
    user.key("F", control=True)
    assert user.window.filter.hasFocus()
    user.type("upl")
    assert user.texts("name") == ["upload"]
    user.type("zz")
    assert user.texts("name") == []
    assert user.view._empty.text() == "Nothing matches “uplzz”."
    user.key("Escape", user.window.filter)
    assert user.texts("name") == ["download a", "download b", "upload"]
    assert user.window.isVisible()


def test_space_in_the_filter_is_typed_and_pauses_elsewhere(user: User) -> None:
    user.key("F", control=True)
    user.type("a b")
    assert (user.window.filter.text(), user.window.is_paused) == ("a b", False)
    user.key("Escape", user.window.filter)
    user.view.setFocus()
    user.key("Space", user.view)
    assert user.window.is_paused


def test_pause_stops_the_updates_and_f5_makes_one(user: User) -> None:
    make(user, "one")
    user.update()
    user.click(user.button("Pause"))
    make(user, "two")
    samples = len(user.window.plots.frames.samples)
    user.loop.run_until_complete(asyncio.sleep(0.3))
    assert user.texts("name") == ["one"]
    assert len(user.window.plots.frames.samples) == samples
    user.key("F5")
    assert user.texts("name") == ["one", "two"]
    assert user.texts("warnings") == ["", ""]
    assert len(user.window.plots.frames.samples) == samples
    user.click(user.button("Continue"))
    make(user, "three")
    user.until(lambda: "three" in user.texts("name"))


def test_headings_sort(user: User) -> None:
    for name in ("b", "a", "c"):
        make(user, name)
    user.update()
    header = user.view.horizontalHeader()

    def click(column: int) -> list[str]:
        at = user.QtCore.QPoint(header.sectionViewportPosition(column) + 20, 10)
        user.click(header.viewport(), at)
        return user.texts("name")

    assert click(1) == ["a", "b", "c"]
    assert click(1) == ["c", "b", "a"]
    assert click(1) == ["b", "a", "c"]
    assert click(3) == ["b", "a", "c"], "where a task waits is read for visible rows only"


def test_selected_task_is_cancelled_by_its_button(user: User) -> None:
    task = make(user, "one")
    other = make(user, "two")
    user.update()
    assert not user.button("Cancel task").isEnabled()
    user.click_row(0)
    user.click(user.button("Cancel task"))
    user.update()
    assert task.cancelled() and not other.done()
    assert user.window._note.text() == "Cancelled one."
    assert user.texts("name") == ["two"]


def test_selected_task_is_cancelled_by_the_menu(user: User) -> None:
    task = make(user, "one")
    user.update()
    user.click_row(0)
    user.view.customContextMenuRequested.emit(user.QtCore.QPoint(20, 20))
    menu = user.QtWidgets.QApplication.activePopupWidget()
    action = next(each for each in menu.actions() if each.text() == "Cancel task")
    user.click(menu, menu.actionGeometry(action).center())
    user.update()
    assert task.cancelled()


def test_source_line_is_opened_by_the_button_and_by_a_double_click(
    user: User, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    editor, seen = tmp_path / "editor", tmp_path / "seen"
    editor.write_text(f'#!/bin/sh\necho "$1" >> {seen}\n')
    editor.chmod(0o755)
    monkeypatch.setenv("QTLOOP_EDITOR", f"{editor} {{file}}:{{line}}")
    make(user, "one")
    user.update()
    user.click_row(0)
    line = sleeps.__code__.co_firstlineno + 1
    user.click(user.button("Open source"))
    user.until(lambda: seen.exists() and seen.read_text() == f"{__file__}:{line}\n")
    view = user.view
    middle = view.visualRect(view.model().index(0, 2)).center()
    button = user.QtCore.Qt.MouseButton.LeftButton
    none = user.QtCore.Qt.KeyboardModifier.NoModifier
    user.QTest.mouseDClick(view.viewport(), button, none, middle)
    user.until(lambda: seen.read_text().count("\n") == 2)


def test_details_show_the_chain_and_the_warnings(user: User) -> None:
    async def spins() -> None:
        while True:
            await asyncio.sleep(0)

    async def outer() -> None:
        await spins()

    user.loop.create_task(outer(), name="spins")
    user.loop.run_until_complete(asyncio.sleep(0.1))
    user.window.refresh()
    assert user.texts("warnings") == ["▲"]
    assert user.window._warning.text() == "1 task with a warning"
    user.click_row(0)
    details = user.window.tasks.details
    assert "outer" in details._first.text() and "spins" in details._first.text()
    assert details._second.text().startswith("Wakes itself:")
    model = user.view.model()
    tip = model.index(0, 0).data(user.QtCore.Qt.ItemDataRole.ToolTipRole)
    assert tip.startswith("Wakes itself:")


def test_task_that_has_blocked_the_window_has_a_warning(user: User) -> None:
    async def blocks() -> None:
        await asyncio.sleep(0.01)
        time.sleep(0.2)
        await asyncio.sleep(60)

    user.until(lambda: user.window._clock._last)  # it measures from its first event on
    user.update()
    user.loop.create_task(blocks(), name="blocks")
    user.loop.run_until_complete(asyncio.sleep(0.05))
    user.until(lambda: "▲" in user.texts("warnings"))
    row = user.texts("warnings").index("▲")
    node = user.window.tasks.tasks.tasks.nodes[user.view.model().key(row)]
    assert node.name == "blocks"
    assert node.warnings[0].startswith("Has blocked the window for 2")


def test_task_in_a_dialog_is_running_without_a_warning(user: User) -> None:
    seen: list[Any] = []

    async def asks() -> None:
        nested = user.QtCore.QEventLoop()

        def look() -> None:
            user.window.refresh()
            seen.extend((user.texts("state"), user.texts("where"), user.texts("warnings")))
            nested.quit()

        user.QtCore.QTimer.singleShot(150, look)
        nested.exec()

    task = user.loop.create_task(asks(), name="asks")
    user.until(task.done)
    user.update()
    states, places, warnings = seen
    assert states[0] == "running" and warnings[0] == ""
    assert places[0].startswith("test_window.py:")


def test_exception_that_was_not_retrieved_is_shown(user: User) -> None:
    async def fail() -> None:
        raise ValueError("no such record")

    task = user.loop.create_task(fail(), name="save")
    user.update()
    assert (user.texts("name"), user.texts("state")) == (["save"], ["done"])
    assert user.texts("awaits") == ["ValueError: no such record"]
    user.click_row(0)
    assert not user.button("Cancel task").isEnabled()
    assert "never retrieved" in user.window.tasks.details._second.text()
    assert task.exception()
    user.update()
    assert user.texts("name") == []


def test_callbacks_have_their_count_and_place(user: User) -> None:
    def called() -> None:
        pass

    for _ in range(30):
        user.loop.call_soon(called)
    user.update()
    user.click(user.window.tabs[1])
    row = [name.rpartition(".")[2] for name in user.texts("function")].index("called")
    assert user.texts("jobs")[row] == "30"
    assert user.texts("place")[row] == f"test_window.py:{called.__code__.co_firstlineno}"
    user.key("F", control=True)
    user.type("called")
    assert len(user.texts("function")) == 1
    user.click_row(0)
    page: Any = user.window._stack.currentWidget()
    assert page.details._first.text() == f"{__file__}:{called.__code__.co_firstlineno}"


def test_timers_name_the_task_that_they_wake(user: User) -> None:
    make(user, "sleeper")
    user.update()
    user.click(user.window.tabs[2])
    assert user.texts("what") == ["sleep()"]
    assert user.texts("task") == ["sleeper"]
    assert user.texts("place") == [f"test_window.py:{sleeps.__code__.co_firstlineno + 1}"]
    handle = user.loop.call_later(30, print)
    if sys.version_info >= (3, 11):

        async def times_out() -> None:
            async with asyncio.timeout(45):
                await asyncio.Event().wait()

        user.loop.create_task(times_out(), name="timed")
        user.update()
        assert user.texts("what") == ["print", "timeout()", "sleep()"]
        assert user.texts("task") == ["", "timed", "sleeper"]
    handle.cancel()
    user.update()
    assert "print" not in user.texts("what")


def test_descriptors_have_their_direction_and_callback(user: User) -> None:
    user.click(user.window.tabs[3])
    assert user.texts("fd") == []
    assert user.view._empty.isVisible()
    read, write = os.pipe()

    def readable() -> None:
        pass

    user.loop.add_reader(read, readable)
    user.update()
    assert user.texts("fd") == [str(read)]
    assert (user.texts("writer"), user.texts("file")) == (["reads"], ["pipe"])
    assert user.texts("what")[0].endswith("readable")
    assert "1 descriptor" in user.window._summary.text()
    user.loop.remove_reader(read)
    user.update()
    assert user.texts("fd") == []
    os.close(read)
    os.close(write)


def test_connection_has_the_address_of_its_peer(user: User) -> None:
    async def connect() -> tuple[asyncio.Server, asyncio.Transport, int]:
        loop = user.loop
        server = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0)
        port: int = server.sockets[0].getsockname()[1]
        transport, _ = await loop.create_connection(asyncio.Protocol, "127.0.0.1", port)
        return server, transport, port

    server, transport, port = user.loop.run_until_complete(connect())
    user.click(user.window.tabs[3])
    user.update()
    assert f"socket to 127.0.0.1:{port}" in user.texts("file")
    assert f"socket at 127.0.0.1:{port}" in user.texts("file")
    assert user.texts("what").count("Protocol.data_received") == 2
    transport.close()
    server.close()
    user.update()
    assert user.texts("file") == []


def test_empty_tables_have_a_sentence(user: User) -> None:
    for tab, begin in enumerate(("No task", "", "No timer", "No file descriptor")):
        user.click(user.window.tabs[tab])
        assert user.view._empty.text().startswith(begin)


def test_colours_follow_the_palette(user: User) -> None:
    from qtloop.inspector import _theme

    QtGui: Any = qtloop._binding.binding.module("QtGui")  # type: ignore[union-attr]
    application = user.QtWidgets.QApplication.instance()
    before = application.palette()
    for shade, theme in ((20, _theme.DARK), (240, _theme.LIGHT)):
        application.setPalette(QtGui.QPalette(QtGui.QColor(shade, shade, shade)))
        user.update()
        assert theme.ground in user.window.styleSheet()
        assert user.window.grab().toImage().pixelColor(3, 3).name() == theme.ground
    application.setPalette(before)


def test_ten_thousand_tasks_are_shown(user: User) -> None:
    tasks = [make(user, f"task {at}") for at in range(10_000)]
    for _ in range(30):
        user.update()
    assert user.view.model().rowCount() == 10_000
    assert user.window.update_time < 1_000_000_000
    assert len(user.view.model()._cells) < 100, "only visible rows have cells"
    bar = user.view.verticalScrollBar()
    bar.setValue(bar.maximum())
    user.update()
    assert max(user.view.visible_rows()) == 9999
    for task in tasks:
        task.cancel()
    user.until(lambda: all(task.done() for task in tasks))
    user.window.refresh()
    assert user.view.model().rowCount() == 0


def test_window_is_closed_by_f12_and_all_is_off(user: User) -> None:
    make(user, "one")
    user.update()
    assert qtloop._native.task_changes(user.loop) is not None
    reference = weakref.ref(user.window)
    user.key("F12")
    assert not user.window.isVisible()
    assert qtloop._native.task_changes(user.loop) is None
    assert inspector._windows == {}
    user.forget_window()
    user.loop.run_until_complete(asyncio.sleep(0.05))

    def is_gone() -> bool:
        gc.collect()
        window = reference()
        # PyQt5 keeps the slots of a window that its own shortcut has closed.
        is_kept = _binding.binding is not None and _binding.binding.qt == 5
        return window is None or (is_kept and _binding.is_destroyed(window))

    user.until(is_gone)


def test_trace_is_recorded_and_saved(user: User, tmp_path: Path) -> None:
    user.click(user.button("Record trace"))
    user.loop.create_task(sleeps(), name="recorded")
    user.update()
    user.click(user.button("Stop and save…"))
    (dialog,) = user.window.findChildren(user.QtWidgets.QFileDialog)
    assert user.button("Record trace").isEnabled()
    path = tmp_path / "trace.json.gz"
    dialog.findChild(user.QtWidgets.QLineEdit).setText(str(path))
    buttons = dialog.findChild(user.QtWidgets.QDialogButtonBox)
    user.click(buttons.button(buttons.StandardButton.Save))
    assert user.window._note.text() == f"The trace is in {path}."
    with gzip.open(path, "rt") as file:
        trace = json.load(file)
    assert "recorded" in json.dumps(trace)


def test_trace_that_cannot_be_saved_shows_a_message(user: User, tmp_path: Path) -> None:
    user.click(user.button("Record trace"))
    user.update()
    recording = user.window.trace_button.stop()
    assert recording is not None
    user.window.trace_button.save(recording, str(tmp_path / "missing" / "trace.json"))
    assert user.window._note.text().startswith("The trace could not be saved: ")


def test_loop_that_is_being_recorded_is_not_recorded_again(user: User) -> None:
    with user.loop.record():
        user.click(user.button("Record trace"))
        assert "recorded already" in user.window._note.text()
        assert user.button("Record trace").isVisible()


def test_recording_ends_with_the_window(user: User) -> None:
    user.click(user.button("Record trace"))
    user.key("F12")
    with user.loop.record() as recording:
        assert recording.events >= 0
