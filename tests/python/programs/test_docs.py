"""The Python programs of README and of docs/ run, and what the pages name exists."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from conftest import BINDING, Child, needs_binding

import qtloop
import qtloop.QtAsyncio
import qtloop.qtinter

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
# Qt's messages about windows of fixed size and raised ones, on the platform of these tests.
OFFSCREEN = re.compile(r"This plugin does not support \w+\(\)\n")
USER = Path(__file__).parents[1] / "support" / "page_user.py"


class Block(NamedTuple):
    """A Python block of a page."""

    page: str
    heading: str
    program: str
    output: str | None
    """The block of text that follows, if it is the program's output."""
    has_figures: bool
    """Whether the output has figures that differ from run to run."""

    @property
    def place(self) -> str:
        return f"{self.page}: {self.heading}"

    @property
    def has_windows(self) -> bool:
        return "QApplication" in self.program


def blocks(path: Path) -> Iterator[Block]:
    """Returns the Python blocks of a page, with the heading above each."""
    page = path.relative_to(ROOT).as_posix()
    fence = (
        r"^```python\n(.*?)^```$"
        r'(?:\n\n```text(?: title="(?:It prints|It prints, for (example))")?\n(.*?)^```$)?'
    )
    text = path.read_text(encoding="utf-8")
    for found in re.finditer(fence, text, flags=re.MULTILINE | re.DOTALL):
        # A line that begins with "# " may be a comment in an earlier block.
        prose = re.sub(r"^```.*?^```$", "", text[: found.start()], flags=re.MULTILINE | re.DOTALL)
        heading = re.findall(r"^#+ (.*)$", prose, flags=re.MULTILINE)[-1]
        yield Block(page, heading, found[1], found[3], found[2] is not None)


BLOCKS = [block for path in PAGES for block in blocks(path)]

# Blocks that are no whole program; a test below names each.
MIGRATING, TESTING = "docs/guides/migrating.md", "docs/guides/testing.md"
PARTS = [
    block
    for block in BLOCKS
    if block.page == MIGRATING or (block.page == TESTING and block.heading != "trio")
]
PROGRAMS = [block for block in BLOCKS if block not in PARTS]


def parts(page: str, heading: str) -> list[str]:
    """Returns the blocks under a heading, for this run's binding."""
    found = [block.program for block in PARTS if (block.page, block.heading) == (page, heading)]
    return [program.replace("PySide6", str(BINDING)) for program in found]


