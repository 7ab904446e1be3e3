"""Popular asyncio libraries work on the loop unchanged."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest

import qtloop

T = TypeVar("T")
WORDS = b"words " * 10_000


def library(name: str) -> Any:
    """Imports the module, or skips the test if it is not installed."""
    return pytest.importorskip(name, reason=f"{name} is not installed")


def run(loop: qtloop.QEventLoop, main: Coroutine[Any, Any, T]) -> T:
    return loop.run_until_complete(asyncio.wait_for(main, 30))


class Site:
    """A small web site, by aiohttp."""

    def __init__(self) -> None:
        web = library("aiohttp.web")
        app = web.Application()
        app.router.add_get("/words", self.words)
        app.router.add_post("/back", self.back)
        app.router.add_get("/chat", self.chat)
        self.web, self.runner = web, web.AppRunner(app)

    async def __aenter__(self) -> str:
        await self.runner.setup()
        site = self.web.TCPSite(self.runner, "127.0.0.1", 0)
        await site.start()
        host, port = self.runner.addresses[0]
        return f"http://{host}:{port}"

    async def __aexit__(self, *error: object) -> None:
        await self.runner.cleanup()

    async def words(self, request: Any) -> Any:
        response = self.web.StreamResponse()
        await response.prepare(request)
        for start in range(0, len(WORDS), 7000):
            await response.write(WORDS[start : start + 7000])
            await asyncio.sleep(0)
        return response

    async def back(self, request: Any) -> Any:
        return self.web.Response(body=await request.read())

    async def chat(self, request: Any) -> Any:
        socket = self.web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            await socket.send_str(message.data.upper())
        return socket


def test_aiohttp_server_and_client_work(loop: qtloop.QEventLoop) -> None:
    aiohttp = library("aiohttp")

    async def fetch(session: Any, url: str) -> bool:
        async with session.get(url + "/words") as response:
            streamed = b"".join([part async for part in response.content.iter_chunked(1000)])
        async with session.post(url + "/back", data=WORDS) as response:
            return streamed == WORDS == await response.read()

    async def main() -> None:
        async with Site() as url, aiohttp.ClientSession() as session:
            assert all(await asyncio.gather(*(fetch(session, url) for _ in range(20))))
            async with session.ws_connect(url + "/chat") as chat:
                await chat.send_str("hello")
                assert await chat.receive_str(timeout=10) == "HELLO"
            timeout = aiohttp.ClientTimeout(total=0.000_001)
            with pytest.raises(asyncio.TimeoutError):
                await session.get(url + "/words", timeout=timeout)

    run(loop, main())


def test_httpx_client_works(loop: qtloop.QEventLoop) -> None:
    httpx = library("httpx")

    async def main() -> None:
        async with Site() as url, httpx.AsyncClient(base_url=url, trust_env=False) as client:
            answers = await asyncio.gather(*(client.get("/words") for _ in range(10)))
            assert [answer.content for answer in answers] == [WORDS] * 10
            assert (await client.post("/back", content=WORDS)).content == WORDS
            with pytest.raises(httpx.ConnectError):
                await client.get("http://127.0.0.1:1/")
        await loop.shutdown_default_executor()

    run(loop, main())


def test_websockets_exchange_messages(loop: qtloop.QEventLoop) -> None:
    server_module = library("websockets.asyncio.server")
    client_module = library("websockets.asyncio.client")

    async def shout(socket: Any) -> None:
        async for message in socket:
            await socket.send(message.upper())

    async def main() -> None:
        async with server_module.serve(shout, "127.0.0.1", 0) as server:
            host, port = server.sockets[0].getsockname()
            async with client_module.connect(f"ws://{host}:{port}", proxy=None) as socket:
                for number in range(50):
                    await socket.send(f"hello {number}")
                    assert await socket.recv() == f"HELLO {number}"

    run(loop, main())


def test_anyio_runs_on_the_loop(loop: qtloop.QEventLoop) -> None:
    anyio = library("anyio")

    async def main() -> list[Any]:
        seen: list[Any] = []
        async with anyio.create_task_group() as group:
            send, receive = anyio.create_memory_object_stream(1)
            group.start_soon(anyio.sleep_forever)  # waits until infinity
            group.start_soon(produce, send)
            async with receive:
                async for item in receive:
                    seen.append(item)
            seen.append(await anyio.to_thread.run_sync(lambda: anyio.from_thread.run(double, 21)))
            with anyio.move_on_after(0.002) as scope:
                await anyio.sleep(10)
            seen.append(scope.cancelled_caught)
            group.cancel_scope.cancel()
        return seen

    async def produce(send: Any) -> None:
        async with send:
            for number in range(3):
                await send.send(number)

    async def double(number: int) -> int:
        await anyio.sleep(0)
        return number * 2

    assert run(loop, main()) == [0, 1, 2, 42, True]


def test_anyio_streams_and_processes_work(loop: qtloop.QEventLoop) -> None:
    anyio = library("anyio")

    async def serve(stream: Any) -> None:
        async with stream:
            async for data in stream:
                await stream.send(data)

    async def main() -> bytes:
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        async with listener, anyio.create_task_group() as group:
            group.start_soon(listener.serve, serve)
            async with await anyio.connect_tcp("127.0.0.1", port) as stream:
                await stream.send(b"there and back")
                answer: bytes = await stream.receive()
            assert (await anyio.run_process(["echo", "one"])).stdout == b"one\n"
            group.cancel_scope.cancel()
        return answer

    assert run(loop, main()) == b"there and back"


def test_anyio_starts_the_loop_itself(app: Any) -> None:
    anyio = library("anyio")

    async def main() -> str:
        await anyio.sleep(0.001)
        return type(asyncio.get_running_loop()).__name__

    options = {"loop_factory": qtloop.new_event_loop}
    assert anyio.run(main, backend="asyncio", backend_options=options) == "QEventLoop"
