"""Ask each Qt loop the same questions, and print the answers as a Markdown table.

The questions are in `questions/`, and `peers.py` starts each loop. Each answer comes from its own
process: yes, no, `hangs` (no answer in time), `crashes`, or a number. Results that depend on the
machine are given as a ratio or a small count. A loop that does not start is asked no further
questions. `--verbose` prints the reason for each answer that is not yes.

    python compare/python/probes.py [--verbose] [--limit SECONDS] [--probe NAME]... [LOOP]...

`asyncio`, as a LOOP, is Python's own: it shows that the questions describe asyncio correctly.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import importlib.metadata
import json
import os
import platform
import signal
import subprocess
import sys
from typing import NoReturn

from peers import PEERS
from questions import QUESTIONS, Question

# A process asks one question


def answer(outcome: str, reason: str = "") -> NoReturn:
    """Prints the answer and exits at once: how the process would end is another question."""
    os.write(1, json.dumps((outcome, reason)).encode() + b"\n")
    os._exit(0)


def say(error: BaseException) -> str:
    text = str(error).partition("\n")[0]
    return text if isinstance(error, AssertionError) else f"{type(error).__name__}: {text}"


def ask(name: str, question: Question) -> NoReturn:
    """Asks the loop a question, and answers inside the loop if the question is a coroutine."""
    try:
        peer = PEERS[name]()
    except Exception as error:
        answer("does not start", say(error))
    try:
        if asyncio.iscoroutinefunction(question):

            async def main() -> NoReturn:
                try:
                    answer(await question(peer) or "yes")
                except Exception as error:
                    answer("no", say(error))

            peer.run(main())
            raise AssertionError("the run has ended before its coroutine")
        answer(question(peer) or "yes")
    except BaseException as error:
        answer("no", say(error))


# The table


def ask_in_child(loop: str, question: str, limit: float) -> tuple[str, str]:
    """Returns the answer of a separate process, or how that process ended, and the reason."""
    command = [sys.executable, __file__, "--child", question, loop]
    environment = {"QT_QPA_PLATFORM": "offscreen"} | os.environ
    try:
        child = subprocess.run(command, capture_output=True, env=environment, timeout=limit)
    except subprocess.TimeoutExpired as expired:
        return "hangs", last_line(expired.stderr)
    if child.stdout:
        outcome, reason = json.loads(child.stdout.splitlines()[-1])
        return outcome, reason
    if child.returncode == -signal.SIGINT:
        return "no", "the signal kills the process"
    if child.returncode < 0:
        return "crashes", f"{signal.Signals(-child.returncode).name}: {last_line(child.stderr)}"
    return "no", f"the process ends with {child.returncode}: {last_line(child.stderr)}"


def last_line(output: bytes | None) -> str:
    lines = (output or b"").decode(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "no output")


def version(name: str) -> str:
    """Returns a library with its version; if it is not installed, its `__version__`."""
    try:
        return f"{name} {importlib.metadata.version(name)}"
    except importlib.metadata.PackageNotFoundError:
        pass
    try:
        return f"{name} {importlib.import_module(name).__version__}"
    except (ImportError, AttributeError):
        return name


def versions(loops: list[str]) -> str:
    """Returns the versions of all libraries that affect the answers."""
    parts = [f"Python {platform.python_version()}"]
    for binding in dict.fromkeys(PEERS[loop].binding for loop in loops):
        try:  # before any loop: qtloop uses the binding that is imported
            qt = importlib.import_module(f"{binding}.QtCore").qVersion()
        except ImportError as error:
            qt = say(error)
        users = [loop for loop in loops if PEERS[loop].binding == binding]
        names = ", ".join(loop if loop.startswith(binding) else version(loop) for loop in users)
        parts.append(f"{names} on {version(binding)} (Qt {qt})")
    return "; ".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("loops", nargs="*", metavar="LOOP", help=", ".join(PEERS))
    parser.add_argument("--verbose", action="store_true", help="say why an answer is not yes")
    parser.add_argument("--limit", type=float, default=15, help="seconds for each answer")
    parser.add_argument("--probe", action="append", choices=QUESTIONS, help="only this row")
    parser.add_argument("--child", choices=QUESTIONS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    loops = options.loops or [loop for loop in PEERS if loop != "asyncio"]
    if unknown := set(loops) - set(PEERS):
        parser.error(f"there is no {', '.join(unknown)}; there are {', '.join(PEERS)}")
    if options.child:
        ask(loops[0], QUESTIONS[options.child][1])

    print(versions(loops), end="\n\n")
    print("|  |", " | ".join(loops), "|")
    print("|---|" + "---|" * len(loops), flush=True)
    reasons = []
    out: set[str] = set()  # loops that do not start are asked no further questions
    for name in options.probe or QUESTIONS:
        row = []
        for loop in loops:
            outcome, reason = ("-", "") if loop in out else ask_in_child(loop, name, options.limit)
            row.append(outcome)
            if outcome == "does not start":
                out.add(loop)
            if reason:
                reasons.append(f"- {loop}: {QUESTIONS[name][0]}: {outcome}: {reason}")
        print("|", QUESTIONS[name][0], "|", " | ".join(row), "|", flush=True)
    if options.verbose:
        print("", *reasons, sep="\n")


if __name__ == "__main__":
    main()