def run(
    *arguments: object, cwd: Path = ROOT, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Runs a Python program, and shows what it prints if it fails."""
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=50,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.mark.parametrize("block", PROGRAMS, ids=lambda block: block.place)
def test_program_of_a_page_runs_without_a_message(block: Block, tmp_path: Path) -> None:
    if block.has_windows and BINDING is None:
        pytest.skip("windows need a binding; this run has none installed")
    for library in ("trio", "distributed"):
        if re.search(rf"^(import|from) {library}", block.program, re.M) and not find_spec(library):
            pytest.skip(f"{library} is not installed")
    program = tmp_path / "program.py"
    program.write_text(block.program.replace("PySide6", str(BINDING)), encoding="utf-8")
    user = [USER, BINDING] if block.has_windows else []
    # Some programs write files.
    done = run(*user, program, cwd=tmp_path, QT_API=str(BINDING or ""))
    assert OFFSCREEN.sub("", done.stderr) == ""
    if block.output is None:
        return
    printed = done.stdout.replace(f"{tmp_path}/", "")
    if block.has_figures:
        assert re.sub(r"\d+", "1", printed) == re.sub(r"\d+", "1", block.output)
    else:
        assert printed == block.output


def test_blocks_that_are_no_programs_are_those_tested_below() -> None:
    places = [(block.page, block.heading) for block in PARTS]
    assert places == [
        (MIGRATING, "Migrating from qasync, quamash, qtinter or QtAsyncio"),
        (TESTING, "Async tests with pytest"),
        (TESTING, "A plain function"),
        (TESTING, "Async fixtures"),
        (TESTING, "Async fixtures"),
        (TESTING, "Virtual time"),
        (TESTING, "Advance the clock"),
        (TESTING, "Advance the clock"),
        (TESTING, "unittest"),
    ]


def test_dependency_that_imports_qasync_gets_qtloop(child: Child) -> None:
    (program,) = parts(MIGRATING, "Migrating from qasync, quamash, qtinter or QtAsyncio")
    program += "from qasync import QEventLoop\nprint(QEventLoop.__module__)"
    assert child(program).stdout == "qtloop._loop\n"


# Plugins of pytest, by the names for `-p no:NAME`.
PLUGINS = {"pytest-qt": "pytestqt", "asyncio": "pytest_asyncio", "anyio": "anyio"}


def run_pytest(folder: Path, ini: str, *plugins: str) -> str:
    """Runs the tests in a folder with these plugins of pytest and qtloop's."""
    for plugin in plugins:
        if not find_spec(PLUGINS[plugin]):
            pytest.skip(f"the plugin {plugin} is not installed")
    (folder / "pytest.ini").write_text(ini)
    omitted = [f"-pno:{plugin}" for plugin in PLUGINS if plugin not in plugins]
    binding = str(BINDING or "")
    arguments = ["-m", "pytest", "-q", "-p", "pytest_qtloop", *omitted, folder]
    return run(*arguments, QT_API=binding, PYTEST_QT_API=binding.lower()).stdout


def ini(heading: str) -> str:
    """Returns the block of `pytest.ini` under a heading of the page about tests."""
    text = (ROOT / TESTING).read_text(encoding="utf-8").partition(f"## {heading}\n")[2]
    blocks: list[str] = re.findall(r"^```ini\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    return blocks[0]


@needs_binding
@pytest.mark.parametrize("plugin", ["", "asyncio"])
def test_coroutine_test_with_qtbot_runs_on_the_loop(tmp_path: Path, plugin: str) -> None:
    (test,) = parts(TESTING, "Async tests with pytest")
    (tmp_path / "test_button.py").write_text(f"""{test}
    assert type(asyncio.get_running_loop()).__module__.startswith("qtloop")
    button.close()
    await asyncio.sleep(0.01)  # the close of the last window does not end the run

async def test_after_a_window_was_closed():
    await asyncio.sleep(0.001)
""")
    lines = ini("Async fixtures" if plugin else "Async tests with pytest")
    assert "2 passed" in run_pytest(tmp_path, lines, "pytest-qt", *filter(None, [plugin]))


@needs_binding
def test_plain_test_of_an_async_slot_has_a_loop(tmp_path: Path) -> None:
    (test,) = parts(TESTING, "A plain function")
    (tmp_path / "test_search.py").write_text(test)
    assert "1 passed" in run_pytest(tmp_path, "[pytest]", "pytest-qt")


def test_plugin_of_anyio_runs_a_test_on_the_loop(tmp_path: Path) -> None:
    test, _ = parts(TESTING, "Async fixtures")
    (tmp_path / "test_sleep.py").write_text(test)
    assert "1 passed" in run_pytest(tmp_path, ini("Async tests with pytest"), "anyio")


@pytest.mark.parametrize("plugin", ["asyncio", "anyio"])
def test_conftest_chooses_the_loop_of_a_folder(tmp_path: Path, plugin: str) -> None:
    test, conftest = parts(TESTING, "Async fixtures")
    if plugin == "asyncio":
        test = test.replace("@pytest.fixture", "@pytest_asyncio.fixture")
        test = test.replace("mark.anyio", "mark.asyncio").replace(
            "import pytest\n", "import pytest, pytest_asyncio\n"
        )
    (tmp_path / "test_sleep.py").write_text(test)
    (tmp_path / "conftest.py").write_text(conftest)
    lines = "[pytest]\nasyncio_default_fixture_loop_scope = function"
    assert "1 passed" in run_pytest(tmp_path, lines, "asyncio", "anyio")


@pytest.mark.skipif(sys.version_info < (3, 11), reason="asyncio.timeout() is new in 3.11")
def test_tests_in_virtual_time_pass(tmp_path: Path) -> None:
    tests = parts(TESTING, "Virtual time") + parts(TESTING, "Advance the clock")
    for number, test in enumerate(tests):
        (tmp_path / f"test_{number}.py").write_text(test)
    assert "4 passed" in run_pytest(tmp_path, ini("Async tests with pytest"))


@pytest.mark.skipif(sys.version_info < (3, 13), reason="unittest has no loop_factory before 3.13")
def test_unittest_runs_a_test_on_the_loop(tmp_path: Path) -> None:
    (test,) = parts(TESTING, "unittest")
    (tmp_path / "test_sleep.py").write_text(f"""{test}
        assert isinstance(asyncio.get_running_loop(), qtloop.QEventLoop)
""")
    assert "Ran 1 test" in run("-m", "unittest", "test_sleep", cwd=tmp_path).stderr


def test_prompts_of_the_pages_are_python() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in PAGES)
    sessions = re.findall(r"^```pycon\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    assert sessions
    for session in sessions:
        compile("\n".join(re.findall(r"^>>> (.*)$", session, re.MULTILINE)), "session", "exec")


# Links and names


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_files_that_a_page_links_to_or_names_exist(path: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", path.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    links = re.findall(r"\]\(([^)#:\s]+)[)#]", text) + re.findall(r"^\[\w+\]: (\S+)$", text, re.M)
    missing = {link for link in links if not (path.parent / link).exists()}
    folders = "benches|compare|cpp|docs|examples|python|src|tests|tools"
    for name in re.findall(rf"`((?:{folders})/[\w./-]+)`", text):
        if not (ROOT / name).exists():
            missing.add(name)
    assert missing == set()


@pytest.mark.parametrize("module", [qtloop, qtloop.QtAsyncio, qtloop.qtinter])
def test_reference_has_each_public_name(module: Any) -> None:
    page = (ROOT / "docs/reference/python.md").read_text(encoding="utf-8")
    if module is qtloop:
        named = set(re.findall(r"(?:^::: |`)qtloop\.(\w+)", page, re.MULTILINE))
    else:
        (section,) = re.findall(rf"^## `{module.__name__}`\n(.*?)(?=^## |\Z)", page, re.M | re.S)
        named = set(re.findall(r"\w+", section))
    assert set(module.__all__) <= named


def test_names_of_the_reference_exist() -> None:
    page = (ROOT / "docs/reference/python.md").read_text(encoding="utf-8")
    names = re.findall(r"^::: qtloop\.(\w+)$", page, re.MULTILINE)
    if sys.version_info >= (3, 16):
        names.remove("QEventLoopPolicy")
    assert [name for name in names if not hasattr(qtloop, name)] == []


# README


def test_readme_is_one_page() -> None:
    text = PAGES[0].read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 130
    assert len(text.split()) <= 900


def test_comparison_of_the_readme_is_a_part_of_the_whole_one() -> None:
    whole = (ROOT / "docs/comparison.md").read_text(encoding="utf-8").splitlines()
    rows = re.findall(r"^\|.*\|$", PAGES[0].read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert len(rows) == 2 + 6
    assert [row for row in rows if row not in whole] == []


def test_supported_python_versions_are_the_tested_ones() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    tested = re.findall(
        r"^for minor in ([\d ]+);", (ROOT / "tools/pythons").read_text(), re.MULTILINE
    )
    minors = sorted(int(minor) for minor in tested[0].split())
    assert minors == [int(minor) for minor in re.findall(r":: Python :: 3\.(\d+)", project)]
    assert f'requires-python = ">=3.{minors[0]},<3.{minors[-1] + 1}"' in project
    assert f"Python 3.{minors[0]} to 3.{minors[-1]}" in PAGES[0].read_text(encoding="utf-8")
    assert sys.version_info[1] in minors, os.fspath(sys.executable)
