"""Copies of a signal's arguments, for code that keeps them beyond the emission."""

from __future__ import annotations

from typing import Any

import pytest

from qtloop._binding import binding
from qtloop._signal_arguments import copy_borrowed

if binding is None:
    pytest.skip("signals need a Qt binding", allow_module_level=True)

QtCore: Any = binding.QtCore
QtGui: Any = binding.module("QtGui")
QtWidgets: Any = binding.module("QtWidgets")


def test_kept_selections_are_those_of_their_emission(app: Any) -> None:
    model = QtGui.QStandardItemModel(3, 1)
    view = QtWidgets.QTableView()
    view.setModel(model)
    kept: list[Any] = []
    view.selectionModel().selectionChanged.connect(lambda *args: kept.append(copy_borrowed(args)))
    for row in (0, 2, 1):
        view.selectRow(row)
    rows = [[[index.row() for index in each.indexes()] for each in args] for args in kept]
    assert rows == [[[0], []], [[2], [0]], [[1], [2]]]


def test_kept_text_formats_are_those_of_their_emission(app: Any) -> None:
    edit = QtWidgets.QTextEdit("text")
    kept: list[Any] = []
    edit.currentCharFormatChanged.connect(lambda *args: kept.extend(copy_borrowed(args)))
    for size in (30, 31, 32):
        edit.setFontPointSize(size)
    assert [each.fontPointSize() for each in kept] == [30, 31, 32]


def test_kept_text_cursor_is_that_of_the_emission(app: Any) -> None:
    document = QtGui.QTextDocument("text")
    kept: list[Any] = []
    document.cursorPositionChanged.connect(lambda *args: kept.extend(copy_borrowed(args)))
    QtGui.QTextCursor(document).insertText("ab")
    assert [each.position() for each in kept] == [2]


def test_objects_with_an_identity_are_not_copied(app: Any) -> None:
    event, point = QtCore.QEvent(QtCore.QEvent.Type.User), QtCore.QPoint(1, 2)
    values = (QtCore.QObject(), QtGui.QStandardItem("item"), event, point, 7, "text", None, [point])
    assert all(kept is value for kept, value in zip(copy_borrowed(values), values, strict=True))


def test_items_that_a_view_owns_are_not_copied(app: Any) -> None:
    tree = QtWidgets.QTreeWidget()
    QtWidgets.QTreeWidgetItem(tree, ["row"])
    kept: list[Any] = []
    tree.itemChanged.connect(lambda *args: kept.extend(copy_borrowed(args)))
    tree.topLevelItem(0).setText(0, "changed")
    kept[0].setText(0, "through the kept item")
    assert tree.topLevelItem(0).text(0) == "through the kept item"
