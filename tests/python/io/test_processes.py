"""Child processes: their pipes, exit codes, signals, and programs that do not exist."""

from __future__ import annotations

import asyncio
import signal
import sys

# From its own module: PySide6 6.12 breaks the lazy import of concurrent.futures in Python 3.15.
import pytest
from support.streams import run

import qtloop

pytest_plugins = ["support.each_loop"]


def test_processes_exchange_data_through_their_pipes(loop: qtloop.QEventLoop) -> None:
    program = "import sys; data = sys.stdin.read(); print(data[::-1]); sys.exit(len(data))"

    async def main() -> tuple[bytes, bytes, int | None]:
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, stdin=pipe, stdout=pipe, stderr=pipe
        )
        out, errors = await process.communicate(b"abc")
        return out, errors, process.returncode

    assert run(loop, main()) == (b"cba\n", b"", 3)


def test_shell_can_be_waited_for_and_killed(loop: qtloop.QEventLoop) -> None:
    async def main() -> tuple[list[int], list[bytes], int]:
        pipe = asyncio.subprocess.PIPE
        shells = [await asyncio.create_subprocess_shell(f"exit {code}") for code in range(5)]
        codes = await asyncio.gather(*(shell.wait() for shell in shells))
        process = await asyncio.create_subprocess_shell(
            "echo one; echo two; exec sleep 60", stdout=pipe
        )
        assert process.stdout
        lines = [await process.stdout.readline() for _ in range(2)]
        process.kill()
        return codes, lines, await process.wait()

    codes, lines, killed = run(loop, main())
    assert codes == [0, 1, 2, 3, 4]
    assert lines == [b"one\n", b"two\n"]
    assert killed == -signal.SIGKILL


def test_starting_a_missing_program_raises_file_not_found_error(loop: qtloop.QEventLoop) -> None:
    async def main() -> None:
        with pytest.raises(FileNotFoundError):
            await asyncio.create_subprocess_exec("/no/such/program")

    run(loop, main())
