"""`python -m qtloop run` runs a program as Python does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from conftest import BINDING, needs_binding

import qtloop

# Prints what a program sees of the way in which it is run.
SHOW = """
import sys
spec = __spec__ and __spec__.name
print([__name__, __file__, __package__, spec, sys.argv, sys.path[0]])
assert sys.modules["__main__"].__dict__ is globals()
"""


def python(
    *arguments: object, cwd: Path, code: int = 0, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Runs Python in a folder; another exit code fails the test."""
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=40,
        env={**os.environ, **environment},
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done


def run(*arguments: object, cwd: Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Runs `python -m qtloop run` in a folder."""
    return python("-m", "qtloop", "run", *arguments, cwd=cwd, code=code)


NO_LOOP = "qtloop: the program has made no QEventLoop, so there was nothing to show\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Has a script, one in a folder, an archive, and a package with a module and a `__main__`."""
    (tmp_path / "show.py").write_text(SHOW)
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "show.py").write_text(SHOW)
    (tmp_path / "linked.py").symlink_to("below/show.py")
    (tmp_path / "package").mkdir()
    for name in ("__init__", "__main__", "module"):
        (tmp_path / "package" / f"{name}.py").write_text(SHOW if name != "__init__" else "")
    with zipfile.ZipFile(tmp_path / "archive.pyz", "w") as archive:
        archive.writestr("__main__.py", SHOW)
    return tmp_path


@pytest.mark.parametrize(
    "program",
    [
        ["show.py"],
        ["show.py", "--record", "-m", "--", "x", "--help"],
        ["below/show.py", "x"],
        ["linked.py"],
        ["package"],
        ["archive.pyz", "-h"],
        ["-m", "show"],
        ["-m", "package", "--inspect", "x"],
        ["-m", "package.module", "--", "x"],
    ],
    ids=" ".join,
)
def test_program_sees_what_it_sees_under_python(folder: Path, program: list[str]) -> None:
    done = run(*program, cwd=folder)
    assert done.stdout == python(*program, cwd=folder).stdout
    assert done.stderr == NO_LOOP


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python has no -P before 3.11")
def test_safe_path_is_kept(folder: Path) -> None:
    done = python("-P", "-m", "qtloop", "run", "below/show.py", cwd=folder)
    assert done.stdout == python("-P", "below/show.py", cwd=folder).stdout


@pytest.mark.parametrize(
    ("program", "code", "message"),
    [
        (["none.py"], 2, "can't open file '{folder}/none.py': No such file or directory"),
        (["below"], 1, "can't find '__main__' module in '{folder}/below'"),
        (["-m", "none"], 1, "No module named 'none'"),
        (["-m", "none.module"], 1, "No module named 'none.module'"),
        (["-m", "package.none"], 1, "No module named 'package.none'"),
    ],
    ids=str,
)
def test_missing_program_is_an_error_of_one_line(
    folder: Path, program: list[str], code: int, message: str
) -> None:
    done = run(*program, cwd=folder, code=code)
    assert done.stderr == f"python -m qtloop run: {message.format(folder=folder)}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "python -m qtloop: error: the following arguments are required: COMMAND"),
        (["run"], "python -m qtloop run: error: which program? Give a file"),
        (["run", "-m"], "python -m qtloop run: error: which program? Give the name of a module"),
        (["run", "--watch", "1"], "python -m qtloop: error: unrecognized arguments: --watch"),
        (
            ["run", "--watchdog", "-1", "x.py"],
            "error: argument --watchdog: invalid number of seconds value: '-1'",
        ),
        (
            ["run", "--watchdog", "nan", "x.py"],
            "error: argument --watchdog: invalid number of seconds value: 'nan'",
        ),
    ],
    ids=str,
)
def test_wrong_command_line_is_an_error(tmp_path: Path, arguments: list[str], message: str) -> None:
    assert message in python("-m", "qtloop", *arguments, cwd=tmp_path, code=2).stderr


def test_version_and_help_are_printed(tmp_path: Path) -> None:
    done = python("-m", "qtloop", "--version", cwd=tmp_path)
    assert done.stdout == f"qtloop {qtloop.__version__}\n"
    for option in ("--record FILE", "--watchdog SECONDS", "--inspect", "-m MODULE"):
        assert option in run("--help", cwd=tmp_path).stdout


# How a program ends

ENDS = """
import asyncio, atexit, sys
import qtloop

app = "alive"
atexit.register(lambda: print(app))

async def main():
    await asyncio.sleep(0.001)
    if sys.argv[1] == "custom":
        sys.excepthook = lambda kind, error, traceback: print("hook", traceback.tb_frame.f_lineno)
        raise ValueError
    exec(sys.argv[1])

qtloop.run(main())
"""


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("pass", 0),
        ("sys.exit(7)", 7),
        ("sys.exit('a message')", 1),
        ("raise ValueError('an error')", 1),
        ("1 / 0", 1),
        ("raise KeyboardInterrupt", -signal.SIGINT),
        ("custom", 1),
    ],
)
def test_program_ends_as_under_python(tmp_path: Path, statement: str, code: int) -> None:
    (tmp_path / "ends.py").write_text(ENDS)
    done = run("ends.py", statement, cwd=tmp_path, code=code)
    plain = python("ends.py", statement, cwd=tmp_path, code=code)
    # With the same traceback, which has no frame before those of the program.
    assert (done.stdout, done.stderr) == (plain.stdout, plain.stderr)
    assert "alive" in done.stdout


