"""An event loop policy, for code that makes its loops by asyncio.new_event_loop() alone.

Run it with any binding or none; it ends by itself. Policies are deprecated from Python 3.14 on, and
Python says so here; where you can, give asyncio.run() a loop factory instead.
"""

import asyncio

import qtloop


async def main() -> None:
    print(type(asyncio.get_running_loop()).__name__)


asyncio.set_event_loop_policy(qtloop.QEventLoopPolicy())
asyncio.run(main())
