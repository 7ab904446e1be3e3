"""The tests of CPython's suite that rely on internals of the standard loop, each with its reason.

No other failure belongs here. A listed test that passes is an error: remove it from the list.
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
        """Whether this entry matches the test."""
        return fnmatch.fnmatchcase(test, self.pattern)


# Empty: all internals that the suite reads exist on QEventLoop as on asyncio's own loop.
EXPECTED: tuple[Expected, ...] = ()


def expected_on(version: Version) -> list[Expected]:
    """Returns the entries for one Python version."""
    return [entry for entry in EXPECTED if entry.first <= version <= entry.last]
