"""The tests of CPython's suite that look inside the standard loop, each with its reason.

Nothing else belongs here. A listed test that passes is an error: take it off the list.
"""

from __future__ import annotations

import fnmatch
from typing import NamedTuple

Version = tuple[int, int]


class Expected(NamedTuple):
    """Tests that cannot pass on QEventLoop: a glob for their ids, why, and on which Pythons."""

    pattern: str
    reason: str
    first: Version = (3, 10)
    last: Version = (3, 99)

    def covers(self, test: str) -> bool:
        """Whether this entry speaks of the test."""
        return fnmatch.fnmatchcase(test, self.pattern)


# None today: every look inside that the suite takes finds what asyncio's own loop would show.
EXPECTED: tuple[Expected, ...] = ()


def expected_on(version: Version) -> list[Expected]:
    """The entries that count for one Python."""
    return [entry for entry in EXPECTED if entry.first <= version <= entry.last]
