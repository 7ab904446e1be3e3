"""The runner counts outcomes correctly: tested on a small suite with every way a test can end."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from expected import Expected
from report import ModuleRun, Outcome, judge

RUNNER = Path(__file__).with_name("run.py")
TOTALS = re.compile(r"^(\d+) passed, (\d+) failed, (\d+) skipped$", re.MULTILINE)


class Ran:
    """One run of the runner over a suite of one module."""

    def __init__(self, place: Path, body: str, *options: str) -> None:
        suite = place / "suite"
        suite.mkdir()
        (suite / "__init__.py").touch()
        (suite / "test_it.py").write_text(
            f"import asyncio, os, signal, threading, unittest\n{body}"
        )
        command = [sys.executable, str(RUNNER), "--package", "suite", "--loop", "asyncio", *options]
        environment = {**os.environ, "PYTHONPATH": str(place), "QT_API": ""}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=50)
        self.output = done.stdout + done.stderr
        self.status = done.returncode
        totals = TOTALS.search(self.output)
        assert totals is not None, self.output
        self.counts = tuple(map(int, totals.groups()))

    def blames(self, test: str, reason: str) -> bool:
        """Whether the report lists this test as failed for this reason."""
        sections = re.split(r"^(?=FAILED )", self.output, flags=re.MULTILINE)
        return any(s.startswith(f"FAILED test_it.{test} ") and reason in s for s in sections)


def case(*lines: str) -> str:
    """A test case with a test `test_b` of these lines, between two tests that pass."""
    body = "".join(f"        {line}\n" for line in lines)
    return (
        "class C(unittest.TestCase):\n"
        "    def test_a(self): pass\n"
        f"    def test_b(self):\n{body}"
        "    def test_c(self): pass\n"
    )


def test_suite_that_passes_exits_with_zero(tmp_path: Path) -> None:
    ran = Ran(tmp_path, case("with self.subTest(): pass"))
    assert (ran.counts, ran.status) == ((3, 0, 0), 0)


def test_run_without_tests_exits_with_an_error(tmp_path: Path) -> None:
    ran = Ran(tmp_path, case("pass"), "-k", "no_such_test")
    assert (ran.counts, ran.status) == ((0, 0, 0), 1)


def test_pattern_chooses_tests(tmp_path: Path) -> None:
    ran = Ran(tmp_path, case("pass"), "-k", "*.C.test_[ab]")
    assert ran.counts == (2, 0, 0)


def test_failure_is_shown_with_what_the_test_printed(tmp_path: Path) -> None:
    ran = Ran(tmp_path, case("print('before it')", "self.fail('no good')"))
    assert (ran.counts, ran.status) == ((2, 1, 0), 1)
    assert ran.blames("C.test_b", "no good") and ran.blames("C.test_b", "before it")


def test_failing_subtest_fails_its_test(tmp_path: Path) -> None:
    ran = Ran(tmp_path, case("with self.subTest(i=7): self.fail('no good')"))
    assert ran.counts == (2, 1, 0)
    assert ran.blames("C.test_b", "(i=7)")


def test_skip_is_counted_with_its_reason(tmp_path: Path) -> None:
    ran = Ran(tmp_path, case("self.skipTest('not on a Sunday')"))
    assert (ran.counts, ran.status) == ((2, 0, 1), 0)
    assert "1 x not on a Sunday" in ran.output


def test_module_may_skip_itself(tmp_path: Path) -> None:
    ran = Ran(tmp_path, "raise unittest.SkipTest('not here')")
    assert ran.counts == (0, 0, 1)


def test_hanging_test_fails_and_the_rest_runs(tmp_path: Path) -> None:
    ran = Ran(tmp_path, case("threading.Event().wait()"), "--limit", "2")
    assert ran.counts == (2, 1, 0)
    assert ran.blames("C.test_b", "hung: silent for 2 s") and ran.blames("C.test_b", "in test_b")


def test_crashing_test_fails_and_the_rest_runs(tmp_path: Path) -> None:
    ran = Ran(tmp_path, case("os.kill(os.getpid(), signal.SIGSEGV)"))
    assert ran.counts == (2, 1, 0)
    assert ran.blames("C.test_b", "died: signal SIGSEGV")


def test_test_that_ends_the_process_fails_and_the_rest_runs(tmp_path: Path) -> None:
    ran = Ran(tmp_path, case("os._exit(0)"))
    assert ran.counts == (2, 1, 0)
    assert ran.blames("C.test_b", "died: exit status 0")


def test_escaping_keyboard_interrupt_fails_and_the_rest_runs(tmp_path: Path) -> None:
    ran = Ran(tmp_path, case("raise KeyboardInterrupt"))
    assert ran.counts == (2, 1, 0)
    assert ran.blames("C.test_b", "KeyboardInterrupt")


def test_hang_at_exit_is_a_failure(tmp_path: Path) -> None:
    ran = Ran(
        tmp_path, case("threading.Thread(target=threading.Event().wait).start()"), "--limit=2"
    )
    assert ran.counts == (3, 1, 0)
    assert "FAILED test_it (at exit)" in ran.output and "hung: silent for 2 s" in ran.output


def test_module_that_cannot_be_imported_is_a_failure(tmp_path: Path) -> None:
    ran = Ran(tmp_path, "raise ValueError('broken module')")
    assert (ran.counts, ran.status) == ((0, 1, 0), 1)
    assert "FAILED test_it (outside any test)" in ran.output and "broken module" in ran.output


def test_broken_class_fixture_is_a_failure(tmp_path: Path) -> None:
    fixture = "    @classmethod\n    def setUpClass(cls): raise ValueError('broken class')\n"
    ran = Ran(tmp_path, case("pass") + fixture)
    assert ran.counts == (0, 1, 0)
    assert "broken class" in ran.output


def test_class_may_skip_its_tests_in_its_fixture(tmp_path: Path) -> None:
    fixture = "    @classmethod\n    def setUpClass(cls): raise unittest.SkipTest('not here')\n"
    ran = Ran(tmp_path, case("pass") + fixture)
    assert (ran.counts, ran.output.count("1 x not here")) == ((0, 0, 1), 1)


def test_broken_module_fixture_is_a_failure(tmp_path: Path) -> None:
    ran = Ran(tmp_path, "def setUpModule(): raise ValueError('broken set-up')\n" + case("pass"))
    assert ran.counts == (0, 1, 0)
    assert "broken set-up" in ran.output


def test_planned_test_that_never_ran_is_a_failure(tmp_path: Path) -> None:
    lost = "    def run(self, result=None): 'test_a' in self.id() or super().run(result)\n"
    ran = Ran(tmp_path, case("pass") + lost)
    assert ran.counts == (2, 1, 0)
    assert ran.blames("C.test_a", "not run, and nobody said why")


def test_module_that_always_dies_counts_every_test(tmp_path: Path) -> None:
    ran = Ran(
        tmp_path,
        "".join(
            f"class C{i}(unittest.TestCase):\n    def test(self): os._exit(1)\n" for i in range(12)
        ),
    )
    assert ran.counts == (0, 12, 0)
    assert ran.blames("C9.test", "not run: 10 processes of this module hung or died")


def test_exception_in_a_destructor_fails_the_test(tmp_path: Path) -> None:
    bad = "class Bad:\n    def __del__(self): raise ValueError('lost')\n"
    ran = Ran(tmp_path, bad + case("Bad()"))
    assert ran.counts == (2, 1, 0)
    assert ran.blames("C.test_b", "unraisable exception") and ran.blames("C.test_b", "lost")


def test_exception_in_a_thread_fails_the_test(tmp_path: Path) -> None:
    bad = "def bad(): raise ValueError('lost')\n"
    lines = ("thread = threading.Thread(target=bad)", "thread.start()", "thread.join()")
    ran = Ran(tmp_path, bad + case(*lines))
    assert ran.counts == (2, 1, 0)
    assert ran.blames("C.test_b", "uncaught in a thread") and ran.blames("C.test_b", "lost")


def test_left_over_thread_fails_the_test(tmp_path: Path) -> None:
    # regrtest's own checks for threads and processes set this when they find one.
    ran = Ran(tmp_path, case("import test.support", "test.support.environment_altered = True"))
    assert ran.counts == (2, 1, 0)
    assert ran.blames("C.test_b", "left threads or processes behind")


def test_forked_child_reports_nothing_and_does_not_delay_the_run(tmp_path: Path) -> None:
    ran = Ran(tmp_path, case("if os.fork() == 0: signal.pause()"), "--limit", "10")
    assert (ran.counts, ran.status) == ((3, 0, 0), 0)


@pytest.mark.parametrize(
    "make",
    [
        "asyncio.SelectorEventLoop()",
        "asyncio.SelectorEventLoop(object())",
        "asyncio.new_event_loop()",
        "asyncio.unix_events.SelectorEventLoop()",
        "asyncio.unix_events._UnixDefaultEventLoopPolicy().new_event_loop()",
        "asyncio.EventLoop()",
        "asyncio.Runner().get_loop()",
    ],
)
def test_every_way_to_make_a_loop_gives_the_one_under_test(tmp_path: Path, make: str) -> None:
    name = make.split(".")[1].split("(")[0]
    lines = (
        f"if not hasattr(asyncio, {name!r}): self.skipTest('not in this Python')",
        f"loop = {make}",
        "self.addCleanup(loop.close)",
        "self.assertIn('install', type(loop).__init__.__qualname__)",
    )
    ran = Ran(tmp_path, case(*lines))
    assert ran.counts == ((3, 0, 0) if hasattr(asyncio, name) else (2, 0, 1))


def test_listed_failure_is_expected() -> None:
    run = ModuleRun("m", [Outcome("m.C.test_x", "failed")])
    judge(run, [Expected("m.C.test_*", "looks inside")])
    assert run.count("expected") == 1


def test_listed_test_that_passes_is_a_failure() -> None:
    run = ModuleRun("m", [Outcome("m.C.test_x", "passed"), Outcome("m.C.other", "passed")])
    judge(run, [Expected("m.C.test_*", "looks inside")])
    assert run.count("failed") == 1
    assert run.outcomes[0].text.startswith("no longer fails: remove")
