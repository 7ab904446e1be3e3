"""Runs one module of CPython's asyncio suite on one loop, and reports each test to the parent.

`run.py` starts it and holds the other end of the pipe. Because a test is reported before it runs,
the parent can name the one that hung or crashed this process, and start a new one after it.
"""

from __future__ import annotations

import argparse
import asyncio
import faulthandler
import fnmatch
import gc
import importlib
import json
import os
import sys
import threading
import time
import traceback
import unittest
from collections.abc import Iterator
from typing import Any, ClassVar

BINDINGS = {"pyside6": "PySide6", "pyqt6": "PyQt6"}


class Reporter:
    """Writes one JSON line per event; a test's forked children lose it, so its end is ours."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        os.set_inheritable(fd, False)
        os.register_at_fork(after_in_child=self._close)

    def _close(self) -> None:
        os.close(self._fd)
        self._fd = -1

    def send(self, event: str, **fields: object) -> None:
        if self._fd == -1:
            return
        line = json.dumps({"event": event, **fields}).encode() + b"\n"
        while line:
            line = line[os.write(self._fd, line) :]


class LoopCount:
    """Counts the loops made from the installed class: a test without one proves nothing of it."""

    made: ClassVar[int] = 0


class Result(unittest.TestResult):
    """Sends what unittest says; a test's outcome is the worst that it or its subtests met."""

    def __init__(self, reporter: Reporter, package: str, module: str, plan: list[str]) -> None:
        super().__init__()
        self._reporter = reporter
        self._package = package
        self._module = module
        self._indices = {name: index for index, name in enumerate(plan)}
        self._support: Any = importlib.import_module("test.support")
        self._current: unittest.TestCase | None = None
        self._begin()

    def startTest(self, test: unittest.TestCase) -> None:
        super().startTest(test)
        self._current = test
        self._begin()
        self._reporter.send(
            "start", index=self._indices[short_id(test, self._package)], printed=self._printed
        )

    def _begin(self) -> None:
        self._failures: list[str] = []
        self._skips: list[str] = []
        self._succeeded = False
        self._started = time.monotonic()
        self._loops = LoopCount.made
        self._printed = printed()

    def stopTest(self, test: unittest.TestCase) -> None:
        super().stopTest(test)
        if not (self._failures or self._skips or self._succeeded):
            return  # a KeyboardInterrupt ends the process: the parent reports this test as failed
        if self._support.environment_altered:
            self._support.environment_altered = False
            self._failures.append("left threads or processes behind")
        self._send(short_id(test, self._package))
        self._current = None

    def _send(self, name: str) -> None:
        kind = "failed" if self._failures else "skipped" if self._skips else "passed"
        self._reporter.send(
            "result",
            test=name,
            kind=kind,
            text="\n".join(self._failures or self._skips),
            seconds=time.monotonic() - self._started,
            loops=LoopCount.made - self._loops,
            printed=(self._printed, printed()),
        )
        self._begin()

    def _fixture(self, test: unittest.TestCase) -> None:
        """Sends exceptions of setUpClass, setUpModule and their tear-downs at once."""
        if self._current is None:
            self._send(short_id(test, self._package))

    def addSuccess(self, test: unittest.TestCase) -> None:
        self._succeeded = True

    def addExpectedFailure(self, test: unittest.TestCase, err: Any) -> None:
        self._succeeded = True

    def addError(self, test: unittest.TestCase, err: Any) -> None:
        super().addError(test, err)
        self._failures.append(self.errors.pop()[1])  # its text, without unittest's own frames
        self._fixture(test)

    def addFailure(self, test: unittest.TestCase, err: Any) -> None:
        super().addFailure(test, err)
        self._failures.append(self.failures.pop()[1])

    def addSubTest(self, test: unittest.TestCase, subtest: unittest.TestCase, err: Any) -> None:
        super().addSubTest(test, subtest, err)
        for kind in (self.errors, self.failures):
            self._failures += [f"in subtest {subtest}\n{text}" for _, text in kind]
            kind.clear()

    def addUnexpectedSuccess(self, test: unittest.TestCase) -> None:
        self._failures.append("marked as an expected failure by the suite, but it passed")

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:
        self._skips.append(reason)
        self._fixture(test)

    def stray(self, what: str, exc: BaseException | None) -> None:
        """Adds an unraisable or a thread's exception to the running test, as regrtest does."""
        text = "" if exc is None else "".join(traceback.format_exception(exc))
        self._failures.append(f"{what}\n{text}")
        if self._current is None:
            self._send(f"{self._module} (outside any test)")


def printed() -> int:
    """Returns the number of bytes that this process and its children have printed so far."""
    return os.fstat(1).st_size


