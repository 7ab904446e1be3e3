"""No PySide6, no PyQt6: the loop runs on the system's Qt, with an application of its own.

With a binding installed it uses that one's Qt instead, and says so; it ends by itself.
"""

import asyncio
from pathlib import Path

import qtloop

CORE = "libQt6Core"


async def main() -> None:
    process = await asyncio.create_subprocess_exec("uname", "-s", stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    print("A process says", output.decode().strip())
    maps = await asyncio.to_thread(Path("/proc/self/maps").read_text)
    print("inside the loop of", {line.split()[-1] for line in maps.splitlines() if CORE in line})


qtloop.run(main())
