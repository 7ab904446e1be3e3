"""Without PySide6 and PyQt6 the loop runs on the system's Qt, in an application of its own.

    python examples/no_binding.py

A server and a client greet each other over a socket. If a binding is installed, its Qt is taken.
"""

import asyncio

import qtloop


async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    name = await reader.readline()
    writer.write(b"hello, " + name)
    writer.close()
    await writer.wait_closed()


async def main() -> str:
    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"world\n")
        answer = await reader.readline()
        writer.close()
        await writer.wait_closed()
    return answer.decode().strip()


print(qtloop.run(main()))
