"""Servers with many clients at once, clients that vanish, or no file descriptor left."""

from __future__ import annotations

import asyncio
import gc
import socket
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
from conftest import Child
from support.connections import (
    HERE,
    LOTS,
    Loop,
    Recorder,
    receive,
    receive_all,
    reset,
    run,
    settled,
)
from support.running import Errors

pytest_plugins = ["support.each_loop"]


class Served:
    """A protocol factory that keeps its protocols."""

    def __init__(self, kind: Any = Recorder) -> None:
        self.made: list[Recorder] = []
        self.count = 0
        self.lost = 0
        self._kind = kind
        self._news = asyncio.Event()

    def __call__(self) -> Recorder:
        served = self
        kind: Any = self._kind

        class Counted(kind):  # type: ignore[misc]
            def connection_made(self, transport: Any) -> None:
                super().connection_made(transport)
                served.count += 1
                served._news.set()

            def connection_lost(self, error: Exception | None) -> None:
                super().connection_lost(error)
                served.lost += 1
                served._news.set()

        self.made.append(Counted())
        return self.made[-1]

    async def until(self, count: int, lost: int) -> None:
        """Waits for `count` connections made and `lost` connections lost."""
        while self.count < count or self.lost < lost:
            self._news.clear()
            await self._news.wait()


# Crowds


@pytest.mark.parametrize("gently", [True, False])
def test_many_clients_that_close_at_once_are_accepted(
    each_loop: Loop, errors: Errors, gently: bool
) -> None:
    # More clients that reset: those leave no port in TIME_WAIT.
    batches = 8 if gently else 40

    async def main() -> None:
        served = Served()
        server = await each_loop.create_server(served, *HERE, backlog=300)
        address = server.sockets[0].getsockname()
        for batch in range(1, batches + 1):
            clients = [socket.create_connection(address) for _ in range(250)]
            for client in clients:
                if gently:
                    client.close()
                else:
                    reset(client)
            await served.until(batch * 250, batch * 250)
        assert served.count == served.lost == len(served.made) == batches * 250
        wrong = {protocol.calls[-1] for protocol in served.made} - {"lost"}
        assert not wrong
        server.close()
        await server.wait_closed()

    run(each_loop, main())
    assert errors == []


def test_data_of_many_clients_that_close_at_once_is_received(
    each_loop: Loop, tmp_path: Path
) -> None:
    path = str(tmp_path / "socket")

    async def main() -> None:
        served = Served()
        server = await each_loop.create_unix_server(served, path, backlog=300)
        for batch in range(1, 9):
            for number in range(250):
                with socket.socket(socket.AF_UNIX) as client:
                    client.connect(path)
                    client.send(b"%03d" % number)
            await served.until(batch * 250, batch * 250)
        heard = sorted(bytes(protocol.data) for protocol in served.made)
        assert heard == sorted(b"%03d" % number for number in range(250) for _ in range(8))
        server.close()
        await server.wait_closed()

    run(each_loop, main())


def test_many_open_clients_are_all_served(each_loop: Loop) -> None:
    class Echo(Recorder):
        def data_received(self, data: bytes) -> None:
            self.transport.write(data)

    async def main() -> None:
        served = Served(Echo)
        server = await each_loop.create_server(served, *HERE, backlog=300)
        address = server.sockets[0].getsockname()
        clients = [socket.create_connection(address) for _ in range(200)]
        for client in clients:
            client.setblocking(False)
        for turn in range(5):
            for number, client in enumerate(clients):
                client.send(b"%d:%03d" % (turn, number))
            for number, client in enumerate(clients):
                assert await receive(each_loop, client, 5) == b"%d:%03d" % (turn, number)
        for client in clients:
            client.close()
        await served.until(200, 200)
        server.close()
        await server.wait_closed()

    run(each_loop, main())


