"""The pytest plugin: async tests in a QEventLoop with each other plugin, and its two fixtures."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import pytest
from conftest import BINDING, Child, needs_binding

ROOT = Path(__file__).parents[3]

needs_asyncio = pytest.mark.skipif(
    find_spec("pytest_asyncio") is None, reason="pytest-asyncio is not installed"
)
needs_anyio = pytest.mark.skipif(find_spec("anyio") is None, reason="anyio is not installed")
needs_pytest_qt = pytest.mark.skipif(
    find_spec("pytestqt") is None, reason="pytest-qt is not installed"
)
needs_pytest_timeout = pytest.mark.skipif(
    find_spec("pytest_timeout") is None, reason="pytest-timeout is not installed"
)

# The lines of pytest.ini for pytest-asyncio.
ASYNCIO = "asyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n"

IMPORTS = "import asyncio, sys\nimport pytest\nimport qtloop\n"
SLEEP = """
async def test_sleep(virtual_clock):
    loop = asyncio.get_running_loop()
    assert isinstance(loop, qtloop.QEventLoop)
    await asyncio.sleep(3600)
    assert loop.time() == virtual_clock.now == 3600
"""


class Pytest(Protocol):
    """Runs pytest on a file of tests; see `run_pytest`."""

    def __call__(
        self, program: str, *, ini: str = "qtloop = true\n", without: str = "", code: int = 0
    ) -> str: ...


@pytest.fixture
def run_pytest(tmp_path: Path) -> Pytest:
    """Runs pytest with the plugin, and with all others but those named by `without`."""

    def run(program: str, *, ini: str = "qtloop = true\n", without: str = "", code: int = 0) -> str:
        (tmp_path / "test_it.py").write_text(IMPORTS + program)
        (tmp_path / "pytest.ini").write_text(f"[pytest]\nfilterwarnings = error\n{ini}")
        if "asyncio_mode" not in ini:
            without += " asyncio"
        if BINDING is None:
            without += " pytest-qt"  # it needs one
        omitted = [part for name in without.split() for part in ("-p", f"no:{name}")]
        binding = str(BINDING or "")
        api = {"PYTEST_QT_API": binding.lower()} if BINDING else {}
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "pytest_qtloop", *omitted, tmp_path],
            capture_output=True,
            text=True,
            timeout=50,
            cwd=tmp_path,
            env={**os.environ, "QT_API": binding, **api},
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    return run


@needs_pytest_timeout
@pytest.mark.parametrize("fixture", ["", "virtual_clock"])
def test_test_that_hangs_is_ended_and_the_next_one_runs(run_pytest: Pytest, fixture: str) -> None:
    output = run_pytest(
        f"""
async def test_hangs({fixture}):
    await asyncio.Event().wait()
{SLEEP}""",
        ini="qtloop = true\ntimeout = 2\n",
        code=1,
    )
    assert "Timeout" in output
    assert "1 failed, 1 passed" in output


def test_async_test_without_another_plugin_runs_on_the_loop(run_pytest: Pytest) -> None:
    assert "3 passed" in run_pytest(
        f"""{SLEEP}
async def test_next():
    assert asyncio.get_running_loop().time() > 0

@pytest.mark.parametrize("number", [7])
async def test_parameters(number, tmp_path):
    assert number == 7 and tmp_path.exists()
""",
        without="anyio pytest-qt",
    )


def test_failure_of_an_async_test_is_reported(run_pytest: Pytest) -> None:
    printed = run_pytest(
        "async def test(): assert 6 * 7 == 43\n", without="anyio pytest-qt", code=1
    )
    assert "assert (6 * 7) == 43" in printed


def test_task_that_a_test_leaves_is_cancelled(run_pytest: Pytest) -> None:
    printed = run_pytest(
        """
async def forever():
    try:
        await asyncio.Event().wait()
    finally:
        print("cleaned up")

async def test():
    asyncio.create_task(forever())
    await asyncio.sleep(0)

def test_output(capsys):
    pass
""",
        ini="qtloop = true\naddopts = -s\n",
        without="anyio pytest-qt",
    )
    assert "cleaned up" in printed


@needs_asyncio
def test_pytest_asyncio_runs_tests_and_fixtures_on_the_loop(run_pytest: Pytest) -> None:
    program = f"""{SLEEP}
@pytest.fixture
async def server():
    await asyncio.sleep(60)
    yield asyncio.get_running_loop().time()
    await asyncio.sleep(60)

@pytest.mark.virtual_clock(1.7e9, idle=0.01)
async def test_fixture(server, virtual_clock):
    assert server == virtual_clock.now == 1.7e9 + 60
    assert virtual_clock.idle == 0.01

async def test_real_time():
    loop = asyncio.get_running_loop()
    assert isinstance(loop, qtloop.QEventLoop) and loop._clock is None
