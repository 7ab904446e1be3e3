"""Fixtures of the tests in which the application quits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import qtloop


@pytest.fixture
def quits(app: Any) -> Iterator[list[str]]:
    """Grows by one with every `aboutToQuit`."""
    quits: list[str] = []

    def note() -> None:
        quits.append("about to quit")

    app.aboutToQuit.connect(note)
    yield quits
    app.aboutToQuit.disconnect(note)


@pytest.fixture
def window(app: Any) -> Iterator[Any]:
    """The only window, whose closing quits the application."""
    window = qtloop.QtWidgets.QWidget()
    window.show()
    app.setQuitOnLastWindowClosed(True)
    yield window
    app.setQuitOnLastWindowClosed(False)
    window.close()
