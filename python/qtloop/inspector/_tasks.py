"""The tasks of a loop from one update to the next, and the rows that the window shows of them."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable
from typing import Any

from . import _awaits, _tree
from ._nodes import Node
from ._source import Account, Changes, Key
from ._tree import Tree

# Seconds of an update in which tasks that have stepped are read. The rest is read in the next ones.
READING_TIME = 0.002

# Tasks that are read between two looks at the clock.
CHUNK = 50

# Failed tasks that are kept in the list until their exception is retrieved.
MAX_FAILED = 100

Read = Callable[[list[Key]], "list[Account | None]"]

# The orders that need the figures of all tasks.
BY_FIGURES = ("state", "busy", "waiting", "polls", "total")

KEYS: dict[str, Callable[[Node, int], Any]] = {
    "warnings": lambda node, now: len(node.warnings),
    "name": lambda node, now: node.name.lower(),
    "state": lambda node, now: node.state,
    "total": lambda node, now: now - node.created,
    "busy": lambda node, now: node.busy,
    "waiting": lambda node, now: node.waited(now),
    "polls": lambda node, now: node.polls,
}


class Tasks:
    """Finds what has changed, by task number; it keeps no task alive.

    `read` returns the figures of tasks. It is called for those that have stepped and that are
    visible, and for all if they are sorted by their figures.
    """

    def __init__(self, read: Read) -> None:
        self.nodes: dict[int, Node] = {}
        self.tree = Tree()
        self.now = 0
        self.filter = ""
        self.sort = ""  # a key of KEYS, or nothing: in the order of creation
        self.is_reversed = False
        self.closed: set[int] = set()  # the tasks whose children are hidden
        self.rows: list[int] = []
        self.depths: dict[int, int] = {}  # of tasks below another one
        self._read = read
        self._numbers: dict[int, int] = {}  # by the address of the task
        self._awaits: dict[int, tuple[int, ...]] = {}
        self._groups: set[int] = set()  # tasks that wait for a TaskGroup, which others may join
        self._stale: dict[int, None] = {}  # tasks that must be read
        self._running: list[int] = []
        self._failed: list[int] = []
        self._is_tree_old = False
        self._gap = 0  # the longest time between two frames since all tasks were read

    def update(self, changes: Changes, now: int, gap: int, is_nested: bool) -> None:
        """Takes the changes, and arranges the rows. See `Node.update`."""
        self.now = now
        self._gap = max(self._gap, gap)
        nodes, stale = self.nodes, self._stale
        for number, task in changes.created:
            self._add(number, task)
        for number, task in changes.failed:
            self._add(number, task)
            self._failed.append(number)
        has_changed = self._remove(changes.ended) or bool(changes.created)
        for number in itertools.chain(changes.stepped, self._running):
            if number in nodes:
                stale[number] = None
        if changes.created:
            stale.update(dict.fromkeys(self._groups))
        self._read_stale(is_nested)
        if self._is_tree_old:
            self._build_tree()
            has_changed = True
        if has_changed or self.sort:
            self.arrange()

    def _build_tree(self) -> None:
        nodes = self.nodes
        self.tree = _tree.build(
            {
                waiter: [task for task in awaited if task in nodes]
                for waiter, awaited in self._awaits.items()
            }
        )
        self._is_tree_old = False

    def read(self, numbers: Iterable[int]) -> None:
        """Reads the figures of tasks, and looks for no warnings."""
        nodes = [node for number in numbers if (node := self.nodes.get(number))]
        for node, account in zip(nodes, self._read([node.key for node in nodes]), strict=True):
            if account is not None:
                node.account = account

    def arrange(self) -> None:
        """Arranges the rows again, after a change of the filter, the order or a closed branch."""
        if self.sort in BY_FIGURES:
            self.read(self.nodes)
        shown = self._shown()
        tree, numbers = self.tree, self.nodes.keys()
        if shown is not None:
            shown = _tree.with_ancestors(shown, tree)

        def order(level: list[int]) -> list[int]:
            visible = level if shown is None else [each for each in level if each in shown]
            return self._sorted(visible)

        is_closed = self.closed.__contains__ if shown is None else lambda number: False
        self.rows, self.depths = _tree.flatten(numbers, tree, is_closed, order)

    def _shown(self) -> set[int] | None:
        """Returns the tasks that the filter accepts; None if there is no filter."""
        words = self.filter.lower().split()
        if not words:
            return None
        return {
            number
            for number, node in self.nodes.items()
            if all(word in node.haystack for word in words)
        }

    def _sorted(self, level: list[int]) -> list[int]:
        if not self.sort:
            return sorted(level)
        key, nodes, now = KEYS[self.sort], self.nodes, self.now
        return sorted(
            sorted(level), key=lambda each: key(nodes[each], now), reverse=self.is_reversed
        )

    def _add(self, number: int, task: Any) -> None:
        if number not in self.nodes:
            node = self.nodes[number] = Node(number, task, self.now)
            self._numbers[node.key[0]] = number
            self._stale[number] = None

    def _remove(self, ended: list[int]) -> bool:
        """Removes tasks that are done, except those with an exception for other code to read."""
        failed = [number for number in self._failed if number in self.nodes]
        was_done = sum(self.nodes[number].is_done for number in failed)
        kept = [number for number in failed if self.nodes[number].fail()][-MAX_FAILED:]
        self._failed = kept
        gone = {*failed, *ended}.difference(kept)
        for number in gone.intersection(self.nodes):
            node = self.nodes.pop(number)
            if self._numbers.get(node.key[0]) == number:
                del self._numbers[node.key[0]]
            self.closed.discard(number)
            self._forget(number)
        for number in kept:
            self._forget(number)
        return bool(gone) or len(kept) != was_done

    def _forget(self, number: int) -> None:
        """Forgets what a task that is done has awaited."""
        if number in self.tree.parents or number in self.tree.children:
            self._is_tree_old = True
        self._awaits.pop(number, None)
        self._groups.discard(number)
        self._stale.pop(number, None)

    def _read_stale(self, is_nested: bool) -> None:
        """Reads tasks that have stepped, for a limited time."""
        stale = self._stale
        self._running = []
        deadline = time.perf_counter() + READING_TIME
        while stale and time.perf_counter() < deadline:
            chunk = [self.nodes[number] for number in itertools.islice(stale, CHUNK)]
            accounts = self._read([node.key for node in chunk])
            for node, account in zip(chunk, accounts, strict=True):
                del stale[node.number]
                task = node.task()
                if account is None or task is None:
                    continue
                node.rename(task)
                node.update(account, self.now, self._gap, is_nested)
                if node.is_running:
                    self._running.append(node.number)
                self._read_awaits(node.number, task)
        if not stale:
            self._gap = 0

    def _read_awaits(self, number: int, task: Any) -> None:
        awaited, is_open = _awaits.awaited_tasks(task)
        find = self._numbers.get
        found = tuple(each for task in awaited if (each := find(id(task))) is not None)
        (self._groups.add if is_open else self._groups.discard)(number)
        if found != self._awaits.get(number, ()):
            self._is_tree_old = True
            self._awaits[number] = found
            if not found:
                del self._awaits[number]