def short_id(test: unittest.TestCase, package: str) -> str:
    """Returns a test's id without the package: test_events.C.test_x."""
    return test.id().replace(f"{package}.", "")


def flatten(suite: unittest.TestSuite) -> Iterator[unittest.TestCase]:
    """Yields the tests of a suite in the order in which it would run them."""
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from flatten(item)
        else:
            yield item


def wanted(name: str, patterns: list[str]) -> bool:
    """Whether a test matches a pattern, by unittest's rule: a substring, or a glob with `*`."""
    return not patterns or any(
        fnmatch.fnmatchcase(name, p) if "*" in p else p in name for p in patterns
    )


def prepare_like_regrtest() -> None:
    """Sets what `python -m test` sets: no extra resources such as the network, crash traces."""
    support: Any = importlib.import_module("test.support")
    support.use_resources = ()
    support.verbose = 0
    support.record_original_stdout(sys.stdout)
    if sys.version_info >= (3, 14):
        faulthandler.enable(c_stack=False)  # the C stack would leave no room for Python's
    else:
        faulthandler.enable()


def make_application() -> object:
    """Makes the QCoreApplication, as a program does; without QT_API the loop makes it."""
    name = os.environ.get("QT_API")
    if not name:
        return None
    core = importlib.import_module(f"{BINDINGS[name.lower()]}.QtCore")
    application: object = core.QCoreApplication(sys.argv[:1])
    return application


def loop_class(name: str) -> type[asyncio.AbstractEventLoop]:
    """Returns the loop class under test: qtloop's, or the standard one as a control."""
    if name == "asyncio":
        return asyncio.SelectorEventLoop
    found: type[asyncio.AbstractEventLoop] = importlib.import_module(name).QEventLoop
    return found


def install(base: type[asyncio.AbstractEventLoop]) -> None:
    """Makes every function of asyncio that makes a loop return a `base`.

    The suite also asks for `SelectorEventLoop(selector)`, one class of tests per kind of selector.
    A loop inside Qt has one poller and takes none, so the argument is dropped, and those classes
    run the same tests again. Mocked loops that the suite builds for itself stay as they are.
    """

    class Loop(base):  # type: ignore[valid-type, misc]
        def __init__(self, selector: object = None) -> None:
            LoopCount.made += 1
            super().__init__()

    Loop.__name__, Loop.__qualname__ = base.__name__, base.__qualname__
    unix_events: Any = asyncio.unix_events
    for module in (asyncio, unix_events):
        for name in ("SelectorEventLoop", "EventLoop"):
            if hasattr(module, name):
                setattr(module, name, Loop)
    unix_events._UnixDefaultEventLoopPolicy._loop_factory = Loop

    for make in (asyncio.new_event_loop, asyncio.SelectorEventLoop):
        loop = make()
        loop.close()
        if type(loop) is not Loop:
            raise RuntimeError(f"{make.__name__} gives {type(loop)}: teach install() this Python")
    LoopCount.made = 0


def main() -> None:
    """Runs the module's tests from the given one on, and exits as any Python program does."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("module")
    parser.add_argument("--package", default="test.test_asyncio")
    parser.add_argument("--loop", choices=("qtloop", "asyncio"), default="qtloop")
    parser.add_argument("--events", type=int, required=True, help="descriptor to report to")
    parser.add_argument("--skip", type=int, default=0, help="how many tests to leave out")
    parser.add_argument("-k", dest="patterns", action="append", default=[])
    options = parser.parse_args()

    reporter = Reporter(options.events)
    prepare_like_regrtest()
    application = make_application()
    install(loop_class(options.loop))
    try:
        module = importlib.import_module(f"{options.package}.{options.module}")
    except unittest.SkipTest as reason:
        where = (printed(),) * 2
        reporter.send(
            "result", test=options.module, kind="skipped", text=str(reason), printed=where
        )
        reporter.send("end")
        return

    suite = unittest.TestLoader().loadTestsFromModule(module)
    tests = {short_id(test, options.package): test for test in flatten(suite)}
    plan = [name for name in tests if wanted(name, options.patterns)]
    reporter.send("plan", tests=plan)
    rest = unittest.TestSuite(tests[name] for name in plan[options.skip :])
    del suite, tests  # unittest drops each test once it has run; these would keep them

    result = Result(reporter, options.package, options.module, plan)
    sys.unraisablehook = lambda args: result.stray("unraisable exception", args.exc_value)
    threading.excepthook = lambda args: result.stray("uncaught in a thread", args.exc_value)
    rest.run(result)
    gc.collect()  # exceptions in destructors count, too
    reporter.send("end")
    del application  # it must outlive the loops


if __name__ == "__main__":
    main()
