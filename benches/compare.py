"""What common steps cost on asyncio, uvloop, qasync and qtloop, as a table: `make bench`.

Each loop is measured in a process of its own, all of them by turns in each round, so that what
else the machine does meets all alike. A figure is the median of the rounds. Numbers are for this
machine at this hour; it is the ratios that last.

    python benches/compare.py [--quick] [--json FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import contextvars
import importlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from typing import Any

ROUNDS = 5
BATCH = 1000  # the least number of steps that is measured; each number is a multiple of it
LOOPS = ("qtloop", "asyncio", "uvloop", "qasync")

Loop = asyncio.AbstractEventLoop
Figures = dict[str, float]  # nanoseconds by benchmark


def nothing(*_args: object) -> None:
    """Cost as little as a callback can."""


async def call_soon(loop: Loop, steps: int) -> None:
    for _ in range(steps // BATCH):
        for _ in range(BATCH):
            loop.call_soon(nothing)
        await asyncio.sleep(0)


async def call_soon_with_context(loop: Loop, steps: int) -> None:
    context = contextvars.copy_context()
    for _ in range(steps // BATCH):
        for _ in range(BATCH):
            loop.call_soon(nothing, 1, 2, 3, context=context)
        await asyncio.sleep(0)


async def call_soon_threadsafe(loop: Loop, steps: int) -> None:
    for _ in range(steps // BATCH):
        for _ in range(BATCH):
            loop.call_soon_threadsafe(nothing)
        done = loop.create_future()
        loop.call_soon_threadsafe(done.set_result, None)
        await done


async def sleep_zero(_loop: Loop, steps: int) -> None:
    for _ in range(steps):
        await asyncio.sleep(0)


async def sleep_zero_in_100_tasks(loop: Loop, steps: int) -> None:
    await asyncio.gather(*(sleep_zero(loop, steps // 100) for _ in range(100)))


async def call_later_and_cancel(loop: Loop, steps: int) -> None:
    for _ in range(steps // BATCH):
        for _ in range(BATCH):
            loop.call_later(3600, nothing).cancel()
        await asyncio.sleep(0)  # where some loops tidy up


async def future_round_trip(loop: Loop, steps: int) -> None:
    for _ in range(steps):
        future = loop.create_future()
        loop.call_soon(future.set_result, None)
        await future


async def stream_echo(_loop: Loop, steps: int) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(4096):
            writer.write(data)
        writer.close()

    message = bytes(1024)
    async with await asyncio.start_server(answer, "127.0.0.1") as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        for _ in range(steps):
            writer.write(message)
            await reader.readexactly(len(message))
        writer.close()
        await writer.wait_closed()


BENCHMARKS: dict[str, Callable[[Loop, int], Coroutine[Any, Any, None]]] = {
    "call_soon": call_soon,
    "call_soon, 3 args, context": call_soon_with_context,
    "call_soon_threadsafe, own thread": call_soon_threadsafe,
    "sleep(0)": sleep_zero,
    "sleep(0), each of 100 tasks": sleep_zero_in_100_tasks,
    "call_later + cancel": call_later_and_cancel,
    "future round trip": future_round_trip,
    "1 KiB echo over streams": stream_echo,
}


async def measure(seconds: float) -> Figures:
    """Run every benchmark with as many steps as take that long, on the loop this runs on."""
    loop = asyncio.get_running_loop()
    figures = {}
    for name, benchmark in BENCHMARKS.items():
        await benchmark(loop, steps := BATCH)  # not timed: what first use loads
        while True:
            start = time.perf_counter()
            await benchmark(loop, steps)
            took = time.perf_counter() - start
            if took >= seconds:
                break
            steps *= min(10, int(seconds / took) + 1)
        figures[name] = took / steps * 1e9
    return figures


def child(name: str, seconds: float) -> None:
    """Measure one loop, those of Qt in the `exec()` of a QApplication, and print its figures."""
    module = importlib.import_module(name)
    is_qt = name in {"qtloop", "qasync"}
    loop = module.QEventLoop(module.QApplication([])) if is_qt else module.new_event_loop()
    print(json.dumps(loop.run_until_complete(measure(seconds))))
    loop.close()


def run_child(name: str, seconds: float) -> Figures | str:
    """Measure one loop in a process of its own; instead of figures, the reason there are none."""
    command = [sys.executable, __file__, "--child", name, "--seconds", str(seconds)]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        lines = result.stderr.strip().splitlines()
        return lines[-1] if lines else f"it ended with the code {result.returncode}"
    figures: Figures = json.loads(result.stdout)
    return figures


def table(medians: dict[str, Figures]) -> str:
    """Nanoseconds per step, and in brackets how many times qtloop's own time that is."""
    lines = [f"{'ns per step (times qtloop)':34}" + "".join(f"{name:>16}" for name in medians)]
    for benchmark in BENCHMARKS:
        own = medians["qtloop"][benchmark]
        line = f"{benchmark:34}"
        for name, figures in medians.items():
            value = figures[benchmark]
            ratio = "" if name == "qtloop" else f" ({value / own:.2f})"
            line += f"{f'{value:,.0f}{ratio}':>16}"
        lines.append(line)
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="rough; so is QUICK=1")
    parser.add_argument("--json", metavar="FILE", help="write the medians there, too")
    parser.add_argument("--child", choices=LOOPS, help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.child, options.seconds)
        return

    seconds = 0.02 if options.quick or os.environ.get("QUICK") == "1" else 0.2
    rounds: dict[str, list[Figures]] = {name: [] for name in LOOPS}
    for number in range(ROUNDS):
        order = list(rounds)
        for name in order if number % 2 == 0 else reversed(order):
            result = run_child(name, seconds)
            if isinstance(result, str):
                print(f"Without {name}: {result}", flush=True)
                del rounds[name]
            else:
                rounds[name].append(result)
    if "qtloop" not in rounds:
        sys.exit("There is nothing to compare with.")
    medians = {
        name: {each: statistics.median(run[each] for run in runs) for each in BENCHMARKS}
        for name, runs in rounds.items()
    }
    print(table(medians))
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(medians, file, indent=2)


if __name__ == "__main__":
    main()
