"""Files that can be watched, and watched descriptors that are closed, duplicated or reused."""

from __future__ import annotations

import asyncio
import os
import pty
import resource
import socket
import time
import tty
from typing import Any

import pytest
from support.running import Pair, Pipe, nothing, run_for, run_once, run_until

pytest_plugins = ["support.each_loop"]

Loop = asyncio.SelectorEventLoop


# Closed, reused and doubled numbers


def test_descriptor_closed_while_watched_calls_no_reader(each_loop: Loop, pipe: Pipe) -> None:
    reading, writing = pipe
    seen: list[str] = []
    each_loop.add_reader(reading, seen.append, "closed")
    os.write(writing, b"x")
    os.close(reading)
    run_for(each_loop, 0.01)
    assert seen == []


@pytest.mark.parametrize("where", ["before", "inside its callback"])
def test_reused_descriptor_number_does_not_call_the_old_reader(
    each_loop: Loop, pipe: Pipe, where: str
) -> None:
    reading, writing = pipe
    calls: list[str] = []
    news: list[Pipe] = []

    def swap() -> None:
        os.close(reading)
        news.append(os.pipe())
        assert news[0][0] == reading
        os.write(news[0][1], b"for somebody else")

    def old() -> None:
        calls.append("old")
        if len(calls) == 1 and where != "before":
            swap()

    each_loop.add_reader(reading, old)
    if where == "before":
        swap()
    else:
        os.write(writing, b"x")
    run_for(each_loop, 0.02)
    assert calls == ([] if where == "before" else ["old"])
    each_loop.remove_reader(reading)
    os.close(news[0][1])


def test_reused_number_can_be_watched_after_the_old_reader_was_removed(
    each_loop: Loop, pipe: Pipe
) -> None:
    reading, _ = pipe
    seen: list[str] = []
    for order in ("remove first", "close first"):
        each_loop.add_reader(reading, seen.append, "old")
        if order == "remove first":
            each_loop.remove_reader(reading)
        os.close(reading)
        if order == "close first":
            each_loop.remove_reader(reading)
        new_reading, new_writing = os.pipe()
        assert new_reading == reading
        each_loop.add_reader(new_reading, lambda: [os.read(reading, 9), seen.append("new")])
        os.write(new_writing, b"x")
        run_until(each_loop, lambda: seen)
        assert seen == ["new"]
        seen.clear()
        each_loop.remove_reader(new_reading)
        os.close(new_writing)


def test_reused_number_can_be_watched_although_the_old_reader_was_not_removed(loop: Any) -> None:
    # asyncio's own loop never calls the new reader: it does not notice that the file has changed.
    seen: list[str] = []
    reading, writing = os.pipe()
    loop.add_reader(reading, seen.append, "old")
    loop.add_writer(writing, nothing)
    os.close(reading)
    new_reading, new_writing = os.pipe()
    assert new_reading == reading
    loop.add_reader(new_reading, lambda: [os.read(new_reading, 9), seen.append("new")])
    os.write(new_writing, b"x")
    run_until(loop, lambda: seen)
    assert seen == ["new"]
    assert loop.remove_reader(new_reading) is True
    loop.remove_writer(writing)
    for descriptor in (writing, new_reading, new_writing):
        os.close(descriptor)


def test_closed_duplicate_of_a_watched_descriptor_neither_calls_nor_spins(
    loop: Any, pair: Pair
) -> None:
    # The kernel keeps reporting a closed descriptor while a duplicate is open; asyncio's own loop
    # then calls its reader for ever.
    one, other = pair
    double = os.dup(one.fileno())
    seen: list[str] = []
    kept: list[bytes] = []
    loop.add_reader(double, seen.append, "closed")
    loop.add_reader(one, lambda: kept.append(one.recv(9)))
    loop.remove_reader(double)
    os.close(double)
    other.send(b"x")
    run_until(loop, lambda: kept)
    loop.add_reader(double := os.dup(one.fileno()), seen.append, "forgotten")
    os.close(double)
    loop.remove_reader(one)
    other.send(b"y")
    before = time.process_time()
    run_for(loop, 0.2)
    assert time.process_time() - before < 0.1
    assert len(seen) <= 1  # it was still registered, with an unread byte, when its number went
    loop.remove_reader(double)


def test_two_duplicates_of_a_descriptor_can_be_watched_at_once(each_loop: Loop, pair: Pair) -> None:
    one, other = pair
    double = os.dup(one.fileno())
    seen: list[str] = []
    each_loop.add_reader(one, seen.append, "one")
    each_loop.add_reader(double, seen.append, "double")
    other.send(b"x")
    run_until(each_loop, lambda: {*seen} == {"one", "double"})
    each_loop.remove_reader(double)
    seen.clear()
    run_until(each_loop, lambda: len(seen) > 3)
    assert {*seen} == {"one"}
    each_loop.remove_reader(one)
    os.close(double)


