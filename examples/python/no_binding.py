"""Without PySide6 and PyQt6 the loop runs on the system's Qt and makes the application itself.

If a binding is installed, the loop uses the binding's Qt; the program prints which. It ends by
itself.
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
