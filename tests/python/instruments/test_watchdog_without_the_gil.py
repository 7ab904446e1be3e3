"""The watchdog while C code holds the GIL: it reports by a signal, which nothing else notices."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from conftest import Child

pytestmark = pytest.mark.timeout(120, method="thread")

# C code that holds the GIL for a second or so. Each is a single call.
CALLS = {
    "sum": "sum(range(40_000_000))",
    "regular expression": "re.match('(a|aa)+$', 'a' * 33 + 'b')",
    "sort": "sorted(numbers)",
}

PROGRAM = """
import asyncio, random, re, sys
import qtloop

numbers = [random.random() for _ in range(1_500_000)]

def load():
    sys.stderr.write("begin\\n")  # one system call: the watchdog writes there, too
    {call}  # blocks
    sys.stderr.write("end\\n")

async def main():
    asyncio.get_running_loop().watchdog = 0.1
    await asyncio.sleep(0)
    load()
    await asyncio.sleep(0.01)

if __name__ == "__main__":
    qtloop.run(main())
"""


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_c_code_that_holds_the_gil_is_reported_while_it_blocks(
    child: Child, tmp_path: Path, call: str
) -> None:
    source = PROGRAM.format(call=call)
    file = tmp_path / "foo.py"
    file.write_text(source)
    line = 1 + next(n for n, text in enumerate(source.splitlines()) if "# blocks" in text)
    program = f"sys.path.insert(0, {str(tmp_path)!r})\nimport foo\nqtloop.run(foo.main())"
    lines = child(program, seconds=100).stderr.splitlines()
    begin, end = lines.index("begin"), lines.index("end")
    place = f' in foo.py:{line} (load), task "Task-1"'
    assert any(
        text.startswith("qtloop: loop blocked for 0.") and text.endswith(place)
        for text in lines[begin:end]
    ), lines
    # The logger has no handler here, so logging prints the message itself.
    assert any(
        text.startswith("loop was blocked for ")
        and f' in foo.py:{line} (load), task "Task-1"' in text
        for text in lines[end:]
    ), lines


def run(child: Child, program: str) -> tuple[list[str], str]:
    """Runs a program with a function `load()` that blocks in C; returns its output lines, errors."""
    start = """
        import faulthandler
        def handled():
            status = open("/proc/self/status").read().splitlines()
            return next(int(line.split()[1], 16) for line in status if line.startswith("SigCgt"))
        def load():
            sum(range(40_000_000))
    """
    text = textwrap.dedent(start) + textwrap.dedent(program)
    result = child(text, seconds=100)
    return result.stdout.splitlines(), result.stderr


def test_programs_signals_and_faulthandler_stay_as_they_are(child: Child) -> None:
    program = """
        import tempfile
        log = tempfile.TemporaryFile()
        heard = []
        signal.signal(signal.SIGRTMIN + 1, lambda *_: heard.append("real-time"))
        signal.signal(signal.SIGUSR2, lambda *_: heard.append("user"))
        faulthandler.register(signal.SIGUSR1, file=log, all_threads=False)
        faulthandler.enable(file=log)
        with QEventLoop() as loop:
            thread = threading.Thread(target=time.sleep, args=(0,))
            thread.start()  # with the first thread, the C library handles a signal of its own
            thread.join()
            before = handled()
            async def main():
                loop.add_signal_handler(signal.SIGALRM, heard.append, "alarm")
                loop.watchdog = 0.1
                print(bin(handled() & ~before).count("1"))
                load()
                for number in (signal.SIGRTMIN + 1, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM):
                    os.kill(os.getpid(), number)
                await asyncio.sleep(0.05)
                loop.watchdog = 0
                print(loop.remove_signal_handler(signal.SIGALRM))
                print(handled() == before, faulthandler.is_enabled())
            loop.run_until_complete(main())
        print(sorted(heard))
        log.seek(0)
        print(b"most recent call first" in log.read())
    """
    lines, errors = run(child, program)
    # One bit is SIGALRM's, the other the watchdog's.
    assert lines == ["2", "True", "True True", "['alarm', 'real-time', 'user']", "True"]
    assert "qtloop: loop blocked for 0." in errors


@pytest.mark.parametrize("action", ["takes the signal over", "blocks the signal"])
def test_program_that_uses_the_signal_is_reported_without_a_line(child: Child, action: str) -> None:
    use = {
        "takes the signal over": "signal.signal(number, lambda *_: heard.append(number))",
        "blocks the signal": "signal.pthread_sigmask(signal.SIG_BLOCK, [number])",
    }[action]
    program = f"""
        heard = []
        async def main():
            loop = asyncio.get_running_loop()
            before = handled()
            loop.watchdog = 0.1
            number = (handled() & ~before).bit_length()
            {use}
            load()
            await asyncio.sleep(0.01)
            loop.watchdog = 0
        qtloop.run(main())
        print(heard)
    """
    lines, errors = run(child, program)
    assert lines == ["[]"]
    written = [line for line in errors.splitlines() if line.startswith("qtloop: loop blocked")]
    assert written and not any("load" in line for line in written)
    assert "(load)" in errors  # from the logger, when the GIL is free


def test_nothing_is_written_if_the_logger_is_off(child: Child) -> None:
    program = """
        import logging
        logging.getLogger("qtloop").setLevel(logging.ERROR)
        seen = []
        async def main():
            loop = asyncio.get_running_loop()
            loop.watchdog = 0.1
            loop.set_stall_handler(seen.append)
            load()
            await asyncio.sleep(0.01)
            loop.watchdog = 0
        qtloop.run(main())
        print(seen[-1].is_over, seen[-1].location.name)
    """
    assert run(child, program) == (["True load"], "")


def test_loop_of_another_thread_that_holds_the_gil_is_reported(child: Child) -> None:
    program = """
        async def main():
            loop = asyncio.get_running_loop()
            loop.watchdog = 0.1
            await asyncio.sleep(0)
            load()
            await asyncio.sleep(0.01)
        def work():
            loop = QEventLoop()
            loop.run_until_complete(main())
            loop.close()
        async def start():
            thread = threading.Thread(target=work, name="worker")
            thread.start()
            await asyncio.to_thread(thread.join)
        qtloop.run(start())
    """
    _, errors = run(child, program)
    written = [line for line in errors.splitlines() if line.startswith("qtloop: ")]
    assert written[0].startswith('qtloop: loop of thread "worker" blocked for 0.')
    assert " (load), task " in written[0]


def test_slow_stall_handler_is_not_taken_for_a_refused_gil(child: Child) -> None:
    program = """
        may_return = threading.Event()
        calls = []
        def handle(stall):
            calls.append(stall.is_over)
            may_return.wait(60)
        async def main():
            loop = asyncio.get_running_loop()
            loop.set_stall_handler(handle)
            loop.watchdog = 0.05
            await asyncio.sleep(0)
            while not calls:
                time.sleep(0.1)  # the handler waits from now on
            await asyncio.sleep(0.01)
            time.sleep(0.3)
            await asyncio.sleep(0.01)
            may_return.set()
            while calls.count(True) < 2:
                await asyncio.sleep(0.01)
        qtloop.run(main())
        print(calls)
    """
    lines, errors = run(child, program)
    assert lines == ["[False, True, True]"] or lines == ["[False, True, False, True]"]
    assert not [line for line in errors.splitlines() if line.startswith("qtloop: ")]