def test_closed_file_objects_are_refused_by_name(each_loop: Loop) -> None:
    one, other = socket.socketpair()
    one.close()
    other.close()
    for add in (each_loop.add_reader, each_loop.add_writer):
        with pytest.raises(ValueError, match="Invalid file"):
            add(one, nothing)


def test_object_closed_while_watched_can_still_be_removed(each_loop: Any) -> None:
    one, other = socket.socketpair()
    each_loop._add_reader(one, nothing)
    one.close()
    assert each_loop._remove_reader(one) is True
    with pytest.raises(ValueError, match="Invalid file"):
        each_loop._remove_reader(one)
    other.close()
    run_once(each_loop)


def test_wrong_descriptors_are_refused_as_asyncio_refuses_them(each_loop: Loop, pipe: Pipe) -> None:
    closed = os.dup(pipe[0])
    os.close(closed)
    wrong: Any
    kind: Any
    for wrong, kind in [
        (closed, OSError),
        (-1, ValueError),
        (2**31 - 1, OSError),
        (2**64, (OverflowError, OSError)),
        ("0", ValueError),
        (None, ValueError),
        (object(), ValueError),
    ]:
        for add in (each_loop.add_reader, each_loop.add_writer):
            with pytest.raises(kind):
                add(wrong, nothing)
    run_once(each_loop)


def test_regular_files_cannot_be_watched(each_loop: Loop) -> None:
    with open(__file__) as file:
        with pytest.raises(PermissionError):
            each_loop.add_reader(file, nothing)
        with pytest.raises(PermissionError):
            each_loop.add_writer(file.fileno(), nothing)
        assert each_loop.remove_reader(file) is False


def test_descriptor_of_a_transport_is_not_free_to_be_watched(each_loop: Loop, pair: Pair) -> None:
    one, _ = pair

    async def main() -> None:
        transport, _ = await each_loop.create_connection(asyncio.Protocol, sock=one)
        for use in (each_loop.add_reader, each_loop.add_writer):
            with pytest.raises(RuntimeError, match="is used by transport"):
                use(one.fileno(), nothing)
        for end in (each_loop.remove_reader, each_loop.remove_writer):
            with pytest.raises(RuntimeError, match="is used by transport"):
                end(one)
        transport.close()
        await asyncio.sleep(0)

    each_loop.run_until_complete(main())


# Other kinds of files


def test_terminals_can_be_watched(each_loop: Loop) -> None:
    master, slave = pty.openpty()
    tty.setraw(slave)
    seen: list[bytes] = []
    each_loop.add_reader(master, lambda: seen.append(os.read(master, 100)))
    each_loop.add_writer(slave, lambda: [os.write(slave, b"hi"), each_loop.remove_writer(slave)])
    run_until(each_loop, lambda: b"".join(seen) == b"hi")
    each_loop.remove_reader(master)
    hung_up: list[type[BaseException]] = []

    def end() -> None:
        try:
            os.read(master, 1)
        except OSError as error:  # Linux says EIO for "nobody has the other end open"
            hung_up.append(type(error))
            each_loop.remove_reader(master)

    each_loop.add_reader(master, end)
    os.close(slave)
    run_until(each_loop, lambda: hung_up)
    os.close(master)


def test_event_descriptors_can_be_watched(each_loop: Loop) -> None:
    descriptor = os.eventfd(0, os.EFD_NONBLOCK)
    seen: list[int] = []
    each_loop.add_reader(descriptor, lambda: seen.append(os.eventfd_read(descriptor)))
    os.eventfd_write(descriptor, 3)
    run_until(each_loop, lambda: seen)
    os.eventfd_write(descriptor, 4)
    run_until(each_loop, lambda: len(seen) == 2)
    assert seen == [3, 4]
    each_loop.remove_reader(descriptor)
    os.close(descriptor)


def test_thousands_of_descriptors_can_be_watched(each_loop: Loop) -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = 1500
    if limits[1] != resource.RLIM_INFINITY and limits[1] < 2 * count + 200:
        pytest.skip(f"this system allows a process only {limits[1]} descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(limits[0], 2 * count + 200), limits[1]))
    seen: set[int] = set()
    pairs = [socket.socketpair() for _ in range(count)]
    try:
        for number, (one, other) in enumerate(pairs):
            one.setblocking(False)
            each_loop.add_reader(one, lambda n=number, s=one: [s.recv(9), seen.add(n)])
            other.send(b"x")
        run_until(each_loop, lambda: len(seen) == count)
        seen.clear()
        for _, other in pairs[::-3]:
            other.send(b"y")
        run_until(each_loop, lambda: len(seen) == count // 3)
        for one, _ in pairs:
            assert each_loop.remove_reader(one) is True
    finally:
        for one, other in pairs:
            one.close()
            other.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