"""
    assert "3 passed" in run_pytest(
        program, ini=f"qtloop = true\n{ASYNCIO}", without="anyio pytest-qt"
    )


@needs_asyncio
def test_pytest_asyncio_keeps_its_loop_without_the_option(run_pytest: Pytest) -> None:
    program = """
async def test():
    assert not isinstance(asyncio.get_running_loop(), qtloop.QEventLoop)
"""
    assert "1 passed" in run_pytest(program, ini=ASYNCIO, without="anyio pytest-qt")


@needs_asyncio
def test_virtual_clock_without_effect_is_an_error(run_pytest: Pytest) -> None:
    printed = run_pytest(
        "async def test(virtual_clock): pass\n", ini=ASYNCIO, without="anyio pytest-qt", code=1
    )
    assert "write `qtloop = true` in pytest.ini" in printed
    printed = run_pytest(
        """
pytestmark = pytest.mark.asyncio(loop_scope="module")
async def test_first(): pass
async def test_second(virtual_clock): pass
""",
        ini=f"qtloop = true\n{ASYNCIO}",
        without="anyio pytest-qt",
        code=1,
    )
    assert "2 passed, 1 error" in printed
    assert "use the loop scope `function`" in " ".join(printed.split())


@needs_anyio
def test_anyio_runs_tests_and_fixtures_on_the_loop(run_pytest: Pytest) -> None:
    program = """
import anyio

pytestmark = pytest.mark.anyio

@pytest.fixture
async def waited():
    await anyio.sleep(60)
    yield anyio.current_time()

async def test_sleep(waited, virtual_clock, anyio_backend_name):
    assert anyio_backend_name == "asyncio"
    assert isinstance(asyncio.get_running_loop(), qtloop.QEventLoop)
    with anyio.move_on_after(3600):
        await anyio.sleep_forever()
    assert (waited, virtual_clock.now) == (60, 3660)
"""
    assert "1 passed" in run_pytest(program, without="pytest-qt")


@needs_binding
@needs_pytest_qt
def test_pytest_qt_and_the_loop_share_the_application(run_pytest: Pytest) -> None:
    program = """
from qtloop._binding import binding
QPushButton = binding.module("QtWidgets").QPushButton

def clicks(qtbot, loop):
    button = QPushButton()
    qtbot.addWidget(button)
    button.show()
    loop.call_later(3600, button.click)
    with qtbot.waitSignal(button.clicked):
        pass
    button.close()

async def test_async(qtbot, virtual_clock):
    clicks(qtbot, asyncio.get_running_loop())
    await asyncio.sleep(1)  # the close of the last window does not end the run
    assert virtual_clock.now == 3601

def test_plain(qtbot, virtual_clock, qt_loop):
    clicks(qtbot, qt_loop)
    assert virtual_clock.now == 3600
"""
    assert "2 passed" in run_pytest(program, without="anyio")
    if find_spec("pytest_asyncio"):
        assert "2 passed" in run_pytest(program, ini=f"qtloop = true\n{ASYNCIO}", without="anyio")


def test_qt_loop_needs_no_option(run_pytest: Pytest) -> None:
    program = """
def test(qt_loop, virtual_clock):
    assert asyncio.get_running_loop() is qt_loop
    assert qt_loop.run_until_complete(asyncio.sleep(3600, 7)) == 7
    assert virtual_clock.now == 3600
"""
    assert "1 passed" in run_pytest(program, ini="", without="anyio")


def test_qt_loop_of_an_async_test_is_an_error(run_pytest: Pytest) -> None:
    printed = run_pytest("async def test(qt_loop): pass\n", without="anyio", code=1)
    assert "an async test has asyncio.get_running_loop()" in printed


def test_fixture_of_the_program_replaces_that_of_the_plugin(run_pytest: Pytest) -> None:
    program = """
@pytest.fixture
def anyio_backend(): return "asyncio"

def test(anyio_backend): assert anyio_backend == "asyncio"
"""
    assert "1 passed" in run_pytest(program)


def test_import_of_the_plugin_does_not_import_qt(child: Child) -> None:
    done = child(
        """
        for name in [name for name in sys.modules if name.startswith(("qtloop", "PySide6", "PyQt6"))]:
            del sys.modules[name]
        import pytest_qtloop
        from pytest_qtloop import async_tests
        print([name for name in sys.modules if name.startswith(("qtloop", "PySide6", "PyQt6"))])
        print([name for name in sys.modules if name.startswith(("pytest_asyncio", "anyio"))])
        """
    )
    assert done.stdout == "[]\n[]\n"


def test_entry_point_names_the_plugin() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (module,) = re.findall(r'^\[project.entry-points.pytest11\]\nqtloop = "(\w+)"$', text, re.M)
    assert importlib.import_module(module).virtual_clock
    assert f'python-packages = ["qtloop", "{module}"]' in text
