"""The registration of a question, and the check that answers it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from peers import Peer

Question = Callable[[Peer], Any]


class Questions(dict[str, tuple[str, Question]]):
    """The questions of one file by name: the text of the row and the function."""

    def asks(self, text: str) -> Callable[[Question], Question]:
        """Makes a function a row of the table."""

        def add(question: Question) -> Question:
            self[question.__name__] = text, question
            return question

        return add


def check(fact: bool, otherwise: str) -> None:
    """Answers no, with that reason, unless the condition is true."""
    if not fact:
        raise AssertionError(otherwise)
