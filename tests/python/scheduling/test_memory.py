"""When memory is freed: callbacks of cancelled and finished handles, cycles, loops."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import sys
import warnings
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.running import Pipe, count_descriptors, nothing, run_once, run_until

import qtloop

pytest_plugins = ["support.each_loop"]

Loop = asyncio.SelectorEventLoop


class Payload:
    """A callback to which the tests hold weak references."""

    def __call__(self, *args: object) -> None: ...


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Disables the collector: only reference counts free objects."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def schedule_soon(loop: Any, *call: Any) -> Any:
    return loop.call_soon(*call)


def schedule_threadsafe(loop: Any, *call: Any) -> Any:
    return loop.call_soon_threadsafe(*call)


def schedule_timer(loop: Any, *call: Any) -> Any:
    return loop.call_later(60, *call)


def schedule_never(loop: Any, *call: Any) -> Any:
    return loop.call_at(float("inf"), *call)


each_way = pytest.mark.parametrize(
    "schedule", [schedule_soon, schedule_threadsafe, schedule_timer, schedule_never]
)


# At once


@each_way
@pytest.mark.parametrize("debug", [False, True])
def test_cancelled_handle_frees_callback_and_arguments_at_once(
    each_loop: Loop, no_collector: None, schedule: Callable[..., Any], debug: bool
) -> None:
    each_loop.set_debug(debug)
    callback, argument = Payload(), Payload()
    refs = [weakref.ref(callback), weakref.ref(argument)]
    handle = schedule(each_loop, callback, argument)
    del callback, argument
    assert None not in [ref() for ref in refs]
    handle.cancel()
    assert [ref() for ref in refs] == [None, None]


def test_removed_and_replaced_readers_free_their_callbacks_at_once(
    each_loop: Loop, no_collector: None, pipe: Pipe
) -> None:
    reading, writing = pipe
    callbacks = [Payload() for _ in range(4)]
    refs = [weakref.ref(callback) for callback in callbacks]
    each_loop.add_reader(reading, callbacks[0])
    each_loop.add_reader(reading, callbacks[1])
    each_loop.add_writer(writing, callbacks[2])
    each_loop.add_writer(writing, callbacks[3])
    del callbacks[:]
    assert [ref() is None for ref in refs] == [True, False, True, False]
    each_loop.remove_reader(reading)
    each_loop.remove_writer(writing)
    assert [ref() is None for ref in refs] == [True] * 4


def test_callback_that_has_run_is_free_with_its_handle(each_loop: Loop, no_collector: None) -> None:
    callbacks = [Payload(), Payload()]
    refs = [weakref.ref(callback) for callback in callbacks]
    each_loop.call_soon(callbacks[0])
    each_loop.call_later(0, callbacks[1])
    del callbacks[:]
    each_loop.call_later(0.005, each_loop.stop)
    each_loop.run_forever()
    assert [ref() for ref in refs] == [None, None]


def test_handles_are_freed_when_they_have_run(each_loop: Loop, no_collector: None) -> None:
    refs: list[Any] = [
        weakref.ref(each_loop.call_soon(nothing)),
        weakref.ref(each_loop.call_soon_threadsafe(nothing)),
        weakref.ref(each_loop.call_later(0, nothing)),
    ]
    assert None not in [ref() for ref in refs]
    each_loop.call_later(0.005, each_loop.stop)
    each_loop.run_forever()
    assert [ref() for ref in refs] == [None] * 3


def test_cancelled_timer_handle_is_freed_at_once(
    loop: qtloop.QEventLoop, no_collector: None
) -> None:
    # asyncio's own loop keeps it until its deadline, or until many are cancelled.
    handle = loop.call_later(60, nothing)
    ref = weakref.ref(handle)
    handle.cancel()
    del handle
    assert ref() is None


def test_close_frees_queued_callbacks(each_loop: Loop, pipe: Pipe) -> None:
    callbacks = [Payload() for _ in range(4)]
    refs = [weakref.ref(callback) for callback in callbacks]
    each_loop.call_soon(callbacks[0])
    each_loop.call_later(60, callbacks[1])
    each_loop.call_soon_threadsafe(callbacks[2])
    each_loop.add_reader(pipe[0], callbacks[3])
    del callbacks[:]
    each_loop.close()
    gc.collect()
    assert [ref() for ref in refs] == [None] * 4


def test_watched_file_object_is_kept_as_long_as_it_is_watched(each_loop: Loop) -> None:
    one, other = socket.socketpair()
    ref = weakref.ref(one)
    number = one.fileno()
    each_loop.add_reader(one, nothing)
    with other:
        with one:
            del one
            gc.collect()
            assert ref() is not None
            each_loop.remove_reader(number)
        gc.collect()
        assert ref() is None


# Cycles


@each_way
def test_handle_in_a_cycle_is_collected(each_loop: Loop, schedule: Callable[..., Any]) -> None:
    payload = Payload()
    ref = weakref.ref(payload)
    handle = schedule(each_loop, payload)
    payload.handle = handle  # type: ignore[attr-defined]
    if not isinstance(handle, asyncio.TimerHandle):
        run_once(each_loop)  # otherwise the loop holds a reference
        del handle, payload
        gc.collect()
        assert ref() is None
    else:
        handle.cancel()
        del handle
        assert ref() is payload
        del payload
        gc.collect()
        assert ref() is None


def test_long_chain_of_handles_is_freed(each_loop: Loop) -> None:
    handle = None
    for _ in range(100_000):
        handle = each_loop.call_soon(nothing, handle)
    run_once(each_loop)
    one = weakref.ref(handle)
    del handle
    assert one() is None


@pytest.mark.parametrize("count", [0, 1, 3, 4, 100])
def test_arguments_of_a_handle_are_returned_passed_and_freed(each_loop: Loop, count: int) -> None:
    got: list[tuple[Payload, ...]] = []
    things = tuple(Payload() for _ in range(count))
    handle = each_loop.call_soon(lambda *args: got.append(args), *things)
    assert handle._args == things
    run_once(each_loop)
    assert got == [things]
    alive = [weakref.ref(thing) for thing in things]
    got.clear()
    del things, handle
    assert [ref() for ref in alive] == [None] * count


@pytest.mark.parametrize("schedule", [schedule_soon, schedule_threadsafe, schedule_timer])
def test_unclosed_loop_is_collected_with_what_it_holds(
    app: Any, schedule: Callable[..., Any]
) -> None:
    loop = qtloop.QEventLoop(app)
    payload = Payload()
    payload.loop = loop  # type: ignore[attr-defined]
    reading, writing = os.pipe()
    payload.handle = schedule(loop, payload)  # type: ignore[attr-defined]
    loop.add_reader(reading, payload)
    refs: list[weakref.ref[Any]] = [weakref.ref(loop), weakref.ref(payload)]
    del loop, payload
    with pytest.warns(ResourceWarning, match="unclosed event loop"):
        gc.collect()
    gc.collect()
    assert [ref() for ref in refs] == [None, None]
    os.close(reading)
    os.close(writing)


def test_loop_that_has_run_is_collected(app: Any) -> None:
    loop = qtloop.QEventLoop(app)

    async def main() -> None:
        await asyncio.sleep(0.001)
        await asyncio.to_thread(nothing)

    loop.run_until_complete(main())
    loop.run_until_complete(loop.shutdown_default_executor())
    ref = weakref.ref(loop)
    loop.close()
    del loop
    gc.collect()
    assert ref() is None


def test_loop_whose_run_raised_is_collected(app: Any) -> None:
    loop = qtloop.QEventLoop(app)
    loop.call_soon(sys.exit, 3)
    with pytest.raises(SystemExit):
        loop.run_forever()
    ref = weakref.ref(loop)
    loop.close()
    del loop
    gc.collect()
    assert ref() is None


def test_close_closes_the_loops_descriptors(app: Any) -> None:
    def use() -> None:
        loop = qtloop.QEventLoop(app)
        loop.run_until_complete(asyncio.sleep(0.001))
        loop.close()

    use()
    before = count_descriptors()
    for _ in range(20):
        use()
    gc.collect()
    assert count_descriptors() == before


def test_descriptors_of_unclosed_loops_are_closed_by_the_collector(app: Any) -> None:
    def use() -> None:
        qtloop.QEventLoop(app).run_until_complete(asyncio.sleep(0.001))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        use()
        gc.collect()
        before = count_descriptors()
        for _ in range(20):
            use()
        gc.collect()
        assert count_descriptors() == before


def test_completed_tasks_and_futures_are_freed(each_loop: Loop) -> None:
    refs: list[weakref.ref[Any]] = []

    async def work(payload: Payload) -> None:
        refs.append(weakref.ref(payload))
        await asyncio.sleep(0.001)

    async def main() -> None:
        tasks = [asyncio.create_task(work(Payload())) for _ in range(10)]
        refs.extend(weakref.ref(task) for task in tasks)
        await asyncio.gather(*tasks)

    each_loop.run_until_complete(main())
    gc.collect()
    run_once(each_loop)
    assert [ref() for ref in refs] == [None] * 20


# Objects whose end uses the loop


def test_destructor_may_use_the_loop(each_loop: Loop) -> None:
    seen: list[str] = []

    class Last:
        def __init__(self, word: str) -> None:
            self.word = word

        def __call__(self, *args: object) -> None: ...

        def __del__(self) -> None:
            each_loop.call_soon(seen.append, self.word)
            each_loop.call_later(0, seen.append, self.word).cancel()
            each_loop.call_later(0, seen.append, self.word + " timer")
            each_loop.remove_reader(reading)

    reading, writing = os.pipe()
    each_loop.call_soon(Last("soon"))
    each_loop.call_soon(nothing, Last("argument"))
    each_loop.call_later(60, Last("cancelled")).cancel()
    each_loop.call_soon_threadsafe(Last("threadsafe"))
    each_loop.add_reader(reading, Last("reader"))
    each_loop.add_reader(reading, Last("replaced"))
    each_loop.remove_reader(reading)
    run_until(each_loop, lambda: len(seen) == 12)
    assert {word.split()[0] for word in seen} == {
        "soon",
        "argument",
        "cancelled",
        "threadsafe",
        "reader",
        "replaced",
    }
    os.close(reading)
    os.close(writing)


def test_destructor_that_uses_a_closing_loop_gets_an_error(app: Any) -> None:
    loop = qtloop.QEventLoop(app)
    seen: list[str] = []

    class Last:
        def __call__(self) -> None: ...

        def __del__(self) -> None:
            for use in (loop.call_soon, loop.call_soon_threadsafe):
                try:
                    use(nothing)
                except RuntimeError as error:
                    seen.append(str(error))
            loop.close()
            seen.append(f"closed: {loop.is_closed()}")

    loop.call_soon(Last())
    loop.call_later(60, Last())
    loop.call_soon_threadsafe(Last())
    loop.close()
    gc.collect()
    assert seen == ["Event loop is closed", "Event loop is closed", "closed: True"] * 3


# Memory


def memory() -> int:
    """Returns the resident memory of this process in bytes."""
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def test_cancelled_timers_leak_no_memory(loop: qtloop.QEventLoop) -> None:
    def set_and_cancel() -> None:
        handles = [loop.call_later(3600 + number, nothing, number) for number in range(10_000)]
        for handle in handles:
            handle.cancel()

    set_and_cancel()
    gc.collect()
    blocks, bytes_before = sys.getallocatedblocks(), memory()
    for _ in range(20):
        set_and_cancel()
    gc.collect()
    assert sys.getallocatedblocks() - blocks < 1000
    assert memory() - bytes_before < 4_000_000  # 200,000 of them would be some 40 MB


def test_timers_cancelled_one_by_one_leak_no_memory(loop: qtloop.QEventLoop) -> None:
    keep = [loop.call_later(7200, nothing) for _ in range(100)]
    for _ in range(10_000):
        loop.call_later(3600, nothing).cancel()
    blocks, bytes_before = sys.getallocatedblocks(), memory()
    for _ in range(200_000):
        loop.call_later(3600, nothing).cancel()
    assert sys.getallocatedblocks() - blocks < 1000
    assert memory() - bytes_before < 4_000_000
    assert not any(handle.cancelled() for handle in keep)


def test_runs_leak_no_memory(loop: qtloop.QEventLoop, pipe: Pipe) -> None:
    reading, writing = pipe

    async def work() -> None:
        for number in range(500):
            loop.call_soon(nothing, number)
            loop.call_soon_threadsafe(nothing, number)
            loop.call_later(0, nothing, number)
            loop.add_reader(reading, nothing, number)
            loop.add_writer(writing, nothing, number)
            await asyncio.sleep(0)
        loop.remove_reader(reading)
        loop.remove_writer(writing)
        await asyncio.sleep(0.01)

    for _ in range(3):
        loop.run_until_complete(work())
    gc.collect()
    blocks = sys.getallocatedblocks()
    for _ in range(10):
        loop.run_until_complete(work())
    gc.collect()
    assert sys.getallocatedblocks() - blocks < 1000


def test_attributes_of_a_loop_make_no_dictionary() -> None:
    # With one, CPython finds `loop.call_soon` more slowly.
    found: list[dict[str, object]] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        near, far = socket.socketpair()
        near.setblocking(False)
        loop.add_reader(near.fileno(), nothing)
        loop.remove_reader(near.fileno())
        loop.call_later(0, nothing)
        await loop.run_in_executor(None, nothing)
        _, writer = await asyncio.open_connection(sock=near)
        writer.close()
        far.close()
        found.append(vars(loop))

    qtloop.run(main(), debug=True)
    qtloop.run(main())
    assert found == [{}, {}]


def test_a_program_may_set_attributes_of_a_loop() -> None:
    loop: Any = qtloop.QEventLoop()
    loop.database = "connected"
    assert loop.database == "connected"
    assert loop.slow_callback_duration == 0.1
    loop.close()
