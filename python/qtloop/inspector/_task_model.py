"""The model of the tasks: a tree as a list of rows with a depth.

`QTreeView` asks its model twice about each row whenever one is added, 30 ms for 10,000 tasks. A
table asks about visible rows only.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from .. import _native
from ._awaits import Waiting
from ._nodes import Node
from ._rows import Cell, Column, RowsModel
from ._source import Changes
from ._tasks import Read, Tasks
from ._text import Place, counted, duration, number

TONES = {"running": "accent", "ready": "good", "waiting": "muted", "done": "bad"}


class TaskModel(RowsModel):
    """Live tasks, and tasks whose exception was not retrieved."""

    columns: ClassVar = (
        Column("warnings", "", 30, "warning", "Warnings"),
        Column(
            "name", "Task", 250, "name", "Each task once, below the first task that awaits it", 2
        ),
        Column("state", "State", 84, "state"),
        Column("where", "Waits at", 190, "place", "The innermost line of the program", 2, False),
        Column("awaits", "For", 120, "text", "What is awaited there", 1, False),
        Column("total", "Total", 78, "number", "Since the task was first seen"),
        Column("busy", "Busy", 70, "number", "The time of its steps, with their dialogs"),
        Column("waiting", "Waiting", 78, "number", "Since its last step"),
        Column("polls", "Steps", 66, "number", "How often it has run"),
        Column("priority", "Priority", 62, "number", "Smaller runs first", 0, False),
    )

    def __init__(self, read: Read) -> None:
        super().__init__()
        self.tasks = Tasks(read)
        # Where a task waits, with the number of its steps at that time.
        self._waiting: dict[int, tuple[int, str, Waiting]] = {}

    def update(self, changes: Changes, now: int, gap: int, is_nested: bool) -> None:
        """Takes what has happened to the tasks. See `Tasks.update`."""
        self.tasks.update(changes, now, gap, is_nested)
        self.show_rows()

    def refresh(self, visible: Iterable[int]) -> None:
        """Reads the visible tasks, and makes their cells again."""
        rows = [row for row in visible if row < self.rowCount()]
        self.tasks.read(self.key(row) for row in rows)
        super().refresh(rows)

    def show_rows(self) -> None:
        """Shows the rows that the tasks have been arranged in."""
        self.arrange(self.tasks.rows)

    def find(self, words: str) -> None:
        """Shows the tasks whose name, function or file contains each word, and those above."""
        self.tasks.filter = words
        self._arrange()

    def sort_by(self, name: str, is_reversed: bool) -> None:
        """Sorts the tasks of each level by a column; an empty name is the order of creation."""
        self.tasks.sort, self.tasks.is_reversed = name, is_reversed
        self._arrange()

    def set_open(self, key: int, is_open: bool) -> None:
        """Shows or hides the tasks below one."""
        (self.tasks.closed.discard if is_open else self.tasks.closed.add)(key)
        self._arrange()

    def _arrange(self) -> None:
        self.tasks.arrange()
        self.show_rows()

    def node(self, key: int) -> Node | None:
        """Returns the task with this number."""
        return self.tasks.nodes.get(key)

    def depth(self, key: int) -> int:
        """Returns the number of tasks above one."""
        return self.tasks.depths.get(key, 0)

    def branch(self, key: int) -> bool | None:
        """Returns whether the tasks below one are shown; None if there are none."""
        return key not in self.tasks.closed if key in self.tasks.tree.children else None

    def waiting(self, node: Node) -> Waiting:
        """Returns where a task waits. It is read again when the task has run."""
        known = self._waiting.get(node.number)
        if known is None or known[:2] != (node.polls, node.state) or node.state == "running":
            if len(self._waiting) > 1000:
                self._waiting.clear()
            known = self._waiting[node.number] = (node.polls, node.state, node.waiting())
        return known[2]

    def make_cells(self, key: int) -> tuple[Cell, ...]:
        """Returns the cells of a task."""
        node, now = self.tasks.nodes[key], self.tasks.now
        where, awaits = self.waiting(node)
        others = self.tasks.tree.others.get(key, 0)
        hidden = 0 if self.branch(key) is not False else len(self.tasks.tree.children[key])
        notes = [node.function]
        if others:
            notes.append(f"and {counted(others, 'other')}")
        if hidden:
            notes.append(f"{counted(hidden, 'task')} below")
        task = node.task()
        priority = 0
        if task is not None and not node.is_done:
            priority = _native.get_priority(task)
        return (
            Cell("▲" if node.warnings else "", "bad" if node.is_done else "warn"),
            Cell(node.name, "text", "   ".join(notes)),
            Cell(node.state, TONES[node.state]),
            Cell(where.short(), "text", where.function) if where else Cell(""),
            Cell(awaits, "bad" if node.is_done else "muted"),
            Cell(duration(now - node.created)),
            Cell(duration(node.busy)),
            Cell(duration(node.waited(now)) if not node.is_done else ""),
            Cell(number(node.polls)),
            Cell(str(priority), "muted" if priority == 0 else "text"),
        )

    def hint(self, key: int, column: int) -> str:
        """Returns the warnings, or the full text of a cell that can be too narrow."""
        node = self.tasks.nodes[key]
        name = self.columns[column].name
        if name == "warnings":
            return "\n".join(node.warnings)
        if name == "name":
            others = self.tasks.tree.others.get(key, 0)
            tail = f"\n{counted(others + 1, 'task')} await it" if others else ""
            return f"{node.name}\n{node.function}  {node.place.full()}{tail}"
        if name == "where":
            where = self.waiting(node).place
            return f"{where.full()} {where.function}" if where else ""
        return ""

    def place(self, key: int) -> Place | None:
        """Returns the line where the task waits, or where its coroutine begins."""
        node = self.node(key)
        if node is None:
            return None
        return self.waiting(node).place or node.place
