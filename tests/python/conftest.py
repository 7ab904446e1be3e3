"""Shared fixtures: the binding's application, a loop with its reports, and child processes."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from typing import Any, Protocol

import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import qtloop
from qtloop import _binding

# Some of its modules are imported, and are plugins with fixtures, too.
pytest.register_assert_rewrite("support")

BINDING = _binding.binding.name if _binding.binding else None


def pytest_collection_finish() -> None:
    """Takes what is loaded out of the collector's sight, so that a test's `gc.collect()` is quick."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def app() -> Any:
    """The application object of the process: a QApplication, or qtloop's own without a binding."""
    if _binding.binding is None:
        asyncio.set_event_loop(None)
        qtloop.run(asyncio.sleep(0))
        return None
    application = _binding.binding.module("QtWidgets").QApplication([])
    # Tests close windows; only those that enable this quit by it.
    application.setQuitOnLastWindowClosed(False)
    return application


@pytest.fixture
def loop(app: Any) -> Iterator[qtloop.QEventLoop]:
    """A loop that is closed at the end, with whatever is still queued."""
    loop = qtloop.QEventLoop(app)
    yield loop
    loop.close()


@pytest.fixture
def reports(loop: qtloop.QEventLoop) -> Iterator[list[dict[str, Any]]]:
    """The contexts passed to the loop's exception handler; a test removes those that it expects."""
    reports: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: reports.append(context))
    yield reports
    assert reports == []


class Child(Protocol):
    """Runs a program; see `child`."""

    def __call__(
        self, program: str, *, code: int | None = 0, seconds: float = 30, **environment: str
    ) -> subprocess.CompletedProcess[str]: ...


# Imports that a child program starts with, for any binding.
PREAMBLE = """
import asyncio, os, signal, sys, threading, time
import qtloop
from qtloop import QEventLoop
from qtloop._binding import binding, support
if binding:
    QtCore = binding.module("QtCore")
    QtGui = binding.module("QtGui")
    QtWidgets = binding.module("QtWidgets")
"""


def spawn(program: str, **environment: str) -> subprocess.Popen[str]:
    """Starts a program as a child process with piped output."""
    return subprocess.Popen(
        [sys.executable, "-X", "faulthandler", "-c", PREAMBLE + textwrap.dedent(program)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
        start_new_session=True,
    )


@pytest.fixture
def child() -> Child:
    """Runs a program as a child until it ends; a hang or another exit code fails the test."""

    def run(
        program: str, *, code: int | None = 0, seconds: float = 30, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        process = spawn(program, **environment)
        try:
            out, err = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            # Its own children hold the pipes open, too.
            os.killpg(process.pid, signal.SIGKILL)
            out, err = process.communicate()
            pytest.fail(f"the program hung\n{out}\n{err}")
        if code is not None and process.returncode != code:
            pytest.fail(f"exit code {process.returncode}, not {code}\n{out}\n{err}")
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    return run


needs_binding = pytest.mark.skipif(
    BINDING is None, reason="windows and signals of Qt need a binding; this run has none installed"
)
