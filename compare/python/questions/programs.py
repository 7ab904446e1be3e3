"""Signals of the system, exits of a program, and modal dialogs in coroutines."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

from peers import Peer

from .registry import Questions, check

QUESTIONS = Questions()
asks = QUESTIONS.asks


@asks("`add_signal_handler`")
async def signal_handlers(peer: Peer) -> None:
    handled = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, handled.set)
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGUSR1)).start()
    await handled.wait()


@asks("Ctrl-C ends an idle program within 0.25 s, with KeyboardInterrupt")
def ctrl_c(peer: Peer) -> None:
    sent = []

    def send() -> None:
        sent.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    threading.Timer(0.3, send).start()
    try:
        peer.run(asyncio.sleep(5))
    except KeyboardInterrupt:
        took = time.monotonic() - sent[0]
        check(took < 0.25, f"it took {took:.1f} s")
    else:
        raise AssertionError("there is no KeyboardInterrupt")


@asks("SystemExit leaves the run")
def system_exit(peer: Peer) -> None:
    async def main() -> None:
        await asyncio.sleep(0.01)
        raise SystemExit(7)

    try:
        peer.run(main())
    except SystemExit as error:
        check(error.code == 7, f"the code is {error.code}")
    else:
        raise AssertionError("there is no SystemExit")


async def watch_tasks(peer: Peer, execute: Callable[[Callable[[], Any]], Any]) -> None:
    """Asks whether another task continues during half a second of a dialog, and afterwards."""
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.02)
            ticks += 1

    ticker = asyncio.create_task(tick())
    await asyncio.sleep(0.1)
    window = peer.widgets.QWidget()
    window.show()  # otherwise the dialog is the last window, and closing it quits the program
    dialog = peer.widgets.QDialog(window)
    peer.core.QTimer.singleShot(500, dialog.accept)
    before = ticks
    result = await execute(dialog.exec)
    during = ticks - before
    check(result == 1, f"exec() returns {result!r}")
    await asyncio.sleep(0.2)
    if ticker.done():
        ticker.result()
    check(during >= 10, f"another task ran {during} times, of 25")
    check(ticks - before - during >= 3, "another task stands still afterwards")


@asks("`dialog.exec()` in a coroutine: other tasks go on")
async def dialog(peer: Peer) -> None:
    async def execute(function: Callable[[], Any]) -> Any:
        return function()

    await watch_tasks(peer, execute)


@asks("the same through the library's own wrapper")
async def wrapped_dialog(peer: Peer) -> None:
    await watch_tasks(peer, peer.call_modal)
