"""Measures workloads of one group on one loop in this process, and prints a line for each."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import resource
import sys
from typing import NoReturn

from measure import Bench, Unsuitable, load
from peers import BENCHED


def say(**answer: object) -> None:
    print(json.dumps(answer), flush=True)


def reason(error: BaseException) -> str:
    text = str(error).partition("\n")[0]
    if isinstance(error, AssertionError | Unsuitable):
        return text
    name = type(error).__name__
    return f"{name}: {text}" if text else name


def measure(loop_name: str, group_name: str, seconds: float, quick: bool, names: list[str]) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 65_536)), hard))
    group = load(group_name)
    own, *others = sorted(os.sched_getaffinity(0))
    if group.pinned and others:
        os.sched_setaffinity(0, [own])
    else:
        others = []
    peer = BENCHED[loop_name]()

    async def main() -> NoReturn:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            loop = None  # Qt alone
        bench = Bench(peer, loop, seconds, quick, others)
        for workload in group.workloads:
            if workload.name in names:
                gc.collect()
                gc.freeze()  # the collector need not scan the imported modules
                try:
                    say(workload=workload.name, figures=await workload.run(bench))
                except Exception as error:
                    say(workload=workload.name, reason=reason(error))
        if bench.client:
            bench.client.process.kill()
        os._exit(0)  # closing the loop is not measured

    peer.run(main())


if __name__ == "__main__":
    _, loop_name, group_name, seconds, quick, *names = sys.argv
    measure(loop_name, group_name, float(seconds), quick == "quick", names)
