"""An event loop policy, for code that makes its loops only by asyncio.new_event_loop().

Run it with any binding or none; it ends by itself. Policies are deprecated from Python 3.14 on,
where this prints a warning; if possible, pass a loop factory to asyncio.run() instead.
"""

import asyncio

import qtloop


async def main() -> None:
    print(type(asyncio.get_running_loop()).__name__)


asyncio.set_event_loop_policy(qtloop.QEventLoopPolicy())
asyncio.run(main())
