"""The start of a loop, and its connections: TCP, TLS, UDP, subprocesses and pipes."""

from __future__ import annotations

import asyncio
import os
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

from peers import Peer

from .registry import Questions, check

CERTIFICATE = Path(__file__).parents[3] / "tests" / "python" / "support" / "localhost.pem"
QUESTIONS = Questions()
asks = QUESTIONS.asks


@asks("starts, and returns a coroutine's result")
def starts(peer: Peer) -> None:
    result = peer.run(asyncio.sleep(0.01, "result"))
    check(result == "result", f"the result is {result!r}")


@asks("`asyncio.run(main(), loop_factory=...)`")
def loop_factory(peer: Peer) -> str | None:
    if sys.version_info < (3, 12):
        return "needs Python 3.12"
    result = asyncio.run(asyncio.sleep(0.01, "result"), loop_factory=peer.new_loop)
    check(result == "result", f"the result is {result!r}")
    return None


@asks("TCP streams")
async def tcp(peer: Peer) -> None:
    await echo({}, {})


@asks("TLS streams")
async def tls(peer: Peer) -> None:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(CERTIFICATE)
    client = ssl.create_default_context(cafile=CERTIFICATE)
    await echo({"ssl": server}, {"ssl": client, "server_hostname": "localhost"})


async def echo(server_tls: dict[str, Any], client_tls: dict[str, Any]) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readline())
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", **server_tls) as server:
        address = server.sockets[0].getsockname()
        reader, writer = await asyncio.open_connection(*address, **client_tls)
        writer.write(b"hello\n")
        check(await reader.readline() == b"hello\n", "the echo differs")
        writer.close()
        await writer.wait_closed()


@asks("UDP endpoints")
async def udp(peer: Peer) -> None:
    loop = asyncio.get_running_loop()
    received = loop.create_future()

    class Listener(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: Any) -> None:
            received.set_result(data)

    listener, _ = await loop.create_datagram_endpoint(Listener, local_addr=("127.0.0.1", 0))
    address = listener.get_extra_info("sockname")
    talker, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=address)
    talker.sendto(b"hello")
    check(await received == b"hello", "the datagram differs")
    talker.close()
    listener.close()


@asks("subprocesses")
async def subprocesses(peer: Peer) -> None:
    command = (sys.executable, "-c", "print('hello')")
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    output, _ = await process.communicate()
    check((process.returncode, output) == (0, b"hello\n"), f"{process.returncode}, {output!r}")


@asks("pipes")
async def pipes(peer: Peer) -> None:
    reading, writing = os.pipe()
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(reading, "rb")
    )
    os.write(writing, b"hello\n")
    os.close(writing)
    check(await reader.read() == b"hello\n", "what was read differs")
