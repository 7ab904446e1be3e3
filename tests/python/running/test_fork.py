"""Forked processes: actions of the child on its copy of the loop do not affect the parent's loop."""

from __future__ import annotations

import pytest
from conftest import Child

# A parent that forks in a callback and blocks while the child does something, so that the child
# would be the first to see new events. Afterwards everything in the parent's loop must still work.
PROGRAM = """
    import socket
    async def nap():
        await asyncio.sleep(0.3)
        return "slept"
    def act(loop):
        {action}

    async def main():
        loop = asyncio.get_running_loop()
        reading, writing = socket.socketpair()
        reading.setblocking(False)
        came = []
        def read():
            assert os.getpid() == parent, "the child reads what is its parent's"
            came.append(reading.recv(1))
        loop.add_reader(reading, read)
        await asyncio.sleep(0.01)
        child = os.fork()
        if child == 0:
            act(loop)
            os._exit(0)
        for number in range(10):
            writing.send(b"x")
            time.sleep(0.02)
            await asyncio.sleep(0.005)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        writing.send(b"y")
        while len(came) < 11:
            await asyncio.sleep(0.001)
        print(status, b"".join(came))
        heard = asyncio.Event()
        loop.add_signal_handler(signal.SIGUSR1, heard.set)
        threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGUSR1)).start()
        await asyncio.wait_for(heard.wait(), 5)
        print(await asyncio.to_thread(lambda: "thread"), await nap())

    parent = os.getpid()
    qtloop.run(main())
"""

ACTIONS = {
    "ends at once": "pass",
    "runs asyncio's own loop": "assert asyncio.run(nap()) == 'slept'",
    "runs a loop of its own": "own = QEventLoop(); own.run_until_complete(nap()); own.close()",
    "uses the loop it has inherited": (
        "loop.call_soon(print, 'x'); loop.call_soon_threadsafe(print, 'x');"
        "loop.call_later(0.001, print, 'x'); time.sleep(0.1)"
    ),
    "forgets the loop and collects": (
        "asyncio._set_running_loop(None); del loop; import gc; gc.collect()"
    ),
}


@pytest.mark.parametrize("action", ACTIONS.values(), ids=ACTIONS.keys())
def test_parents_loop_still_works_when_a_forked_child(child: Child, action: str) -> None:
    result = child(PROGRAM.format(action=action))
    assert result.stdout.splitlines() == ["0 b'xxxxxxxxxxy'", "thread slept"]
    assert "the child reads" not in result.stderr


def test_parent_keeps_signals_and_readers_when_its_child_exits_by_sys_exit(
    child: Child,
) -> None:
    # The child's clean-up runs and closes the inherited loop. With asyncio's own loop this test and
    # the next fail: parent and child share one epoll instance.
    program = """
        import socket
        async def main():
            loop = asyncio.get_running_loop()
            reading, writing = socket.socketpair()
            came, heard = asyncio.Event(), asyncio.Event()
            loop.add_reader(reading, came.set)
            loop.add_signal_handler(signal.SIGUSR1, heard.set)
            if os.fork() == 0:
                sys.exit(5)
            print(os.waitstatus_to_exitcode(os.wait()[1]))
            writing.send(b"x")
            await asyncio.wait_for(came.wait(), 5)
            loop.remove_reader(reading)
            threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGUSR1)).start()
            await asyncio.wait_for(heard.wait(), 5)
            print("came", "heard")
        qtloop.run(main())
    """
    assert child(program).stdout.split() == ["5", "came", "heard"]


def test_child_that_removes_its_inherited_reader_does_not_remove_the_parents(child: Child) -> None:
    program = """
        import socket
        async def main():
            loop = asyncio.get_running_loop()
            reading, writing = socket.socketpair()
            came = asyncio.Event()
            loop.add_reader(reading, came.set)
            if os.fork() == 0:
                loop.remove_reader(reading)
                os._exit(0)
            os.wait()
            writing.send(b"x")
            await asyncio.wait_for(came.wait(), 5)
            loop.remove_reader(reading)
            print("came")
        qtloop.run(main())
    """
    assert child(program).stdout.split() == ["came"]


def test_loop_that_was_made_before_a_fork_runs_in_the_child(child: Child) -> None:
    program = """
        loop = QEventLoop()
        loop.run_until_complete(asyncio.sleep(0.001))
        if os.fork() == 0:
            reading, writing = os.pipe()
            came = []
            loop.add_reader(reading, lambda: [came.append(os.read(reading, 9)), loop.stop()])
            def tell():
                came.append("thread")
                loop.call_later(0.01, os.write, writing, b"x")
            threading.Timer(0.01, loop.call_soon_threadsafe, (tell,)).start()
            loop.run_forever()
            print(came, flush=True)
            os._exit(0)
        for _ in range(5):
            loop.run_until_complete(asyncio.sleep(0.01))
        print(os.waitstatus_to_exitcode(os.wait()[1]))
        loop.close()
    """
    result = child(program)
    assert result.stdout.splitlines() == ["['thread', b'x']", "0"]


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing_works_from_a_callback(child: Child, method: str) -> None:
    program = f"""
        import multiprocessing
        # Not from concurrent.futures: there it is lazy on 3.15, and PySide6 6.12 breaks that.
        from concurrent.futures.process import ProcessPoolExecutor
        context = multiprocessing.get_context({method!r})
        def use():
            process = context.Process(target=os.getpid)
            process.start()
            process.join()
            print(process.exitcode)
        async def main():
            loop = asyncio.get_running_loop()
            loop.call_soon(use)
            with ProcessPoolExecutor(2, mp_context=context) as pool:
                jobs = [loop.run_in_executor(pool, pow, number, 2) for number in range(10)]
                print(await asyncio.gather(*jobs))
        import warnings
        warnings.simplefilter("ignore", DeprecationWarning)  # for a fork in a process with threads
        qtloop.run(main())
    """
    result = child(program)
    assert result.stdout.splitlines() == ["0", str([number**2 for number in range(10)])]


def test_thread_forks_while_the_loops_thread_waits_for_the_next_event(child: Child) -> None:
    program = """
        import socket, warnings
        warnings.simplefilter("ignore", DeprecationWarning)  # for a fork in a process with threads
        here, there = socket.socketpair()
        statuses = []
        def answer():
            while data := there.recv(1):
                there.send(data)
        def fork():
            for _ in range(30):
                if os.fork() == 0:
                    os._exit(0)
                statuses.append(os.wait()[1])
        async def main():
            threading.Thread(target=answer, daemon=True).start()
            reader, writer = await asyncio.open_connection(sock=here)
            forking = threading.Thread(target=fork)
            forking.start()
            while forking.is_alive():
                writer.write(b"x")  # the loop lingers for the answer
                await reader.readexactly(1)
            writer.close()
            print(statuses == [0] * 30)
        qtloop.run(main())
    """
    result = child(program)
    assert result.stdout.splitlines() == ["True"]
    assert "_after_fork" not in result.stderr
