"""TCP, UDP, Unix sockets, TLS, files, pipes, processes, name look-ups and executors on the loop."""

from __future__ import annotations

import asyncio
import concurrent.futures
import multiprocessing
import os
import signal
import socket
import ssl
import sys
from collections.abc import Coroutine

# From its own module: PySide6 6.12 breaks the lazy import of concurrent.futures in Python 3.15.
from concurrent.futures.process import ProcessPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import pytest
from support.tls import CERTIFICATE

import qtloop

pytest_plugins = ["support.each_loop"]

T = TypeVar("T")
HERE = ("127.0.0.1", 0)
DATA = bytes(range(256)) * 1024


def run(loop: qtloop.QEventLoop, main: Coroutine[Any, Any, T]) -> T:
    """Runs it, then the tasks that it started: before 3.12 a server does not wait for handlers."""

    async def whole() -> T:
        result = await asyncio.wait_for(main, 30)
        if others := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(others, timeout=30)
        return result

    return loop.run_until_complete(whole())


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Sends back all data, and closes when the other side has closed."""
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()
    await writer.wait_closed()


async def exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, data: bytes
) -> bytes:
    """Sends the data, and returns the response."""

    async def send() -> None:
        writer.write(data)
        await writer.drain()

    sending = asyncio.create_task(send())
    answer = await reader.readexactly(len(data))
    await sending
    writer.close()
    await writer.wait_closed()
    return answer


# Streams


def test_streams_over_tcp_carry_what_is_sent(loop: qtloop.QEventLoop) -> None:
    async def main() -> bytes:
        async with await asyncio.start_server(echo, *HERE) as server:
            address = server.sockets[0].getsockname()
            return await exchange(*await asyncio.open_connection(*address), DATA)

    assert run(loop, main()) == DATA


def test_streams_over_unix_sockets_carry_what_is_sent(
    loop: qtloop.QEventLoop, tmp_path: Path
) -> None:
    path = str(tmp_path / "socket")

    async def main() -> bytes:
        async with await asyncio.start_unix_server(echo, path):
            return await exchange(*await asyncio.open_unix_connection(path), DATA)

    assert run(loop, main()) == DATA


def test_hundred_connections_carry_a_megabyte_each(loop: qtloop.QEventLoop) -> None:
    megabyte = DATA * 4

    async def main() -> int:
        async with await asyncio.start_server(echo, *HERE) as server:
            address = server.sockets[0].getsockname()

            async def client() -> bool:
                return (
                    await exchange(*await asyncio.open_connection(*address), megabyte) == megabyte
                )

            return sum(await asyncio.gather(*(client() for _ in range(100))))

    assert run(loop, main()) == 100


def test_connection_to_a_port_without_a_server_is_refused(loop: qtloop.QEventLoop) -> None:
    with socket.create_server(HERE) as server:
        address = server.getsockname()

    async def main() -> None:
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(*address)

    run(loop, main())


def test_reset_is_raised_by_drain_or_read_and_by_wait_closed(loop: qtloop.QEventLoop) -> None:
    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)
        writer.transport.abort()

    async def main() -> None:
        async with await asyncio.start_server(reset, *HERE) as server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(DATA * 50)
            with pytest.raises(ConnectionError):
                await writer.drain()
                await reader.readexactly(1)
            writer.close()
            with pytest.raises(ConnectionError):
                await writer.wait_closed()

    run(loop, main())


def test_slow_reader_makes_the_writer_wait(loop: qtloop.QEventLoop) -> None:
    async def main() -> tuple[bool, bytes]:
        one, other = socket.socketpair()
        reader, back = await asyncio.open_connection(sock=one)
        _, writer = await asyncio.open_connection(sock=other)
        writer.write(DATA * 8)
        drained = asyncio.create_task(writer.drain())
        await asyncio.sleep(0.01)
        held_back = not drained.done()
        answer = await reader.readexactly(len(DATA) * 8)
        await drained
        for end in (back, writer):
            end.close()
            await end.wait_closed()
        return held_back, answer

    assert run(loop, main()) == (True, DATA * 8)


# Protocols


def test_datagrams_are_exchanged(loop: qtloop.QEventLoop) -> None:
    class Server(asyncio.DatagramProtocol):
        def connection_made(self, transport: Any) -> None:
            self.transport = transport

        def datagram_received(self, data: bytes, address: Any) -> None:
            self.transport.sendto(data[::-1], address)

    class Client(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, address: Any) -> None:
            answers.append(data)
            if len(answers) == 20:
                done.set()

    answers: list[bytes] = []
    done = asyncio.Event()

    async def main() -> None:
        server, _ = await loop.create_datagram_endpoint(Server, local_addr=HERE)
        address = server.get_extra_info("sockname")
        client, _ = await loop.create_datagram_endpoint(Client, remote_addr=address)
        for number in range(20):
            client.sendto(b"datagram %d" % number)
        await done.wait()
        client.close()
        server.close()
        await asyncio.sleep(0)

    run(loop, main())
    assert sorted(answers) == sorted((b"datagram %d" % number)[::-1] for number in range(20))


def test_buffered_protocol_receives_into_its_own_buffer(loop: qtloop.QEventLoop) -> None:
    class Buffered(asyncio.BufferedProtocol):
        def __init__(self) -> None:
            self.buffer = bytearray(100)
            self.got = b""
            self.end = loop.create_future()

        def get_buffer(self, size: int) -> bytearray:
            return self.buffer

        def buffer_updated(self, count: int) -> None:
            self.got += self.buffer[:count]

        def connection_lost(self, error: Exception | None) -> None:
            self.end.set_result(error)

    async def main() -> bytes:
        one, other = socket.socketpair()
        _, protocol = await loop.create_connection(Buffered, sock=one)
        with other:
            other.sendall(DATA[:5000])
        assert await protocol.end is None
        return protocol.got

    assert run(loop, main()) == DATA[:5000]


# TLS


def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Returns the SSL contexts of the server and the client."""
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(CERTIFICATE)
    return server, ssl.create_default_context(cafile=str(CERTIFICATE))


