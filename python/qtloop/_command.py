"""The command `python -m qtloop`: runs a program with instruments for each of its loops."""

from __future__ import annotations

import argparse
import atexit
import math
import os

from . import _environment, _native, _program, inspector
from ._loop import QEventLoop

_DESCRIPTION = """
Runs a Python program as `python FILE` and `python -m MODULE` do, and shows what its qtloop loops
do. The program needs no change: it may use qtloop.run(), QEventLoop, qtloop.QtAsyncio or
qtloop.qtinter.
"""


def main() -> None:
    """Runs the command line. SystemExit with code 2 for a wrong one."""
    parser = argparse.ArgumentParser(
        prog="python -m qtloop",
        description="qtloop: one event loop for Qt and async code.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"qtloop {_native.__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser(
        "run",
        help="run a program with instruments",
        description=_DESCRIPTION,
        usage="%(prog)s [option ...] (FILE | -m MODULE) [argument ...]",
        allow_abbrev=False,
    )
    run.add_argument(
        "--record",
        metavar="FILE",
        help="record what each loop does into FILE: a trace that Perfetto and Qt Creator open. "
        "Its name ends with .json or .json.gz. The same as QTLOOP_RECORD=FILE",
    )
    run.add_argument(
        "--watchdog",
        metavar="SECONDS",
        type=_seconds,
        help="report what blocks a loop for that long, while it blocks. The same as "
        "QTLOOP_WATCHDOG=SECONDS",
    )
    run.add_argument(
        "--inspect",
        action="store_true",
        help="open a window that shows the tasks of the main thread's loop. The program needs a "
        "QApplication",
    )
    run.add_argument("-m", dest="is_module", action="store_true", help="MODULE is a module's name")
    run.add_argument("program", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not options.program:
        run.error(
            f"which program? Give {'the name of a module' if options.is_module else 'a file'}"
        )
    if options.record is not None:
        os.environ["QTLOOP_RECORD"] = options.record
    if options.watchdog is not None:
        os.environ["QTLOOP_WATCHDOG"] = str(options.watchdog)
    if options.inspect:
        _environment.call_when_first_run(_show_inspector)
    _run(run, options.program, options.is_module)


def _seconds(text: str) -> float:
    seconds = float(text)
    if seconds != 0 and not 0.001 <= seconds < math.inf:  # as for `QEventLoop.watchdog`
        raise ValueError(text)
    return seconds


_seconds.__name__ = "number of seconds"  # for the error message of argparse


def _run(parser: argparse.ArgumentParser, command: list[str], is_module: bool) -> None:
    name, *arguments = command
    find = _program.find_module if is_module else _program.find_file
    try:
        program = find(name, arguments)
        atexit.register(_warn_without_a_loop)
        _program.run(program)
    except _program.ProgramNotFound as error:
        parser.exit(error.exit_code, f"{parser.prog}: {error}\n")
    except BaseException:
        _program.hide_own_frames()
        raise


def _warn_without_a_loop() -> None:
    if not _environment.has_made_a_loop:
        _environment.say("the program has made no QEventLoop, so there was nothing to show")


def _show_inspector(loop: QEventLoop) -> None:
    """Opens the inspector of a loop, or prints why it cannot."""
    try:
        inspector.show(loop)
    except RuntimeError as error:
        _environment.say(f"--inspect: {error}")
