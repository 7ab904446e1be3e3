"""An urgent task beside 10,000 jobs: how many run between its event and its step, and the time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from floods import CALLBACKS, EVENTS, JOBS, TASKS, flood
from measure import COUNT, SECONDS, Bench, Figures, Group, percentile
from peers import QT_LOOPS, SCHEDULERS, Peer

from .window import Ticker

group = Group(loops=("qtloop", "asyncio", "uvloop", *SCHEDULERS))
COUNTS: list[str] = []  # the rows of counts and of times
TIMES: list[str] = []


@contextmanager
def window(peer: Peer) -> Iterator[None]:
    """Shows a window that changes 60 times a second, if the peer has any."""
    if type(peer) not in QT_LOOPS.values():
        yield
        return
    ticker = Ticker(peer)
    label = peer.widgets.QLabel()
    label.resize(400, 200)
    label.show()
    ticker.timer.timeout.connect(lambda: label.setNum(len(ticker.late)))
    yield
    ticker.timer.stop()
    label.hide()


def beside(kind: str, event: str) -> None:
    """Adds the workload of one event beside jobs of one kind."""
    what = f"{event} beside {JOBS:,} {kind}"
    jobs, time = f"{what}, jobs, max", f"{what}, p99"
    COUNTS.append(jobs)
    TIMES.append(time)

    @group.figures(what, {jobs: COUNT, time: SECONDS})
    async def delay(bench: Bench) -> Figures:
        with window(bench.peer):
            delays = await flood(bench.peer).run(kind, event, 3 * bench.seconds)
        return {jobs: max(delays.jobs), time: percentile(delays.seconds, 0.99)}


for kind in (CALLBACKS, TASKS):
    for event in EVENTS:
        beside(kind, event)
