"""The outcomes of the tests, and the text in which the runner reports them."""

from __future__ import annotations

import collections
import dataclasses

from expected import Expected

FRAME = "{:<24}{:>8}{:>8}{:>10}{:>9}{:>9}{:>9}"
TEXT_LINES = 30


@dataclasses.dataclass
class Outcome:
    """One test: how it ended, why, and how many loops it made."""

    test: str
    kind: str  # passed, failed, skipped, expected
    text: str = ""
    seconds: float = 0.0
    loops: int = 0


@dataclasses.dataclass
class ModuleRun:
    """One module of the suite, with the outcomes of its tests."""

    name: str
    outcomes: list[Outcome] = dataclasses.field(default_factory=list)
    seconds: float = 0.0

    def count(self, kind: str) -> int:
        """Returns the number of tests with this outcome."""
        return sum(outcome.kind == kind for outcome in self.outcomes)

    def row(self) -> str:
        """Returns this module's row of the table."""
        kinds = [self.count(kind) for kind in ("passed", "failed", "expected", "skipped")]
        on_loop = sum(outcome.loops > 0 for outcome in self.outcomes)
        return FRAME.format(self.name, *kinds, on_loop, f"{self.seconds:.1f}")


def header() -> str:
    """Returns the header of the table; `on loop` counts the tests that made the loop under test."""
    return FRAME.format("module", "passed", "failed", "expected", "skipped", "on loop", "seconds")


def judge(run: ModuleRun, entries: list[Expected]) -> None:
    """Mark failures that are on the list as expected, and listed tests that pass as failed."""
    for outcome in run.outcomes:
        entry = next((entry for entry in entries if entry.covers(outcome.test)), None)
        if entry is None or outcome.kind == "skipped":
            continue
        if outcome.kind == "failed":
            outcome.kind = "expected"
        else:
            outcome.kind = "failed"
            outcome.text = f"no longer fails: remove {entry.pattern!r} from expected.py"


def short(text: str) -> str:
    """Returns the end of a long text: the last lines of a traceback matter most."""
    lines = text.rstrip().splitlines()
    if len(lines) > TEXT_LINES:
        lines = [f"... {len(lines) - TEXT_LINES} lines left out", *lines[-TEXT_LINES:]]
    return "\n".join(f"    {line}" for line in lines)


def print_failures(runs: list[ModuleRun]) -> None:
    """Prints the text of each failure."""
    for run in runs:
        for outcome in run.outcomes:
            if outcome.kind == "failed":
                print(f"\nFAILED {outcome.test}  ({outcome.seconds:.1f} s)\n{short(outcome.text)}")


def print_expected(runs: list[ModuleRun], entries: list[Expected]) -> None:
    """List the expected failures under their reasons."""
    failed = [o.test for run in runs for o in run.outcomes if o.kind == "expected"]
    if failed:
        print(f"\n{len(failed)} expected failures, of tests that look inside asyncio's own loop:")
    for entry in entries:
        tests = [test for test in failed if entry.covers(test)]
        if tests:
            print(f"  {entry.reason}")
            for test in tests:
                print(f"    {test}")


def print_skipped(runs: list[ModuleRun]) -> None:
    """Counts the skipped tests by the suite's own reasons."""
    skips = [" ".join(o.text.split()) for run in runs for o in run.outcomes if o.kind == "skipped"]
    if skips:
        print(f"\n{len(skips)} skipped by the suite itself:")
    for reason, times in collections.Counter(skips).most_common():
        print(f"  {times:>4} x {reason}")
