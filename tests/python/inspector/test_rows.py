"""The models: few signals, persistent indexes, and cells that are made for visible rows only."""

from __future__ import annotations

from typing import Any

import pytest

from qtloop._binding import binding

if binding is None:
    pytest.skip("the inspector needs a Qt binding", allow_module_level=True)

from qtloop.inspector._rows import Cell, Column, RowsModel

QtCore: Any = binding.QtCore
QtTest: Any = binding.module("QtTest")


class Numbers(RowsModel):
    """Rows whose cells are the key and a value."""

    columns = (Column("key", "Key", 40), Column("value", "Value", 40, "number"))

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[Any, int] = {}
        self.made: list[int] = []

    def make_cells(self, key: Any) -> tuple[Cell, ...]:
        self.made.append(key)
        return Cell(str(key)), Cell(str(self.values.get(key, 0)))


@pytest.fixture
def model(app: Any) -> Numbers:
    return Numbers()


class Signals:
    """The names of the signals that a model emits; Qt's own tester checks each of them."""

    NAMES = ("rowsInserted", "rowsRemoved", "layoutChanged", "dataChanged", "modelReset")

    def __init__(self, model: Numbers) -> None:
        self.names: list[str] = []
        self._tester = QtTest.QAbstractItemModelTester(
            model, QtTest.QAbstractItemModelTester.FailureReportingMode.Fatal
        )
        for name in self.NAMES:
            getattr(model, name).connect(lambda *_, name=name: self.names.append(name))

    def take(self) -> list[str]:
        names, self.names = self.names, []
        return names


def test_each_change_emits_few_signals(model: Numbers) -> None:
    signals = Signals(model)
    model.arrange(list(range(1000)))
    assert signals.take() == ["rowsInserted"]
    model.arrange(list(range(1000)))
    assert signals.take() == []
    model.arrange(list(range(1005)))
    assert signals.take() == ["rowsInserted"]
    model.arrange(list(range(0, 1005, 2)))
    assert signals.take() == ["layoutChanged", "rowsRemoved"]
    model.arrange([-1, *range(0, 1005, 2)])
    assert signals.take() == ["rowsInserted", "layoutChanged"]
    model.arrange([5, 3, 1, 0, 2])
    assert len(signals.take()) <= 4
    assert [model.key(row) for row in range(model.rowCount())] == [5, 3, 1, 0, 2]
    model.arrange([])
    assert signals.take() == ["rowsRemoved"]


def test_persistent_index_follows_its_key(model: Numbers) -> None:
    model.arrange([1, 2, 3, 4])
    kept = QtCore.QPersistentModelIndex(model.index(1, 1))
    lost = QtCore.QPersistentModelIndex(model.index(3, 0))
    model.arrange([9, 3, 8, 2, 1])
    assert (kept.row(), kept.column()) == (3, 1)
    assert not lost.isValid()


def test_cells_are_made_for_visible_rows_only(model: Numbers) -> None:
    model.arrange(list(range(10_000)))
    model.refresh(range(20, 25))
    assert model.made == [20, 21, 22, 23, 24]


def test_only_changed_cells_are_announced(model: Numbers) -> None:
    changed: list[tuple[int, int, int]] = []
    model.dataChanged.connect(
        lambda first, last, *_: changed.append((first.row(), first.column(), last.column()))
    )
    model.arrange([1, 2, 3])
    model.refresh(range(3))
    model.refresh(range(3))
    assert changed == []
    model.values[2] = 5
    model.refresh(range(3))
    assert changed == [(1, 1, 1)]


def test_visible_rows_may_be_more_than_there_are(model: Numbers) -> None:
    model.arrange([1])
    model.refresh(range(5))
    assert model.made == [1]


def test_heading_shows_the_order(model: Numbers) -> None:
    horizontal = QtCore.Qt.Orientation.Horizontal
    model.show_order((1, True))
    assert [model.headerData(at, horizontal) for at in range(2)] == ["Key", "Value ↓"]
    model.show_order(None)
    assert model.headerData(1, horizontal) == "Value"