@pytest.mark.parametrize("made", ["qtloop.QEventLoop()", "asyncio.SelectorEventLoop()"])
def test_server_accepts_again_after_descriptors_ran_out(child: Child, made: str) -> None:
    result = child(
        f"""
        import resource, socket

        loop = {made}
        asyncio.set_event_loop(loop)
        errors = []
        full = asyncio.Event()

        def handler(loop, context):
            errors.append(context)
            full.set()

        loop.set_exception_handler(handler)

        class Protocol(asyncio.Protocol):
            def connection_made(self, transport):
                self.transport = transport

            def data_received(self, data):
                heard.append(data)

            def connection_lost(self, error):
                lost.append(error)
                if len(lost) == 20:
                    done.set()

        heard, lost, done = [], [], asyncio.Event()

        async def main():
            server = await loop.create_server(Protocol, "127.0.0.1", 0, backlog=30)
            address = server.sockets[0].getsockname()
            clients = [socket.create_connection(address) for _ in range(20)]
            limits = resource.getrlimit(resource.RLIMIT_NOFILE)
            highest = max(map(int, os.listdir("/proc/self/fd")))
            resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 6, limits[1]))
            await full.wait()
            print("full", not done.is_set())
            for number, client in enumerate(clients):
                client.send(b"%02d" % number)
                client.close()
            await done.wait()
            print("served", sorted(heard) == [b"%02d" % number for number in range(20)])
            # The server still works.
            reader, writer = await asyncio.open_connection(*address)
            writer.close()
            await writer.wait_closed()
            server.close()
            await server.wait_closed()

        loop.run_until_complete(asyncio.wait_for(main(), 20))
        loop.close()
        print({{context["message"] for context in errors}})
        print({{context["exception"].errno for context in errors}})
        print(all(context["socket"].fileno() for context in errors))
        """
    )
    assert result.stdout.splitlines() == [
        "full True",
        "served True",
        "{'socket.accept() out of system resource'}",
        "{24}",
        "True",
    ]


EXHAUSTED = """
import asyncio.constants, resource, socket

asyncio.constants.ACCEPT_RETRY_DELAY = 0.1  # seconds; asyncio waits for a whole one

loop = QEventLoop()
asyncio.set_event_loop(loop)
errors = []
loop.set_exception_handler(lambda loop, context: errors.append(context["message"]))

class Protocol(asyncio.Protocol):
    def connection_made(self, transport):
        transport.close()
        self.transport = transport

def exhaust():
    highest = max(map(int, os.listdir("/proc/self/fd")))
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest, limits[1]))
    return limits
"""


def test_exhaustion_is_reported_once_until_a_client_is_accepted(child: Child) -> None:
    result = child(
        EXHAUSTED
        + """
retried = asyncio.Event()
again = loop._accept_again
loop._accept_again = lambda *args: (again(*args), loop.call_later(0.01, retried.set))

async def main():
    server = await loop.create_server(Protocol, "127.0.0.1", 0)
    for _ in range(2):
        client = socket.create_connection(server.sockets[0].getsockname())
        client.setblocking(False)
        limits = exhaust()
        for _ in range(2):
            await retried.wait()
            retried.clear()
        print(errors)
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        print(await loop.sock_recv(client, 1))
    server.close()

loop.run_until_complete(asyncio.wait_for(main(), 20))
loop.close()
"""
    )
    once = "socket.accept() out of system resource"
    assert result.stdout.splitlines() == [str([once]), "b''", str([once] * 2), "b''"]


def test_server_may_be_closed_while_it_waits_for_descriptors(child: Child) -> None:
    result = child(
        EXHAUSTED
        + """
async def main():
    server = await loop.create_server(Protocol, "127.0.0.1", 0)
    client = socket.create_connection(server.sockets[0].getsockname())
    exhaust()
    while not errors:
        await asyncio.sleep(0)
    server.close()
    await asyncio.sleep(0.2)  # the delay, and a little more
    print(errors)

loop.run_until_complete(asyncio.wait_for(main(), 20))
loop.close()
"""
    )
    assert result.stdout.splitlines() == ["['socket.accept() out of system resource']"]


