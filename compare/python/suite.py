"""Measure qtloop beside other loops, and print tables of ratios: `make bench`.

Each loop is measured in its own process. Each round measures all loops in turn, so that other load
on the machine affects all alike; a figure is the median of the rounds. Ratios are comparable
between machines: qtloop's time / peer's time, below 1 qtloop is faster.

A complete run writes `results.json` beside this file, and docs/benchmarks.svg. With QUICK=1 the
figures are rough, the slowest peers are left out, and the files are in target/ instead.

    python suite.py [--only GROUP]... [--loops a,b] [--workloads PART] [--rounds N] [--save]
"""

from __future__ import annotations

import argparse
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import plot
import tables
import targets
from measure import GROUPS, Group, Workload, load
from peers import BENCHED

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
QUICK = os.environ.get("QUICK") == "1"
SECONDS = 0.03 if QUICK else 0.2  # for each workload in each round

Answer = tuple[str, dict[str, float] | str]  # of a workload: figures or a reason


def lines(stream: IO[bytes], limit: float) -> Iterator[str | None]:
    """Yields the lines of a stream, each within that many seconds; None after a timeout."""
    rest = b""
    while select.select([stream], [], [], limit)[0]:
        data = os.read(stream.fileno(), 1 << 16)
        if not data:
            return
        *whole, rest = (rest + data).split(b"\n")
        yield from (line.decode() for line in whole)
    yield None


def children(loop: str, group: str, workloads: list[Workload]) -> Iterator[Answer]:
    """Yields a process's answers; if a workload ends it, starts another for the rest."""
    left = list(workloads)
    environment = os.environ | {"QT_QPA_PLATFORM": "offscreen"}
    for name in ("QT_NO_GLIB", "QTLOOP_TIMER", "QT_API"):
        environment.pop(name, None)
    while left:
        limit = max(each.limit for each in left) / (3 if QUICK else 1)
        how = "quick" if QUICK else "full"
        command = [sys.executable, str(HERE / "one_loop.py"), loop, group, str(SECONDS), how]
        command += [each.name for each in left]
        with (
            tempfile.TemporaryFile() as errors,
            subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment,
                start_new_session=True,
            ) as child,
        ):
            assert child.stdout
            hangs = True
            try:
                for line in lines(child.stdout, limit):
                    if line is None:
                        break
                    if line.startswith('{"workload"'):
                        answer = json.loads(line)
                        left = [each for each in left if each.name != answer["workload"]]
                        yield answer["workload"], answer.get("figures") or answer["reason"]
                else:
                    hangs = False
            finally:  # also when this one is interrupted
                if hangs:
                    os.killpg(child.pid, signal.SIGKILL)
            code = child.wait()
            errors.seek(0)
            output = errors.read().decode(errors="replace").strip().splitlines()
        if left:
            said = output[-1] if output else "no output"
            if hangs:
                why = f"hangs: no answer in {limit:.0f} s"
            elif code < 0:
                why = f"crashes with {signal.Signals(-code).name}: {said}"
            else:
                why = f"the process ends with {code}: {said}"
            yield left.pop(0).name, why


def measure(name: str, group: Group, loops: list[str], rounds: int) -> tables.Table:
    """Measures one group on these loops, and makes its table."""
    measured: tables.Measured = {loop: {} for loop in loops}
    reasons: tables.Reasons = {}
    for number in range(rounds):
        for loop in loops if number % 2 == 0 else reversed(loops):
            if sys.stderr.isatty():
                print(f"\r\033[K{name}, round {number + 1}: {loop}", end="\r", file=sys.stderr)
            known = reasons.get(loop, {})
            wanted = [each for each in group.workloads if each.name not in known]
            for workload, figures in children(loop, name, wanted):
                if isinstance(figures, str):
                    reasons.setdefault(loop, {})[workload] = figures
                else:
                    for row, figure in figures.items():
                        measured[loop].setdefault(row, {})[number] = figure
    return tables.table(group, measured, reasons)


def build_client() -> None:
    """Compiles client.cpp, the faster client."""
    source, program = HERE / "client.cpp", ROOT / "target" / "bench-client"
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        program.parent.mkdir(exist_ok=True)
        subprocess.run(["g++", "-std=c++17", "-O2", "-o", program, source], check=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--only", action="append", choices=GROUPS, help="measure this group")
    parser.add_argument("--loops", metavar="a,b", help=f"measure these of {', '.join(BENCHED)}")
    parser.add_argument(
        "--workloads", default="", metavar="PART", help="those with that in the name"
    )
    parser.add_argument("--rounds", type=int, default=2 if QUICK else 5)
    parser.add_argument(
        "--save", action="store_true", help="save the groups that were measured, beside the others'"
    )
    options = parser.parse_args()
    options.whole = not (options.only or options.loops or options.workloads)
    options.loops = options.loops.split(",") if options.loops else None
    if unknown := set(options.loops or ()) - set(BENCHED):
        parser.error(f"there is no {', '.join(unknown)}; there are {', '.join(BENCHED)}")
    if options.save and (options.loops or options.workloads):
        parser.error("--save is for whole groups")
    return options


def main() -> None:
    options = arguments()
    start = time.monotonic()
    build_client()
    file = ROOT / "target" / "benchmarks.json" if QUICK else HERE / "results.json"
    picture = file.with_suffix(".svg") if QUICK else ROOT / "docs" / "benchmarks.svg"
    results: tables.Results = {
        "machine": tables.machine(),
        "versions": tables.versions(),
        "rounds": options.rounds,
        "groups": {},
    }
    print(tables.heading(results), end="\n\n", flush=True)
    for name in options.only or GROUPS:
        group = load(name)
        group.workloads = [each for each in group.workloads if options.workloads in each.name]
        usual = [loop for loop in group.loops if not (QUICK and loop in group.slow)]
        loops = [loop for loop in options.loops or usual if loop in group.loops]
        if group.workloads and loops:
            began = time.monotonic()
            table = measure(name, group, loops, options.rounds)
            results["groups"][name] = table
            print(tables.show(name, table), f"  ({time.monotonic() - began:.0f} s)\n", sep="\n")
            sys.stdout.flush()
    print(targets.show(results["groups"]))
    print(f"\nIt took {time.monotonic() - start:.0f} s.")
    if options.whole or options.save:
        if not options.whole and file.exists():  # keep the results of the other groups
            for each in results["groups"].values():
                each["machine"] = results["machine"]
            saved: tables.Results = json.loads(file.read_text())
            results = {
                **saved,
                "versions": saved["versions"] | results["versions"],
                "groups": saved["groups"] | results["groups"],
            }
        file.write_text(json.dumps(results, indent=1) + "\n")
        plot.draw(results["groups"], picture)


if __name__ == "__main__":
    main()