def test_syntax_error_is_printed_as_by_python(tmp_path: Path) -> None:
    (tmp_path / "wrong.py").write_text("x = (\n")
    plain = python("wrong.py", cwd=tmp_path, code=1)
    assert run("wrong.py", cwd=tmp_path, code=1).stderr == plain.stderr


def test_error_of_the_package_of_a_module_has_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text("import none_such\n")
    lines = run("-m", "package.module", cwd=tmp_path, code=1).stderr.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[1] == f'  File "{tmp_path}/package/__init__.py", line 1, in <module>'
    assert lines[-1] == "ModuleNotFoundError: No module named 'none_such'"


def test_spawned_process_finds_the_functions_of_the_program(tmp_path: Path) -> None:
    (tmp_path / "spawns.py").write_text("""
import multiprocessing

def double(number):
    return 2 * number

if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(pool.map(double, [1, 2]))
""")
    assert run("spawns.py", cwd=tmp_path).stdout == "[2, 4]\n"


# Instruments

LOADS = """
import asyncio, sys
import qtloop, qtloop.QtAsyncio, qtloop.qtinter

async def load():
    await asyncio.sleep(0.001)

async def main():
    await asyncio.create_task(load(), name="load")
    if ends_qt:
        qtloop.QtCore.QCoreApplication.quit()

"""
WAYS = {
    "qtloop.run": "qtloop.run(main())",
    "attach": """
app = qtloop.QtWidgets.QApplication(sys.argv)
with qtloop.attach():
    task = asyncio.get_running_loop().create_task(main())
    app.exec()
""",
    "QtAsyncio": "qtloop.QtAsyncio.run(main(), keep_running=False)",
    "qtinter": """
app = qtloop.QtWidgets.QApplication(sys.argv)
with qtloop.qtinter.using_asyncio_from_qt():
    asyncio.create_task(main())
    app.exec()
""",
    "asyncio.run": "asyncio.set_event_loop_policy(qtloop.QEventLoopPolicy())\nasyncio.run(main())",
}


@pytest.mark.parametrize("way", WAYS)
def test_loop_of_each_kind_of_program_is_recorded(tmp_path: Path, way: str) -> None:
    if BINDING is None and way not in ("qtloop.run", "asyncio.run"):
        pytest.skip("windows need a binding; this run has none installed")
    if way == "asyncio.run" and sys.version_info >= (3, 14):
        pytest.skip("policies are deprecated since 3.14")
    ends_qt = way in ("attach", "qtinter")
    (tmp_path / "loads.py").write_text(LOADS.replace("ends_qt", str(ends_qt)) + WAYS[way])
    done = run("--record", "trace.json", "loads.py", cwd=tmp_path)
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    assert "load" in {e["args"]["name"] for e in events if e.get("name") == "thread_name"}
    assert done.stderr.startswith("qtloop: recorded ")
    assert len(done.stderr.splitlines()) == 1


def test_watchdog_reports_what_blocks(tmp_path: Path) -> None:
    (tmp_path / "blocks.py").write_text("""
import asyncio, time
import qtloop

def load():
    time.sleep(0.3)  # line 6

async def main():
    load()

qtloop.run(main())
""")
    lines = run("--watchdog", "0.1", "blocks.py", cwd=tmp_path).stderr.splitlines()
    assert len(lines) == 2
    assert all("blocks.py:6 (load)" in line for line in lines)


WINDOW = """
import asyncio
import qtloop

async def main():
    await asyncio.sleep(0)  # the inspector opens when the loop runs
    await asyncio.sleep(0)
    windows = qtloop.QtWidgets.QApplication.topLevelWidgets()
    print([type(window).__module__ for window in windows if window.isVisible()])

"""


@needs_binding
def test_inspector_of_the_first_loop_that_runs_is_open(tmp_path: Path) -> None:
    (tmp_path / "window.py").write_text(f"""{WINDOW}
import threading
app = qtloop.QtWidgets.QApplication([])
thread = threading.Thread(target=lambda: qtloop.run(asyncio.sleep(0)))
thread.start()
thread.join()
qtloop.QEventLoop().close()  # it never runs
qtloop.run(main())
qtloop.run(main())
""")
    lines = run("--inspect", "window.py", cwd=tmp_path).stdout.splitlines()
    # It closes with its loop, and the second run has none.
    assert lines == ["['qtloop.inspector._window']", "[]"]


@needs_binding
def test_inspector_opens_in_the_exec_of_a_program(tmp_path: Path) -> None:
    (tmp_path / "window.py").write_text(f"""{WINDOW}
app = qtloop.QtWidgets.QApplication([])
window = qtloop.QtWidgets.QLabel("of the program")
window.show()

async def close():
    await main()
    window.close()  # the inspector does not keep the program alive

with qtloop.attach():
    task = asyncio.get_running_loop().create_task(close())
    app.exec()
""")
    printed = run("--inspect", "window.py", cwd=tmp_path).stdout
    assert "qtloop.inspector._window" in printed


def test_inspector_without_windows_is_a_message(tmp_path: Path) -> None:
    (tmp_path / "core.py").write_text("""
import asyncio
import qtloop
from qtloop._binding import binding

if binding:
    app = binding.QtCore.QCoreApplication([])
qtloop.run(asyncio.sleep(0.001))
print("ran")
""")
    done = run("--inspect", "core.py", cwd=tmp_path)
    assert done.stdout == "ran\n"
    (line,) = done.stderr.splitlines()
    assert line.startswith("qtloop: --inspect: the inspector ")
    assert "QApplication" in line or "QtWidgets" in line
