"""Runs CPython's own test_asyncio, as the running interpreter ships it, against QEventLoop.

    python tests/cpython/run.py [--jobs 2] [--module test_events] [-k NAME] [--loop asyncio]

Each module of the suite runs in a child process, each test under a limit. A test that hangs or
crashes its process has failed; a new process takes the module up after it. `--loop asyncio` is the
control: the same runner on the standard loop. QT_API chooses the binding.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib
import json
import os
import pkgutil
import platform
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import report
from expected import Expected, expected_on
from report import ModuleRun, Outcome

CHILD = Path(__file__).with_name("child.py")
OPTIONS = ("-u", "-W", "default", "-bb")  # the options of CPython's own CI
LIVES = 10  # after this many lost processes the remaining tests of a module count as failed
GRACE = 5.0  # seconds in which an aborted process may print its traceback
LONGEST_LINE = 1 << 24


def find_modules(package: str) -> list[str]:
    """Returns the suite's modules, the longest files first: they take the most time."""
    try:
        paths = list(importlib.import_module(package).__path__)
    except ImportError as error:
        sys.exit(
            f"{error}: this Python comes without its test suite. On Debian and Ubuntu:\n"
            f"apt-get install libpython{sys.version_info[0]}.{sys.version_info[1]}-testsuite"
        )
    names = [m.name for m in pkgutil.iter_modules(paths) if m.name.startswith("test_")]
    return sorted(names, key=lambda name: -(Path(paths[0]) / f"{name}.py").stat().st_size)


def child_environment() -> dict[str, str]:
    """Returns this process's environment without the PYTHON* variables, which affect the suite."""
    keep = ("PYTHONPATH", "PYTHONHOME")
    return {k: v for k, v in os.environ.items() if not k.startswith("PYTHON") or k in keep}


class Child:
    """One process over a module: reads its events, gives it up when it is silent for too long."""

    def __init__(self, options: argparse.Namespace, run: ModuleRun, place: Path) -> None:
        self._options = options
        self._run = run
        self._output = place / "output"
        self._work = place / "work-æ"  # a non-ASCII folder, as regrtest uses
        self._work.mkdir(parents=True)
        self._current: int | None = None
        self._ended = False
        self._mark = 0
        self.plan: list[str] = []
        self.next = 0

    async def run(self, skip: int) -> bool:
        """Runs the tests from number `skip` on; False if the process died before the last one."""
        self.next = skip
        read_end, write_end = os.pipe()
        options = self._options
        arguments = [self._run.name, "--package", options.package, "--loop", options.loop]
        arguments += ["--events", str(write_end), "--skip", str(skip)]
        arguments += [f"-k{pattern}" for pattern in options.patterns]
        with self._output.open("wb") as output, os.fdopen(read_end, "rb") as pipe:
            try:
                process = await asyncio.create_subprocess_exec(
                    *(sys.executable, *OPTIONS, str(CHILD), *arguments),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=output,
                    stderr=asyncio.subprocess.STDOUT,
                    pass_fds=[write_end],
                    cwd=self._work,
                    env=child_environment(),
                    start_new_session=True,
                )
            finally:
                os.close(write_end)
            try:
                hung = await self._listen(pipe, process)
            finally:
                # The group includes processes that a broken test left behind.
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                status = await process.wait()
        return self._judge(hung, status)

    async def _listen(self, pipe: Any, process: asyncio.subprocess.Process) -> bool:
        """Takes events until the process ends; True if it had to be ended."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=LONGEST_LINE)
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
        try:
            while line := await asyncio.wait_for(reader.readline(), self._options.limit):
                self._take(json.loads(line))
            await asyncio.wait_for(process.wait(), self._options.limit)
        except asyncio.TimeoutError:
            # faulthandler answers SIGABRT with the traceback of every thread.
            process.send_signal(signal.SIGABRT)
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(process.wait(), GRACE)
            return True
        return False

    def _take(self, event: dict[str, Any]) -> None:
        kind = event.pop("event")
        if kind == "plan":
            self.plan = event["tests"]
        elif kind == "start":
            self._current = event["index"]
            self.next = event["index"] + 1
            self._mark = event["printed"]
        elif kind == "result":
            start, self._mark = event.pop("printed")
            outcome = Outcome(**event)
            if outcome.kind == "failed":
                outcome.text = f"{self._printed(start, self._mark)}{outcome.text}"
            self._run.outcomes.append(outcome)
            self._current = None
        elif kind == "end":
            self._ended = True

    def _printed(self, start: int, end: int | None = None) -> str:
        """Returns the output of the process between two offsets."""
        return self._output.read_bytes()[start:end].decode(errors="replace")

    def _judge(self, hung: bool, status: int) -> bool:
        """Counts a process that did not end by itself, and well, as a failed test."""
        if self._ended and not hung and status == 0:
            return True
        if self._current is not None:
            test = self.plan[self._current]
        else:
            test = f"{self._run.name} ({'at exit' if self._ended else 'outside any test'})"
        why = f"hung: silent for {self._options.limit:g} s" if hung else f"died: {ending(status)}"
        self._run.outcomes.append(Outcome(test, "failed", f"{self._printed(self._mark)}\n{why}"))
        return self._ended


def ending(status: int) -> str:
    """Returns a description of a process's exit status."""
    return f"signal {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"


