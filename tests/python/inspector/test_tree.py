"""The tree of tasks: each once, under the first task that awaits it."""

from __future__ import annotations

from qtloop.inspector._tree import Tree, build, flatten, with_ancestors


def rows(tree: Tree, tasks: range | list[int], closed: frozenset[int] = frozenset()) -> list[str]:
    """Returns the rows as text, indented by their depth."""
    flat, depths = flatten(tasks, tree, closed.__contains__, sorted)
    return [f"{'.' * depths.get(task, 0)}{task}" for task in flat]


def test_task_is_below_its_first_waiter_and_the_others_are_counted() -> None:
    tree = build({1: [5], 2: [5], 3: [5, 4]})
    assert rows(tree, range(1, 6)) == ["1", ".5", "2", "3", ".4"]
    assert tree.others == {5: 2}


def test_tasks_of_gather_are_below_it_and_each_keeps_its_own_children() -> None:
    tree = build({1: [2, 3, 4], 3: [5]})
    assert rows(tree, range(1, 6)) == ["1", ".2", ".3", "..5", ".4"]
    assert tree.others == {}


def test_waiters_in_a_circle_begin_with_the_smallest() -> None:
    tree = build({4: [2], 2: [3], 3: [4], 9: [3]})
    assert rows(tree, [2, 3, 4, 9]) == ["2", ".3", "..4", "9"]
    assert tree.others == {2: 1, 3: 1}


def test_task_that_awaits_itself_is_a_root() -> None:
    assert rows(build({1: [1]}), [1]) == ["1"]


def test_two_circles_and_a_branch_into_one_have_all_their_tasks_once() -> None:
    tree = build({1: [2], 2: [1], 3: [4], 4: [3], 5: [1]})
    assert sorted(row.strip(".") for row in rows(tree, range(1, 6))) == ["1", "2", "3", "4", "5"]


def test_chain_of_ten_thousand_is_flattened() -> None:
    length = 10_000
    tree = build({task: [task + 1] for task in range(length)})
    flat, depths = flatten(range(length + 1), tree, lambda _: False, sorted)
    assert flat == [*range(length + 1)] and depths[length] == length


def test_tasks_below_a_closed_one_have_no_row() -> None:
    tree = build({1: [2], 2: [3], 4: [5]})
    assert rows(tree, range(1, 6), frozenset({2, 4})) == ["1", ".2", "4"]


def test_ancestors_of_a_task_are_kept_by_a_filter() -> None:
    tree = build({1: [2], 2: [3], 4: [5]})
    assert with_ancestors([3], tree) == {1, 2, 3}
