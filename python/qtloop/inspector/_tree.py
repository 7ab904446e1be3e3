"""Arranges tasks as a tree: each task once, under the first task that awaits it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass
class Tree:
    """Which task is below which. Tasks are numbers."""

    parents: dict[int, int] = field(default_factory=dict)
    children: dict[int, list[int]] = field(default_factory=dict)
    # The number of further waiters of a task, besides its parent.
    others: dict[int, int] = field(default_factory=dict)


def build(awaits: Mapping[int, Sequence[int]]) -> Tree:
    """Returns the tree for "this task awaits these tasks".

    The first waiter of a task is its parent. If tasks await each other in a circle, the one with
    the smallest number has no parent.
    """
    tree = Tree()
    parents, others = tree.parents, tree.others
    for waiter, awaited in awaits.items():
        for task in awaited:
            if parents.setdefault(task, waiter) != waiter:
                others[task] = others.get(task, 0) + 1
    for task in _first_of_circles(parents):
        del parents[task]
        others[task] = others.get(task, 0) + 1
    for task, waiter in parents.items():
        tree.children.setdefault(waiter, []).append(task)
    return tree


def _first_of_circles(parents: Mapping[int, int]) -> list[int]:
    """Returns the smallest task of each circle."""
    found = []
    walks: dict[int, int] = {}  # the walk on which a task was met
    for walk, start in enumerate(parents):
        task = start
        while task in parents and task not in walks:
            walks[task] = walk
            task = parents[task]
        if walks.get(task) == walk:
            circle = [task]
            while (above := parents[circle[-1]]) != task:
                circle.append(above)
            found.append(min(circle))
    return found


def flatten(
    tasks: Iterable[int],
    tree: Tree,
    is_closed: Callable[[int], bool],
    order: Callable[[list[int]], list[int]],
) -> tuple[list[int], dict[int, int]]:
    """Returns the visible tasks in the order of their rows, and the depths of those that have one.

    `order` sorts the tasks of one level. Tasks below a task that `is_closed` accepts have no row.
    """
    parents, children = tree.parents, tree.children
    roots = order([task for task in tasks if task not in parents])
    if not children:
        return roots, {}
    rows: list[int] = []
    depths: dict[int, int] = {}
    for root in roots:
        rows.append(root)
        if root not in children or is_closed(root):
            continue
        stack = [(child, 1) for child in reversed(order(children[root]))]
        while stack:
            task, depth = stack.pop()
            rows.append(task)
            depths[task] = depth
            if (below := children.get(task)) and not is_closed(task):
                stack += [(child, depth + 1) for child in reversed(order(below))]
    return rows, depths


def with_ancestors(tasks: Iterable[int], tree: Tree) -> set[int]:
    """Returns the tasks and all tasks above them."""
    kept: set[int] = set()
    for task in tasks:
        above: int | None = task
        while above is not None and above not in kept:
            kept.add(above)
            above = tree.parents.get(above)
    return kept
