"""`asyncio.run()` with a loop factory: QEventLoop under a plain asyncio program.

Run it with any binding or none; it fetches a page from a local server and ends by itself.
`asyncio.Runner` takes a factory from Python 3.11 on, `asyncio.run` from 3.12 on; on 3.10 there is
`qtloop.run(main())`.
"""

import asyncio
import sys

import qtloop


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.0 200 OK\r\n\r\nHello from inside Qt's loop.\n")
    await writer.drain()
    writer.close()


async def main() -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"GET / HTTP/1.0\r\n\r\n")
        print((await reader.read()).decode().splitlines()[-1])
        writer.close()


if sys.version_info >= (3, 12):
    asyncio.run(main(), loop_factory=qtloop.QEventLoop)
elif sys.version_info >= (3, 11):
    with asyncio.Runner(loop_factory=qtloop.QEventLoop) as runner:
        runner.run(main())
else:
    qtloop.run(main())
