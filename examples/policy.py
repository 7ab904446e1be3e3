"""The way in by a policy: every loop that asyncio makes is one of Qt's.

    python examples/policy.py

Good for code that calls `asyncio.run` where you cannot reach it. Python has deprecated policies in 3.14
and has none from 3.16 on: prefer the other ways. Needs no window.
"""

import asyncio
import sys

import qtloop

if sys.version_info >= (3, 16):
    sys.exit("this Python has no event loop policies: see examples/asyncio_run.py")


async def main() -> None:
    loop = asyncio.get_running_loop()
    print("running on", type(loop).__name__)
    print("in", await asyncio.to_thread(lambda: "a thread"), "too")


asyncio.set_event_loop_policy(qtloop.QEventLoopPolicy())
asyncio.run(main())
