"""Warnings about a task or the loop, as sentences. tokio-console has some of them, too."""

from __future__ import annotations

from ._text import duration

# Fewer wake-ups than these say nothing about a task.
MIN_WAKEUPS = 100
NEVER_YIELDS = 1_000_000_000
# A step that kept the window from being painted for as long as this is reported.
BLOCKED = 100_000_000
# More timers than these in a second are reported.
TIMER_STORM = 2000


def wakes_itself(wakeups: int, self_wakeups: int) -> str | None:
    """Warns of a task that causes most of its wake-ups itself, such as by `sleep(0)`."""
    if wakeups < MIN_WAKEUPS or self_wakeups * 2 <= wakeups:
        return None
    share = round(100 * self_wakeups / wakeups)
    return f"Wakes itself: {share} % of its wake-ups are its own, as those of sleep(0) are."


def never_yields(running: int, now: int) -> str | None:
    """Warns of a step that has run for a second, while Qt runs no nested event loop for it."""
    if not running or now - running < NEVER_YIELDS:
        return None
    return f"Has not yielded for {duration(now - running)}: its step processes Qt's events itself."


def blocked(nanoseconds: int) -> str | None:
    """Warns of a task that has kept Qt from its events, by the time of that step."""
    if nanoseconds < BLOCKED:
        return None
    return f"Has blocked the window for {duration(nanoseconds)} in one step."


def never_retrieved(error: BaseException) -> str:
    """Warns of a task that has failed while no code has read its exception."""
    return f"{type(error).__name__} was never retrieved: await the task, or read its exception()."


def timer_storm(per_second: float) -> str | None:
    """Warns of a program in which very many timers become due."""
    if per_second < TIMER_STORM:
        return None
    return f"Timer storm: {per_second:,.0f} timers a second"
