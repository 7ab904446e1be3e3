"""The tasks from one update to the next: rows, order, filter, warnings, and no reference kept."""

from __future__ import annotations

import asyncio
import gc
import sys
import weakref
from collections.abc import Coroutine, Iterator
from typing import Any

import pytest

import qtloop
from qtloop._asyncio_private import cancel_all_tasks, unretrieved_exception
from qtloop.inspector import _tasks
from qtloop.inspector._source import Account, Changes, Key
from qtloop.inspector._tasks import Tasks

SECOND = 1_000_000_000
NOW = 100 * SECOND


def account(
    *,
    polls: int = 1,
    busy: int = 0,
    longest: int = 0,
    wakeups: int = 1,
    self_wakeups: int = 0,
    ready: int = 0,
    running: int = 0,
) -> Account:
    created = NOW - 10 * SECOND
    return polls, busy, longest, wakeups, self_wakeups, created, ready, running, created


class Rows:
    """Tasks of a loop, made by name, and their rows as text."""

    def __init__(self, loop: qtloop.QEventLoop) -> None:
        self.loop = loop
        self.tasks = Tasks(self.read)
        self.made: dict[str, asyncio.Task[Any]] = {}
        self.numbers: dict[str, int] = {}
        self.accounts: dict[int, Account] = {}
        self.known: set[str] = set()

    def read(self, keys: list[Key]) -> list[Account | None]:
        return [self.accounts.get(number) for _, number in keys]

    def add(self, name: str, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Makes a task of the coroutine."""
        task = self.made[name] = self.loop.create_task(coroutine, name=name)
        self.numbers[name] = len(self.numbers) + 1
        return task

    def make(self, name: str, awaited: list[str] | None = None) -> asyncio.Task[Any]:
        """Makes a task that awaits tasks of that name, or sleeps."""

        async def run() -> None:
            if awaited is None:
                await asyncio.sleep(60)
            else:
                await asyncio.wait([self.made[each] for each in awaited])

        return self.add(name, run())

    def update(self, gap: int = 0, is_nested: bool = False, **changed: dict[str, Any]) -> list[str]:
        """Runs the tasks a little and updates; `changed` are those that have stepped."""
        self.loop.run_until_complete(asyncio.sleep(0.002))
        for name, figures in changed.items():
            self.accounts[self.numbers[name]] = account(**figures)
        live = {name for name, task in self.made.items() if not task.done()}
        created = sorted(live - self.known, key=self.numbers.__getitem__)
        for name in created:
            self.accounts.setdefault(self.numbers[name], account())
        ended = self.known - live
        failed = [
            (self.numbers[name], self.made[name])
            for name in ended
            if name in self.made and unretrieved_exception(self.made[name])
        ]
        changes = Changes(
            [(self.numbers[name], self.made[name]) for name in created],
            [self.numbers[name] for name in changed if name in live],
            [self.numbers[name] for name in ended],
            failed,
        )
        self.known = live
        self.tasks.update(changes, NOW, gap, is_nested)
        return self.rows()

    def rows(self) -> list[str]:
        nodes = self.tasks.nodes
        depths = self.tasks.depths
        return [f"{'.' * depths.get(row, 0)}{nodes[row].name}" for row in self.tasks.rows]

    def warnings(self, name: str) -> tuple[str, ...]:
        return self.tasks.nodes[self.numbers[name]].warnings


@pytest.fixture
def made(loop: qtloop.QEventLoop) -> Iterator[Rows]:
    yield Rows(loop)
    cancel_all_tasks(loop)


def test_tasks_are_rows_below_their_first_waiter(made: Rows) -> None:
    made.make("leaf")
    made.make("first", ["leaf"])
    made.make("second", ["leaf"])
    assert made.update() == ["first", ".leaf", "second"]
    assert made.tasks.tree.others == {made.numbers["leaf"]: 1}


def test_tasks_that_await_each_other_are_shown_once(made: Rows) -> None:
    made.make("one", ["two"])
    made.make("two", ["one"])
    assert made.update() == ["one", ".two"]


def test_new_and_done_tasks_change_the_rows(made: Rows) -> None:
    made.make("one")
    made.make("two")
    assert made.update() == ["one", "two"]
    made.made["one"].cancel()
    made.make("three", ["two"])
    assert made.update() == ["three", ".two"]


def test_awaited_tasks_are_read_again_after_a_step(made: Rows) -> None:
    quick, slow = made.make("quick"), made.make("slow")

    async def waits() -> None:
        await asyncio.wait([quick], timeout=0.01)
        await slow

    made.add("waiter", waits())
    assert made.update() == ["slow", "waiter", ".quick"]
    made.loop.run_until_complete(asyncio.sleep(0.02))
    assert made.update() == ["slow", "waiter", ".quick"], "it has not stepped"
    assert made.update(waiter={"polls": 2}) == ["quick", "waiter", ".slow"]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="TaskGroup is new in Python 3.11")
def test_task_that_joins_a_group_is_below_the_waiter(made: Rows) -> None:
    groups: list[Any] = []

    async def waits() -> None:
        async with asyncio.TaskGroup() as group:
            groups.append(group)
            made.made["one"] = group.create_task(asyncio.sleep(60), name="one")

    made.add("waiter", waits())
    made.numbers["one"] = 2
    assert made.update() == ["waiter", ".one"]
    made.made["two"] = groups[0].create_task(asyncio.sleep(60), name="two")
    made.numbers["two"] = 3
    assert made.update() == ["waiter", ".one", ".two"]


def test_no_reference_to_a_task_is_kept(made: Rows) -> None:
    reference = weakref.ref(made.make("one"))
    made.update()
    made.made["one"].cancel()
    made.update()
    made.made.clear()
    gc.collect()
    assert reference() is None and made.tasks.nodes == {}

    reference = weakref.ref(made.make("two"))
    made.update()
    made.made.pop("two").cancel()
    made.loop.run_until_complete(asyncio.sleep(0.002))
    gc.collect()
    assert reference() is None, "paused: the last update still has the task"


async def fail(gate: asyncio.Event) -> None:
    await gate.wait()
    raise ValueError("no such record")


def make_failing(made: Rows) -> tuple[asyncio.Task[Any], asyncio.Event]:
    """Makes a task that fails when the event is set."""
    gate = asyncio.Event()
    return made.add("save", fail(gate)), gate


def test_failed_task_stays_until_its_exception_is_retrieved(made: Rows) -> None:
    made.make("one")
    task, gate = make_failing(made)
    assert made.update() == ["one", "save"]
    gate.set()
    made.loop.run_until_complete(asyncio.wait([task]))
    assert made.update() == ["one", "save"]
    node = made.tasks.nodes[2]
    assert node.state == "done" and "never retrieved" in made.warnings("save")[0]
    place, text = node.waiting()
    assert text == "ValueError: no such record" and place and place.file == __file__
    assert made.update() == ["one", "save"]
    assert isinstance(task.exception(), ValueError)
    assert made.update() == ["one"]


def test_task_that_failed_between_two_updates_is_shown(made: Rows) -> None:
    task, gate = make_failing(made)
    gate.set()
    made.loop.run_until_complete(asyncio.wait([task]))
    made.known.add("save")
    assert made.update() == ["save"]
    assert made.tasks.nodes[1].state == "done"
    assert task.exception()


def test_failed_task_leaves_the_list_when_it_is_collected(
    made: Rows, reports: list[dict[str, Any]]
) -> None:
    task, gate = make_failing(made)
    made.update()
    gate.set()
    made.loop.run_until_complete(asyncio.wait([task]))
    assert made.update() == ["save"]
    del made.made["save"], task
    gc.collect()
    assert made.update() == []
    assert reports.pop()["message"] == "Task exception was never retrieved"


def test_task_that_wakes_itself_has_a_warning(made: Rows) -> None:
    made.make("spins")
    made.make("works")
    made.update(
        spins={"wakeups": 200, "self_wakeups": 196}, works={"wakeups": 200, "self_wakeups": 100}
    )
    assert made.warnings("spins")[0].startswith("Wakes itself: 98 %")
    assert made.warnings("works") == ()


def test_step_that_processes_events_itself_has_a_warning_after_a_second(made: Rows) -> None:
    made.make("polls")
    made.update(polls={"running": NOW - 3 * SECOND})
    assert made.warnings("polls")[0].startswith("Has not yielded for 3.0 s")
    made.accounts[1] = account(running=NOW - SECOND // 2)
    made.update()
    assert made.warnings("polls") == (), "a running task is read at each update"


def test_step_in_a_dialog_has_no_warning(made: Rows) -> None:
    made.make("asks")
    made.update(0, True, asks={"running": NOW - 3 * SECOND, "longest": 3 * SECOND})
    assert made.warnings("asks") == ()


def test_step_that_kept_the_window_from_frames_has_a_warning(made: Rows) -> None:
    made.make("computes")
    made.update()
    made.update(SECOND // 2, computes={"polls": 2, "longest": SECOND // 2})
    assert made.warnings("computes") == ("Has blocked the window for 500 ms in one step.",)
    made.update(computes={"polls": 3, "longest": SECOND // 2})
    assert made.warnings("computes")[0].startswith("Has blocked")


def test_long_step_without_a_gap_was_a_dialog(made: Rows) -> None:
    made.make("asked")
    made.update()
    made.update(SECOND // 50, asked={"polls": 2, "longest": 9 * SECOND})
    assert made.warnings("asked") == ()


def test_many_tasks_are_read_in_several_updates(
    made: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_tasks, "READING_TIME", 0.0)
    for at in range(120):
        made.make(f"{at}")
    assert len(made.update()) == 120
    assert {node.polls for node in made.tasks.nodes.values()} == {0}
    monkeypatch.setattr(_tasks, "READING_TIME", 60.0)
    made.update()
    assert {node.polls for node in made.tasks.nodes.values()} == {1}


def test_filter_keeps_matches_and_the_tasks_above(made: Rows) -> None:
    made.make("fetch part")
    made.make("download", ["fetch part"])
    made.make("other")
    made.update()
    made.tasks.filter = "PART fetch"
    made.tasks.arrange()
    assert made.rows() == ["download", ".fetch part"]
    made.tasks.filter = "test_tasks.py"
    made.tasks.arrange()
    assert made.rows() == ["download", ".fetch part", "other"]
    made.tasks.filter = "no such task"
    made.tasks.arrange()
    assert made.rows() == []


def test_new_task_that_does_not_match_has_no_row(made: Rows) -> None:
    made.make("one")
    made.tasks.filter = "one"
    assert made.update() == ["one"]
    made.make("two")
    assert made.update() == ["one"]


def test_filter_opens_closed_branches(made: Rows) -> None:
    made.make("leaf")
    made.make("root", ["leaf"])
    made.update()
    made.tasks.closed.add(made.numbers["root"])
    made.tasks.arrange()
    assert made.rows() == ["root"]
    made.tasks.filter = "leaf"
    made.tasks.arrange()
    assert made.rows() == ["root", ".leaf"]


def test_each_level_is_sorted(made: Rows) -> None:
    for name in ("b", "a", "c"):
        made.make(name)
    made.make("root", ["b", "a"])
    made.tasks.sort = "busy"
    made.tasks.is_reversed = True
    rows = made.update(a={"busy": 5}, b={"busy": 1}, c={"busy": 3}, root={"busy": 2})
    assert rows == ["c", "root", ".a", ".b"]
    made.tasks.sort, made.tasks.is_reversed = "name", False
    made.tasks.arrange()
    assert made.rows() == ["c", "root", ".a", ".b"]
    made.tasks.sort = ""
    made.tasks.arrange()
    assert made.rows() == ["c", "root", ".b", ".a"]


def test_renamed_task_is_found_by_its_new_name(made: Rows) -> None:
    made.make("one").set_name("two")
    made.update()
    made.made["one"].set_name("three")
    made.tasks.filter = "three"
    made.update(one={"polls": 2})
    made.tasks.arrange()
    assert made.rows() == ["three"]
