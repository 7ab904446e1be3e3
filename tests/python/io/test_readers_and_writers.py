"""Readers and writers: level-triggered, replaced, removed, closed: asyncio's behaviour."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Any

import pytest
from support.running import Errors, Pair, Pipe, nothing, run_for, run_once, run_until

pytest_plugins = ["support.each_loop"]

Loop = asyncio.SelectorEventLoop


def fill(writer: socket.socket) -> None:
    with suppress(BlockingIOError):
        while True:
            writer.send(b"x" * 65536)


# Levels


def test_reader_is_called_again_until_all_is_read(each_loop: Loop, pair: Pair) -> None:
    one, other = pair
    seen: list[bytes] = []
    each_loop.add_reader(one, lambda: seen.append(one.recv(1)))
    other.send(b"abcdef")
    run_until(each_loop, lambda: len(seen) == 6)
    run_for(each_loop, 0.005)
    assert b"".join(seen) == b"abcdef"


def test_reader_that_reads_nothing_is_called_with_each_batch(each_loop: Loop, pair: Pair) -> None:
    one, other = pair
    calls = [0]

    def look() -> None:
        calls[0] += 1
        if calls[0] == 50:
            each_loop.stop()

    other.send(b"x")
    each_loop.add_reader(one, look)
    each_loop.run_forever()
    run_once(each_loop)
    run_once(each_loop)
    assert calls[0] == 52


def test_reader_is_called_for_data_that_arrived_before_it_was_added(
    each_loop: Loop, pair: Pair
) -> None:
    one, other = pair
    other.send(b"early")
    run_once(each_loop)
    seen: list[bytes] = []
    each_loop.add_reader(one, lambda: [seen.append(one.recv(100)), each_loop.stop()])
    each_loop.run_forever()
    assert seen == [b"early"]


def test_writer_is_called_as_long_as_there_is_room(each_loop: Loop, pair: Pair) -> None:
    one, other = pair
    calls = [0]

    def write() -> None:
        calls[0] += 1
        if calls[0] == 5:
            fill(one)

    each_loop.add_writer(one, write)
    run_for(each_loop, 0.02)
    assert calls[0] == 5
    with suppress(BlockingIOError):
        while other.recv(65536):
            pass
    run_until(each_loop, lambda: calls[0] > 5)


def test_reader_and_writer_of_one_socket_are_independent(each_loop: Loop, pair: Pair) -> None:
    one, other = pair
    reads: list[bytes] = []
    writes = [0]

    def write() -> None:
        writes[0] += 1

    each_loop.add_reader(one, lambda: reads.append(one.recv(1)))
    each_loop.add_writer(one, write)
    other.send(b"abc")
    run_until(each_loop, lambda: len(reads) == 3 and writes[0] >= 3)
    assert each_loop.remove_writer(one) is True
    before = writes[0]
    other.send(b"def")
    run_until(each_loop, lambda: len(reads) == 6)
    assert writes[0] == before
    assert each_loop.remove_reader(one) is True
    each_loop.add_writer(one, write)
    other.send(b"ghi")
    run_until(each_loop, lambda: writes[0] > before + 2)
    assert len(reads) == 6


def test_many_readers_are_called_in_turn(each_loop: Loop) -> None:
    # All are ready all the time; none may be called twice before the others are.
    with ExitStack() as stack:
        calls = [0] * 50
        for number in range(50):
            one, other = socket.socketpair()
            stack.enter_context(one)
            stack.enter_context(other)
            other.send(b"x")

            def call(number: int = number) -> None:
                calls[number] += 1

            each_loop.add_reader(one, call)
            stack.callback(each_loop.remove_reader, one)
        run_until(each_loop, lambda: max(calls) >= 20)
        assert min(calls) >= max(calls) - 1


# Adding, replacing, removing


def test_removing_a_reader_or_writer_returns_whether_there_was_one(
    each_loop: Loop, pipe: Pipe
) -> None:
    reading, writing = pipe
    assert each_loop.remove_reader(reading) is False
    assert each_loop.remove_writer(writing) is False
    each_loop.add_reader(reading, nothing)
    each_loop.add_writer(writing, nothing)
    assert each_loop.remove_writer(reading) is False
    assert each_loop.remove_reader(reading) is True
    assert each_loop.remove_reader(reading) is False
    assert each_loop.remove_writer(writing) is True
    assert each_loop.remove_writer(writing) is False


def test_descriptor_and_file_object_name_the_same_reader(each_loop: Loop, pair: Pair) -> None:
    one, other = pair
    seen: list[str] = []
    each_loop.add_reader(one, seen.append, "object")
    each_loop.add_reader(one.fileno(), lambda: [one.recv(9), seen.append("number")])
    other.send(b"x")
    run_until(each_loop, lambda: seen)
    assert seen == ["number"]
    assert each_loop.remove_reader(one) is True
    each_loop.add_reader(one.fileno(), nothing)
    assert each_loop.remove_reader(one) is True
    each_loop.add_reader(one, nothing)
    assert each_loop.remove_reader(one.fileno()) is True


def test_replaced_reader_is_cancelled_and_not_called(each_loop: Any, pipe: Pipe) -> None:
    reading, writing = pipe
    seen: list[str] = []
    first = each_loop._add_reader(reading, seen.append, "first")
    second = each_loop._add_reader(reading, lambda: [os.read(reading, 9), seen.append("second")])
    assert (first.cancelled(), second.cancelled()) == (True, False)
    os.write(writing, b"x")
    run_until(each_loop, lambda: seen)
    assert seen == ["second"]
    each_loop.remove_reader(reading)
    assert second.cancelled()


def test_reader_that_is_ready_may_be_replaced_before_its_call(each_loop: Loop, pipe: Pipe) -> None:
    reading, writing = pipe
    other_reading, other_writing = os.pipe()
    seen: list[str] = []

    # Both are ready in one batch; whichever comes first replaces the other.
    def first_come(mine: int, others: int) -> None:
        seen.append("first")
        each_loop.remove_reader(mine)
        each_loop.add_reader(others, lambda: [seen.append("new"), each_loop.remove_reader(others)])

    os.write(writing, b"x")
    os.write(other_writing, b"x")
    each_loop.add_reader(reading, first_come, reading, other_reading)
    each_loop.add_reader(other_reading, first_come, other_reading, reading)
    run_until(each_loop, lambda: len(seen) == 2)
    run_for(each_loop, 0.005)
    assert seen == ["first", "new"]
    os.close(other_reading)
    os.close(other_writing)


def test_reader_may_remove_itself(each_loop: Loop, pipe: Pipe) -> None:
    reading, writing = pipe
    seen: list[bool] = []
    each_loop.add_reader(reading, lambda: seen.append(each_loop.remove_reader(reading)))
    os.write(writing, b"xx")
    run_until(each_loop, lambda: seen)
    run_for(each_loop, 0.005)
    assert seen == [True]


def test_reader_that_replaces_itself_runs_to_its_end(each_loop: Loop, pipe: Pipe) -> None:
    reading, writing = pipe
    seen: list[int] = []

    def read(number: int) -> None:
        seen.append(number)
        if number == 2:
            os.read(reading, 9)
        each_loop.add_reader(reading, read, number + 1)

    os.write(writing, b"x")
    each_loop.add_reader(reading, read, 0)
    run_until(each_loop, lambda: len(seen) == 3)
    run_for(each_loop, 0.005)
    assert seen == [0, 1, 2]
    os.write(writing, b"x")
    run_until(each_loop, lambda: len(seen) > 3)


def test_reader_may_be_removed_and_added_again_in_its_callback(each_loop: Loop, pipe: Pipe) -> None:
    reading, writing = pipe
    seen: list[bytes] = []

    def read() -> None:
        each_loop.remove_reader(reading)
        seen.append(os.read(reading, 1))
        each_loop.add_reader(reading, read)

    os.write(writing, b"abcd")
    each_loop.add_reader(reading, read)
    run_until(each_loop, lambda: len(seen) == 4)
    os.write(writing, b"e")
    run_until(each_loop, lambda: len(seen) == 5)
    assert b"".join(seen) == b"abcde"


def test_reader_removed_while_its_call_is_queued_is_not_called(each_loop: Loop, pipe: Pipe) -> None:
    reading, writing = pipe
    seen: list[str] = []
    os.write(writing, b"x")
    each_loop.add_reader(reading, seen.append, "removed")
    each_loop.call_soon(each_loop.remove_reader, reading)
    run_for(each_loop, 0.005)
    assert seen == []


def test_cancelling_the_handle_of_a_reader_removes_the_reader(each_loop: Any, pipe: Pipe) -> None:
    reading, writing = pipe
    seen: list[str] = []
    handle = each_loop._add_reader(reading, seen.append, "cancelled")
    handle.cancel()
    os.write(writing, b"x")
    run_for(each_loop, 0.005)
    assert seen == []
    assert each_loop.remove_reader(reading) is False
    each_loop.add_reader(reading, lambda: [os.read(reading, 1), seen.append("new")])
    run_until(each_loop, lambda: seen)
    assert seen == ["new"]


def test_stop_in_a_reader_ends_the_run_and_the_reader_stays(each_loop: Loop, pipe: Pipe) -> None:
    reading, writing = pipe
    seen: list[bytes] = []
    each_loop.add_reader(reading, lambda: [seen.append(os.read(reading, 1)), each_loop.stop()])
    os.write(writing, b"abc")
    for _ in range(3):
        each_loop.run_forever()
    assert seen == [b"a", b"b", b"c"]


def test_reader_that_raises_is_reported_and_stays(
    each_loop: Loop, errors: Errors, pipe: Pipe
) -> None:
    reading, writing = pipe

    def fail() -> None:
        raise LookupError(os.read(reading, 1))

    each_loop.add_reader(reading, fail)
    os.write(writing, b"abc")
    run_until(each_loop, lambda: len(errors) == 3)
    assert [context["exception"].args for context in errors] == [(b"a",), (b"b",), (b"c",)]


# Ends and errors


def test_end_of_file_calls_the_reader(each_loop: Loop, pair: Pair) -> None:
    one, other = pair
    seen: list[bytes] = []
    each_loop.add_reader(one, lambda: [seen.append(one.recv(9)), each_loop.stop()])
    each_loop.call_later(0.005, other.shutdown, socket.SHUT_WR)
    each_loop.run_forever()
    assert seen == [b""]


@pytest.mark.parametrize("what", ["socket", "pipe"])
def test_hang_up_calls_reader_and_writer(each_loop: Loop, what: str) -> None:
    seen: set[str] = set()
    if what == "socket":
        one, other = socket.socketpair()
        reads = writes = one.detach()
        fill_up = socket.socket(fileno=os.dup(writes))
        fill_up.setblocking(False)
        fill(fill_up)  # so that there is no room to write
        fill_up.close()
        hang_up: list[Callable[[], None]] = [other.close]
    else:
        reads, far_writing = os.pipe()
        far_reading, writes = os.pipe()
        os.set_blocking(writes, False)
        with suppress(BlockingIOError):
            while True:
                os.write(writes, b"x" * 65536)
        hang_up = [lambda: os.close(far_writing), lambda: os.close(far_reading)]
    each_loop.add_reader(reads, seen.add, "reader")
    each_loop.add_writer(writes, seen.add, "writer")
    run_for(each_loop, 0.005)
    assert seen == set()
    for close in hang_up:
        close()
    run_until(each_loop, lambda: len(seen) == 2)
    each_loop.remove_reader(reads)
    each_loop.remove_writer(writes)
    for descriptor in {reads, writes}:
        os.close(descriptor)


def test_refused_connection_calls_the_writer(each_loop: Loop) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        address = listener.getsockname()
    with socket.socket() as client:
        client.setblocking(False)
        seen: list[int] = []

        def connected() -> None:
            seen.append(client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
            each_loop.remove_writer(client)

        assert client.connect_ex(address) in (errno.EINPROGRESS, errno.ECONNREFUSED)
        each_loop.add_writer(client, connected)
        run_until(each_loop, lambda: seen)
    assert seen == [errno.ECONNREFUSED]