# Closing


def test_clients_stay_connected_when_the_server_closes(each_loop: Loop) -> None:
    async def main() -> None:
        served = Served()
        server = await each_loop.create_server(served, *HERE)
        address = server.sockets[0].getsockname()
        with socket.create_connection(address) as client:
            client.setblocking(False)
            await served.until(1, 0)
            (protocol,) = served.made
            server.close()
            assert not server.is_serving()
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(address)
            waiting = asyncio.create_task(server.wait_closed())
            client.send(b"data")
            assert await protocol.received(4) == b"data"
            protocol.transport.write(LOTS)
            assert await receive(each_loop, client, len(LOTS)) == LOTS
            # From Python 3.12 on it waits for them.
            assert waiting.done() == (sys.version_info < (3, 12))
        assert await protocol.lost() is None
        await waiting

    run(each_loop, main())


@pytest.mark.skipif(sys.version_info < (3, 13), reason="new in Python 3.13")
@pytest.mark.parametrize("way", ["close_clients", "abort_clients"])
def test_server_can_close_its_clients(each_loop: Loop, way: str) -> None:
    async def main() -> None:
        served = Served()
        server = await each_loop.create_server(served, *HERE)
        clients = [socket.create_connection(server.sockets[0].getsockname()) for _ in range(5)]
        for client in clients:
            client.setblocking(False)
        await served.until(5, 0)
        server.close()
        getattr(server, way)()
        await server.wait_closed()
        await served.until(5, 5)
        for client in clients:
            assert await receive_all(each_loop, client) == b""
            client.close()

    run(each_loop, main())


def test_server_drops_clients_that_have_disconnected(each_loop: Loop) -> None:
    async def main() -> None:
        served = Served()
        server = await each_loop.create_server(served, *HERE)
        address = server.sockets[0].getsockname()
        for count, way in enumerate(("close", "abort", "peer", "reset", "flush"), 1):
            client = socket.create_connection(address)
            client.setblocking(False)
            await served.until(count, count - 1)
            transport = served.made[-1].transport
            if way == "peer":
                client.close()
            elif way == "reset":
                reset(client)
            elif way == "flush":
                transport.write(LOTS)
                transport.close()
                assert await receive_all(each_loop, client) == LOTS
            else:
                getattr(transport, way)()
            await served.until(count, count)
            client.close()
        server.close()
        await server.wait_closed()

    run(each_loop, main())


def test_protocol_factory_that_raises_closes_one_connection_only(each_loop: Loop) -> None:
    served = Served()
    reports: list[tuple[str, type[BaseException]]] = []
    reported = asyncio.Event()

    def factory() -> Recorder:
        if not reports:
            raise ZeroDivisionError
        return served()

    def handler(_: object, context: dict[str, Any]) -> None:
        # The traceback would keep the socket.
        reports.append((context["message"], type(context["exception"])))
        reported.set()

    each_loop.set_exception_handler(handler)

    async def main() -> None:
        server = await each_loop.create_server(factory, *HERE)
        address = server.sockets[0].getsockname()
        each_loop.set_debug(True)
        with socket.create_connection(address) as client:
            client.setblocking(False)
            await reported.wait()
            await settled()
            gc.collect()
            assert await receive_all(each_loop, client) == b""
        each_loop.set_debug(False)
        with socket.create_connection(address):
            await served.until(1, 0)
        await served.until(1, 1)
        server.close()
        await server.wait_closed()

    with warnings.catch_warnings():
        # asyncio leaves the socket to the garbage collector, which warns.
        warnings.simplefilter("ignore", ResourceWarning)
        run(each_loop, main())
    message = "Error on transport creation for incoming connection"
    assert reports == [(message, ZeroDivisionError)]
