"""`Priority`: names for the priorities of tasks."""

from __future__ import annotations

import enum
from typing import NoReturn


class Priority(enum.IntEnum):
    """Names for priorities of tasks and callbacks: whole numbers from -100 to 100, smaller first.

    glib and systemd count in the same direction.
    """

    HIGH = -100
    """For work that a person or a machine waits for."""
    NORMAL = 0
    """The priority of tasks and callbacks that are given none and inherit none."""
    LOW = 100
    """For work that can wait."""

    @classmethod
    def _missing_(cls, value: object) -> NoReturn:
        raise ValueError(
            f"only HIGH, NORMAL and LOW have names: pass {value!r} itself, not Priority({value!r})"
        )
