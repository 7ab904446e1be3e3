"""Loops in other threads, each inside its thread's Qt loop; they use call_soon_threadsafe().

Run it with any binding or none; it ends by itself.
"""

import asyncio
import threading

import qtloop


async def work(name: str, home: asyncio.AbstractEventLoop, done: asyncio.Queue[str]) -> None:
    await asyncio.sleep(0.05)
    home.call_soon_threadsafe(done.put_nowait, f"{name} is done")


async def main() -> None:
    done: asyncio.Queue[str] = asyncio.Queue()
    home = asyncio.get_running_loop()
    names = ["first", "second"]
    threads = [
        threading.Thread(target=lambda name=name: qtloop.run(work(name, home, done)))
        for name in names
    ]
    for thread in threads:
        thread.start()
    for _ in names:
        print(await done.get())
    for thread in threads:
        thread.join()


qtloop.run(main())