def test_tls_carries_what_is_sent(loop: qtloop.QEventLoop) -> None:
    for_server, for_client = contexts()

    async def main() -> tuple[bytes, str]:
        async with await asyncio.start_server(echo, *HERE, ssl=for_server) as server:
            address = server.sockets[0].getsockname()
            reader, writer = await asyncio.open_connection(
                *address, ssl=for_client, server_hostname="localhost"
            )
            cipher = writer.get_extra_info("cipher")
            return await exchange(reader, writer, DATA * 4), cipher[1]

    answer, version = run(loop, main())
    assert answer == DATA * 4
    assert version.startswith("TLS")


def test_tls_refuses_an_untrusted_certificate(loop: qtloop.QEventLoop) -> None:
    for_server, _ = contexts()
    loop.set_exception_handler(lambda loop, context: None)

    async def main() -> None:
        async with await asyncio.start_server(echo, *HERE, ssl=for_server) as server:
            with pytest.raises(ssl.SSLCertVerificationError):
                await asyncio.open_connection(
                    *server.sockets[0].getsockname(),
                    ssl=ssl.create_default_context(),
                    server_hostname="localhost",
                )

    run(loop, main())


def test_tls_can_start_in_the_middle_of_a_connection(loop: qtloop.QEventLoop) -> None:
    for_server, for_client = contexts()

    class Server(asyncio.Protocol):
        def connection_made(self, transport: Any) -> None:
            self.transport = transport

        def data_received(self, data: bytes) -> None:
            if data == b"STARTTLS":
                self.transport.write(b"GO")
                tasks.append(asyncio.create_task(self.upgrade()))
            else:
                self.transport.write(data[::-1])

        def connection_lost(self, error: Exception | None) -> None:
            self.transport.close()
            ended.release()

        async def upgrade(self) -> None:
            self.transport = await loop.start_tls(
                self.transport, self, for_server, server_side=True
            )

    tasks: list[asyncio.Task[None]] = []
    ended = asyncio.Semaphore(0)

    class Client(asyncio.Protocol):
        def __init__(self) -> None:
            self.came: asyncio.Queue[bytes] = asyncio.Queue()

        def data_received(self, data: bytes) -> None:
            self.came.put_nowait(data)

        def connection_lost(self, error: Exception | None) -> None:
            ended.release()

    async def main() -> bytes:
        server = await loop.create_server(Server, *HERE)
        address = server.sockets[0].getsockname()
        transport, protocol = await loop.create_connection(Client, *address)
        transport.write(b"STARTTLS")
        assert await protocol.came.get() == b"GO"
        secure = await loop.start_tls(transport, protocol, for_client, server_hostname="localhost")
        assert secure is not None
        await asyncio.gather(*tasks)
        secure.write(b"secret")
        answer = await protocol.came.get()
        assert secure.get_extra_info("cipher")
        secure.close()
        server.close()
        for _ in ("client", "server"):
            await ended.acquire()
        return answer

    assert run(loop, main()) == b"terces"


# Files and pipes


def test_file_is_sent_through_a_transport(loop: qtloop.QEventLoop, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(DATA)

    async def main() -> bytes:
        got = loop.create_future()

        async def receive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            got.set_result(await reader.read(-1))
            writer.close()

        async with await asyncio.start_server(receive, *HERE) as server:
            _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            with path.open("rb") as file:
                assert await loop.sendfile(writer.transport, file, 100) == len(DATA) - 100
            writer.close()
            await writer.wait_closed()
            return bytes(await got)

    assert run(loop, main()) == DATA[100:]


def test_pipes_can_be_connected_to_protocols(loop: qtloop.QEventLoop) -> None:
    async def main() -> bytes:
        reading, writing = os.pipe()
        reader = asyncio.StreamReader()
        read, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(reading, "rb", 0)
        )
        write, _ = await loop.connect_write_pipe(asyncio.Protocol, os.fdopen(writing, "wb", 0))
        write.write(DATA)
        answer = await reader.readexactly(len(DATA))
        write.close()
        assert await reader.read() == b""
        read.close()
        await asyncio.sleep(0)
        return answer

    assert run(loop, main()) == DATA


