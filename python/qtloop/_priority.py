"""`Priority`: names for the priorities of tasks."""

from __future__ import annotations

import enum
from typing import NoReturn


class Priority(enum.IntEnum):
    """The priority of a task or a callback. Any number from -100 to 100 is one; smaller runs first.

    glib and systemd count in the same direction.
    """

    HIGH = -100
    """For what a person or a machine waits for."""
    NORMAL = 0
    """What is given no priority."""
    LOW = 100
    """For work that can wait."""

    @classmethod
    def _missing_(cls, value: object) -> NoReturn:
        raise ValueError(
            f"only HIGH, NORMAL and LOW have names: pass {value!r} itself, not Priority({value!r})"
        )
