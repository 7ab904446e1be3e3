"""`QTLOOP_RECORD` records each loop of a program."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest
from conftest import Child

RUN = """
async def load(number):
    await asyncio.sleep(0.001)

async def main():
    await asyncio.gather(*(asyncio.create_task(load(n), name=f"load {n}") for n in range(3)))
"""


def track_names(path: Path) -> set[str]:
    """Returns the names of the tracks of a trace."""
    opened: Any = gzip.open(path, "rt") if path.suffix == ".gz" else path.open()
    with opened as file:
        events = json.load(file)["traceEvents"]
    names = (event["args"]["name"] for event in events if event.get("name") == "thread_name")
    return {name for name in names if name.startswith("load ")}


LOADS = {"load 0", "load 1", "load 2"}


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("name", ["trace.json", "trace.json.gz"])
def test_loop_is_recorded_until_it_is_closed(child: Child, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    done = child(f"{RUN}\nqtloop.run(main())\nprint(os.listdir())", QTLOOP_RECORD=str(path))
    assert track_names(path) == LOADS
    assert done.stderr.startswith("qtloop: recorded ")
    assert done.stderr.endswith(f" events in {path}\n")


def test_relative_path_is_one_of_the_folder_at_the_start(child: Child, tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    path = os.path.relpath(tmp_path / "trace.json")
    program = f"""
        loop = QEventLoop()
        os.chdir({str(tmp_path / "below")!r})
        loop.close()
    """
    child(program, QTLOOP_RECORD=path)
    assert files(tmp_path) == ["below", "trace.json"]
    assert files(tmp_path / "below") == []


def test_unclosed_loop_is_saved_at_the_exit(child: Child, tmp_path: Path) -> None:
    program = f"{RUN}\nloop = QEventLoop()\nloop.run_until_complete(main())\nsys.exit(3)"
    child(program, code=3, QTLOOP_RECORD=str(tmp_path / "trace.json"))
    assert track_names(tmp_path / "trace.json") == LOADS


def test_each_loop_has_its_own_file(child: Child, tmp_path: Path) -> None:
    program = f"""{RUN}
qtloop.run(main())
outer, inner = QEventLoop(), QEventLoop()
inner.run_until_complete(main())
outer.close()
inner.close()
"""
    child(program, QTLOOP_RECORD=str(tmp_path / "trace.json.gz"))
    assert files(tmp_path) == ["trace-2.json.gz", "trace-3.json.gz", "trace.json.gz"]
    assert track_names(tmp_path / "trace.json.gz") == LOADS
    assert track_names(tmp_path / "trace-2.json.gz") == set()
    assert track_names(tmp_path / "trace-3.json.gz") == LOADS


def test_processes_of_a_program_do_not_overwrite_its_file(child: Child, tmp_path: Path) -> None:
    program = f"""{RUN}
async def parent():
    await main()
    run = "import qtloop, asyncio; qtloop.run(asyncio.sleep(0))"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", run)
    await process.wait()
    print(process.pid)
    forked = os.fork()
    if not forked:
        asyncio._set_running_loop(None)
        loop = QEventLoop()
        loop.close()
        sys.stderr.flush()
        # As at an exit that is not os._exit(): the copy of the parent's recording is not saved.
        from qtloop import _environment
        _environment._save_all()
        os._exit(0)
    os.waitpid(forked, 0)
    print(forked)

qtloop.run(parent())
"""
    done = child(program, QTLOOP_RECORD=str(tmp_path / "trace.json"))
    spawned, forked = done.stdout.split()
    names = {f"trace-{spawned}.json", f"trace-{forked}-2.json", "trace.json"}
    assert set(files(tmp_path)) == names
    assert track_names(tmp_path / "trace.json") == LOADS
    assert done.stderr.count("qtloop: recorded") == 3


def test_percent_p_is_the_number_of_the_process(child: Child, tmp_path: Path) -> None:
    program = "QEventLoop().close(); QEventLoop().close(); print(os.getpid())"
    done = child(program, QTLOOP_RECORD=str(tmp_path / "trace-%p.json"))
    process = done.stdout.strip()
    assert files(tmp_path) == [f"trace-{process}-2.json", f"trace-{process}.json"]


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("{folder}", "it is a folder"),
        ("{folder}/none/trace.json", "there is no folder {folder}/none"),
    ],
)
def test_bad_path_is_one_warning_at_the_start(
    child: Child, tmp_path: Path, path: str, reason: str
) -> None:
    path, reason = path.format(folder=tmp_path), reason.format(folder=tmp_path)
    program = """
        QEventLoop().close()
        print("started", file=sys.stderr)
        QEventLoop().close()
    """
    lines = child(program, QTLOOP_RECORD=path).stderr.splitlines()
    assert lines == [
        f"qtloop: QTLOOP_RECORD: cannot write {path}: {reason}; nothing is recorded",
        "started",
    ]
    assert files(tmp_path) == []


def test_failed_save_is_a_message(child: Child, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    program = f"loop = QEventLoop(); os.rmdir({str(folder)!r}); loop.close()"
    lines = child(program, QTLOOP_RECORD=str(folder / "trace.json")).stderr.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(f"qtloop: cannot save the recording in {folder}/trace.json: ")


def test_program_that_records_itself_gets_an_error_with_the_remedy(
    child: Child, tmp_path: Path
) -> None:
    program = """
        loop = QEventLoop()
        try:
            loop.record()
        except RuntimeError as error:
            print(error)
        loop.close()
    """
    path = tmp_path / "trace.json"
    assert "unset QTLOOP_RECORD" in child(program, QTLOOP_RECORD=str(path)).stdout
    assert files(tmp_path) == ["trace.json"]


def test_program_without_a_standard_error_is_recorded(child: Child, tmp_path: Path) -> None:
    program = "sys.stderr = None; QEventLoop().close()"
    assert child(program, QTLOOP_RECORD=str(tmp_path / "trace.json")).stdout == ""
    assert files(tmp_path) == ["trace.json"]