def test_write_pipe_is_lost_when_its_reader_ends(loop: qtloop.QEventLoop) -> None:
    class Writer(asyncio.Protocol):
        def connection_lost(self, error: Exception | None) -> None:
            lost.set()

    lost = asyncio.Event()

    async def main() -> None:
        reading, writing = os.pipe()
        await loop.connect_write_pipe(Writer, os.fdopen(writing, "wb", 0))
        os.close(reading)
        await lost.wait()

    run(loop, main())


# Processes


def test_processes_exchange_data_through_their_pipes(loop: qtloop.QEventLoop) -> None:
    program = "import sys; data = sys.stdin.read(); print(data[::-1]); sys.exit(len(data))"

    async def main() -> tuple[bytes, bytes, int | None]:
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, stdin=pipe, stdout=pipe, stderr=pipe
        )
        out, errors = await process.communicate(b"abc")
        return out, errors, process.returncode

    assert run(loop, main()) == (b"cba\n", b"", 3)


def test_shell_can_be_waited_for_and_killed(loop: qtloop.QEventLoop) -> None:
    async def main() -> tuple[list[int], list[bytes], int]:
        pipe = asyncio.subprocess.PIPE
        shells = [await asyncio.create_subprocess_shell(f"exit {code}") for code in range(5)]
        codes = await asyncio.gather(*(shell.wait() for shell in shells))
        process = await asyncio.create_subprocess_shell(
            "echo one; echo two; exec sleep 60", stdout=pipe
        )
        assert process.stdout
        lines = [await process.stdout.readline() for _ in range(2)]
        process.kill()
        return codes, lines, await process.wait()

    codes, lines, killed = run(loop, main())
    assert codes == [0, 1, 2, 3, 4]
    assert lines == [b"one\n", b"two\n"]
    assert killed == -signal.SIGKILL


def test_starting_a_missing_program_raises_file_not_found_error(loop: qtloop.QEventLoop) -> None:
    async def main() -> None:
        with pytest.raises(FileNotFoundError):
            await asyncio.create_subprocess_exec("/no/such/program")

    run(loop, main())


# Names and executors


def test_names_are_looked_up(loop: qtloop.QEventLoop) -> None:
    async def main() -> None:
        found = await loop.getaddrinfo("localhost", 80, type=socket.SOCK_STREAM)
        assert {each[4][0] for each in found} & {"127.0.0.1", "::1"}
        assert await loop.getnameinfo(("127.0.0.1", 80), socket.NI_NUMERICHOST) is not None
        with pytest.raises(socket.gaierror):
            await loop.getaddrinfo("no such name", 80)
        await loop.shutdown_default_executor()

    run(loop, main())


def test_numeric_address_is_not_looked_up(loop: qtloop.QEventLoop) -> None:
    async def main() -> None:
        for host in ("127.0.0.1", "::1"):
            async with await asyncio.start_server(echo, host, 0) as server:
                port = server.sockets[0].getsockname()[1]
                reader, writer = await asyncio.open_connection(host, port)
                writer.write_eof()
                assert await reader.read() == b""
                writer.close()
                await writer.wait_closed()
        # Looking up takes a thread.
        assert loop._default_executor is None  # type: ignore[attr-defined]

    run(loop, main())


def test_zone_of_an_address_is_kept(loop: qtloop.QEventLoop) -> None:
    async def main() -> Any:
        (found, *_) = await loop.getaddrinfo("fe80::1%lo", 9, type=socket.SOCK_STREAM)
        return found[4]

    assert run(loop, main())[3] == socket.if_nametoindex("lo")


def test_thread_and_process_executors_run_jobs(loop: qtloop.QEventLoop) -> None:
    async def main() -> None:
        with concurrent.futures.ThreadPoolExecutor(2) as threads:
            jobs = (loop.run_in_executor(threads, pow, 2, number) for number in range(20))
            assert await asyncio.gather(*jobs) == [2**number for number in range(20)]
            with pytest.raises(ZeroDivisionError):
                await loop.run_in_executor(threads, divmod, 1, 0)
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=context) as processes:
            assert await loop.run_in_executor(processes, os.getpid) != os.getpid()
            with pytest.raises(ZeroDivisionError):
                await loop.run_in_executor(processes, divmod, 1, 0)

    run(loop, main())