def missing(plan: list[str], outcomes: list[Outcome]) -> list[str]:
    """Returns planned tests without an outcome and without a set-up that failed or skipped them."""
    told = {outcome.test for outcome in outcomes}

    def fixtures(test: str) -> set[str]:
        return {f"setUpClass ({test.rpartition('.')[0]})", f"setUpModule ({test.split('.')[0]})"}

    return [test for test in plan if test not in told and not fixtures(test) & told]


async def run_module(name: str, options: argparse.Namespace, place: Path) -> ModuleRun:
    """Runs a module in one process, or in several if a process dies."""
    run, start, reached = ModuleRun(name), time.monotonic(), 0
    plan: list[str] = []
    why = f"not run: {LIVES} processes of this module hung or died"
    for life in range(LIVES):
        child = Child(options, run, place / f"{name}-{life}")
        finished = await child.run(reached)
        plan = child.plan or plan
        if finished or child.next == reached:  # or it died before its first test, and would again
            why = "not run, and nobody said why" if finished else "not run: the process died before"
            break
        reached = child.next
    run.outcomes += [Outcome(test, "failed", why) for test in missing(plan, run.outcomes)]
    run.seconds = time.monotonic() - start
    return run


async def run_all(options: argparse.Namespace, entries: list[Expected]) -> list[ModuleRun]:
    """Runs all modules, `--jobs` at a time, and prints a table row for each."""
    names = options.modules or find_modules(options.package)
    room = asyncio.Semaphore(options.jobs)
    print(report.header(), flush=True)

    async def run_one(name: str, place: Path) -> ModuleRun:
        async with room:
            run = await run_module(name, options, place)
        report.judge(run, entries)
        print(run.row(), flush=True)
        return run

    with tempfile.TemporaryDirectory(prefix="test-asyncio-", ignore_cleanup_errors=True) as place:
        return list(await asyncio.gather(*(run_one(name, Path(place)) for name in names)))


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--loop", choices=("qtloop", "asyncio"), default="qtloop")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes at a time")
    parser.add_argument("--module", dest="modules", action="append", default=[])
    parser.add_argument("-k", dest="patterns", action="append", default=[], metavar="PATTERN")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds for one test")
    parser.add_argument("--package", default="test.test_asyncio", help="where the modules are")
    return parser.parse_args(arguments)


def main() -> int:
    """Runs the tests, reports, and returns exit status 1 if there was an unexpected failure."""
    options = parse()
    entries = expected_on(sys.version_info[:2]) if options.loop == "qtloop" else []
    binding = os.environ.get("QT_API") or "no binding chosen"
    print(f"{options.package} of Python {platform.python_version()} on {options.loop}, {binding}")
    start = time.monotonic()
    runs = asyncio.run(run_all(options, entries))
    total = ModuleRun("total", [o for run in runs for o in run.outcomes])
    total.seconds = time.monotonic() - start
    print(total.row())
    report.print_skipped(runs)
    report.print_expected(runs, entries)
    report.print_failures(runs)
    kinds = ("passed", "failed", "skipped")
    print("\n" + ", ".join(f"{total.count(kind)} {kind}" for kind in kinds))
    return 1 if total.count("failed") or not total.count("passed") else 0


if __name__ == "__main__":
    sys.exit(main())
