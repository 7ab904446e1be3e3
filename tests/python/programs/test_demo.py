"""The demo window: fetches files, asks questions, cancels downloads, and reports errors."""

from __future__ import annotations

import hashlib
import importlib.util
import re
import shutil
import signal
import socket
import socketserver
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from support import example_windows
from support.example_windows import ENVIRONMENT, EXAMPLES, complaints

pytest.importorskip("aiohttp", reason="the demo fetches through aiohttp, which is not installed")
if not any(importlib.util.find_spec(name) for name in ("PyQt6", "PySide6")):
    pytest.skip("the demo needs a Qt binding, and none is installed", allow_module_level=True)
sys.path.insert(0, str(EXAMPLES))

from download_window import server


def command(*arguments: object) -> list[str]:
    return [sys.executable, str(EXAMPLES / "download_window"), *map(str, arguments)]


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Runs the demo by itself and returns its output."""
    return subprocess.run(
        command(*arguments), env=ENVIRONMENT, capture_output=True, text=True, timeout=50
    )


def play(program: str) -> subprocess.CompletedProcess[str]:
    """Runs a program that opens the window and uses it."""
    return example_windows.play(IMPORTS, program)


IMPORTS = """
import asyncio, os, signal, sys
import aiohttp
import qtloop
from download_window import app as program, server
from download_window.download import State
from download_window.qt import QtCore, QtWidgets
from download_window.window import Window
"""


def test_every_file_arrives_intact_and_the_picture_is_saved(tmp_path: Path) -> None:
    picture = tmp_path / "window.png"
    ended = run("--screenshot", picture, "--size", 0.5, "--rate", 2)
    assert ended.returncode == 0, ended.stderr
    assert "7 of 7 files are here." in ended.stdout
    for file in server.catalogue(7, 500_000, 2e6):
        row = next(line for line in ended.stdout.splitlines() if file.name in line)
        assert file.digest().hex() in row
        assert "same as the server's" in row
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_downloads_run_while_the_question_is_open(tmp_path: Path) -> None:
    ended = run("--screenshot", tmp_path / "window.png", "--files", 2, "--size", 2, "--rate", 1)
    assert ended.returncode == 0, ended.stderr
    assert re.search(r"While the question was open, the others received \d+ kB", ended.stdout)


def test_files_are_saved_in_the_folder_that_the_user_names(tmp_path: Path) -> None:
    ended = run("--screenshot", tmp_path / "w.png", "--size", 0.2, "--rate", 4, "--save", tmp_path)
    assert ended.returncode == 0, ended.stderr
    for file in server.catalogue(7, 200_000, 1.0):
        assert hashlib.sha256((tmp_path / file.name).read_bytes()).digest() == file.digest()
    assert not list(tmp_path.glob("*.part"))


class Peer(socketserver.ThreadingTCPServer):
    """A server that reads a request and then calls `answer`, to cause one kind of failure."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, answer: Callable[[socket.socket], object]) -> None:
        super().__init__(("127.0.0.1", 0), socketserver.BaseRequestHandler)
        self.answer = answer
        self.url = f"http://127.0.0.1:{self.server_address[1]}/file"

    def finish_request(self, request: Any, client_address: Any) -> None:
        if request.recv(4096):
            self.answer(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignores clients that disconnect, as the demo does on a bad certificate."""


@contextmanager
def serving(peer: Peer) -> Iterator[Peer]:
    thread = threading.Thread(target=peer.serve_forever, kwargs={"poll_interval": 0.01})
    with peer:
        thread.start()
        yield peer
        peer.shutdown()
        thread.join()


def test_each_failure_is_shown_as_a_sentence_and_the_demo_exits_with_an_error(
    tmp_path: Path,
) -> None:
    def missing(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

    def short(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + bytes(100))

    def damaged(connection: socket.socket) -> None:
        digest = b"sha-256=:" + b"A" * 43 + b"=:"
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nRepr-Digest: " + digest
        connection.sendall(head + b"\r\n\r\nblue")

    def silent(connection: socket.socket) -> None:
        connection.recv(1)  # until the client has had enough

    def foreign(connection: socket.socket) -> None:
        connection.sendall(b"220 mail.example ESMTP\r\n")

    with socket.create_server(("127.0.0.1", 0)) as unused:
        nobody = f"http://127.0.0.1:{unused.getsockname()[1]}/file"
    with ExitStack() as stack:
        urls = {
            answer: stack.enter_context(serving(Peer(answer))).url
            for answer in (missing, short, damaged, silent, foreign)
        }
        expected = {
            "not-an-address": "This is not a web address",
            "ftp://127.0.0.1/file": "This is not a web address",
            nobody: "refused the connection: no server listens there.",
            urls[missing]: "The server has no such file (404).",
            urls[short]: "The server closed the connection too early.",
            urls[damaged]: "checksums differ.",
            urls[silent]: "The server stopped sending: nothing came for too long.",
            urls[foreign]: "does not speak HTTP.",
            urls[foreign].replace("http:", "https:"): "does not speak TLS",
        }
        ended = run("--screenshot", tmp_path / "w.png", "--timeout", 0.5, *expected)
    assert ended.returncode == 1, ended.stderr
    assert f"0 of {len(expected)} files are here." in ended.stdout
    rows = ended.stdout.splitlines()[1:]
    for (url, sentence), row in zip(expected.items(), rows, strict=False):
        assert sentence in row, f"{url}: {row}"


@pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl to make a certificate with")
def test_self_signed_certificate_is_shown_as_a_sentence(tmp_path: Path) -> None:
    made = f"openssl req -x509 -newkey rsa:2048 -nodes -keyout {tmp_path}/key -out {tmp_path}/cert"
    subprocess.run([*made.split(), "-subj", "/CN=127.0.0.1"], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert", tmp_path / "key")
    peer = Peer(lambda connection: None)
    peer.socket = context.wrap_socket(peer.socket, server_side=True)
    with serving(peer):
        url = peer.url.replace("http:", "https:")
        ended = run("--screenshot", tmp_path / "w.png", url)
    assert ended.returncode == 1, ended.stderr
    assert "The server's certificate is not to be trusted" in ended.stdout


def test_buttons_start_one_cancel_one_and_cancel_all_downloads() -> None:
    ended = play("""
async def main():
    files = server.catalogue(4, 4_000_000, 1e6)
    async with server.Server(files) as here, aiohttp.ClientSession() as session:
        window = Window(session)
        for url in here.urls:
            window.add(url)
        window.show()
        first, *others = window.downloads
        start, cancel = button(window, "Start all"), button(window, "Cancel all")

        window.rows[0].button.click()
        await until(lambda: first.received)
        assert [each.state for each in others] == [State.READY] * 3
        start.click()
        await until(lambda: others[0].received and others[2].received)
        window.rows[0].button.click()
        await until(lambda: not first.active)
        assert first.state is State.CANCELLED and others[0].state is State.RUNNING
        cancel.click()
        await until(lambda: not any(each.active for each in others))
        states = [each.state for each in window.downloads]
        assert states.count(State.CANCELLED) == 3, states  # one was refused before
        await window.close_downloads()
        window.close()

qtloop.run(main())
print("done")
""")
    assert (ended.returncode, ended.stdout) == (0, "done\n"), ended.stderr


def test_cancelled_download_resumes_where_it_stopped(tmp_path: Path) -> None:
    ended = play(f"""
import pathlib
async def main():
    file = server.File("story.txt", 300_000, 600_000)
    async with server.Server([file]) as here, aiohttp.ClientSession() as session:
        window = Window(session, pathlib.Path({str(tmp_path)!r}))
        download = window.add(here.urls[0])
        window.show()
        for share in range(1, 6):
            window.rows[0].button.click()
            await until(lambda: download.received > share * 50_000)
            window.rows[0].button.click()
            await until(lambda: not download.active)
        had = download.received
        window.rows[0].button.click()
        await until(lambda: download.received != had)
        assert download.received > had
        await until(lambda: not download.active)
        print(download.state.value, download.verified)
        window.close()

qtloop.run(main())
""")
    assert (ended.returncode, ended.stdout) == (0, "done True\n"), ended.stderr
    story = server.File("story.txt", 300_000, 1.0)
    assert hashlib.sha256((tmp_path / "story.txt").read_bytes()).digest() == story.digest()


def test_existing_file_is_not_overwritten(tmp_path: Path) -> None:
    first = server.catalogue(1, 10_000, 1.0)[0]
    (tmp_path / first.name).write_text("mine")
    ended = run("--screenshot", tmp_path / "w.png", "--size", 0.01, "--save", tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / first.name).read_text() == "mine"
    assert (tmp_path / "linux-image-2.iso").stat().st_size == first.size


def test_closing_the_window_cancels_the_downloads_and_ends_the_program() -> None:
    ended = play("""
async def person():
    await until(QtWidgets.QApplication.topLevelWidgets)
    window = next(w for w in app.topLevelWidgets() if isinstance(w, Window))
    button(window, "Start all").click()
    await until(lambda: window.downloads[0].received)
    window.close()

async def main():
    task = asyncio.create_task(person())
    try:
        await program.main(program.parse(["--size", "50", "--rate", "0.5"]))
    finally:
        await task
        print("closed")

print(qtloop.run(main()))
""")
    assert complaints(ended.stderr) == []
    assert (ended.returncode, ended.stdout) == (0, "closed\nNone\n")


def test_f12_opens_the_inspector_which_does_not_keep_the_program_alive() -> None:
    ended = play("""
import importlib
from download_window.qt import NAME
QTest = importlib.import_module(f"{NAME}.QtTest").QTest

async def person():
    await until(QtWidgets.QApplication.topLevelWidgets)
    window = next(w for w in app.topLevelWidgets() if isinstance(w, Window))
    await until(window.isActiveWindow)  # or it gets no shortcuts
    QTest.keyClick(window, QtCore.Qt.Key.Key_F12)
    inspector = next(w for w in app.topLevelWidgets() if w.objectName() == "inspector")
    button(window, "Start all").click()
    await until(lambda: window.downloads[0].received)
    inspector.refresh()
    tasks = inspector.tasks.view
    names = [tasks.model().index(row, 1).data() for row in range(tasks.model().rowCount())]
    print(len(names) > 2, inspector.isVisible())
    window.close()

async def main():
    task = asyncio.create_task(person())
    try:
        await program.main(program.parse(["--size", "50", "--rate", "0.5"]))
    finally:
        await task

print(qtloop.run(main()))
""")
    assert complaints(ended.stderr) == []
    assert (ended.returncode, ended.stdout) == (0, "True True\nNone\n")


def test_window_follows_the_desktop_to_dark_colours_and_back() -> None:
    ended = play("""
from download_window import theme
from download_window.qt import QtGui

async def main():
    async with aiohttp.ClientSession() as session:
        window = Window(session)
        window.show()
        for shade, colours in ((20, theme.DARK), (240, theme.LIGHT)):
            app.setPalette(QtGui.QPalette(QtGui.QColor(shade, shade, shade)))
            await until(lambda: colours.ground in window.styleSheet())
        window.close()

qtloop.run(main())
print("done")
""")
    assert (ended.returncode, ended.stdout) == (0, "done\n"), ended.stderr


def test_colours_are_those_of_the_window_in_rust() -> None:
    qml = EXAMPLES.parent / "rust" / "download_window" / "qml" / "Theme.qml"
    colours = re.findall(r'color (\w+): isDark \? "(.*)" : "(.*)"', qml.read_text())
    ended = play("""
from dataclasses import asdict
from download_window import theme
for name, light in asdict(theme.LIGHT).items():
    print(name.replace("_h", "H"), asdict(theme.DARK)[name], light)
""")
    assert [tuple(line.split()) for line in ended.stdout.splitlines()] == colours


def test_ctrl_c_ends_the_program_while_the_question_is_open() -> None:
    ended = play("""
async def person():
    await until(QtWidgets.QApplication.activeModalWidget)
    print("question")
    os.kill(os.getpid(), signal.SIGINT)

async def main():
    task = asyncio.create_task(person())
    options = ["--files", "2", "--size", "2", "--rate", "2", "--screenshot", "/dev/null"]
    await program.main(program.parse(options))

try:
    qtloop.run(main())
except KeyboardInterrupt:
    print("interrupted")
""")
    assert complaints(ended.stderr) == []
    assert (ended.returncode, ended.stdout) == (0, "question\ninterrupted\n")


def test_package_runs_by_m_as_well_as_by_its_folder() -> None:
    by_name = [sys.executable, "-m", "download_window", "--help"]
    texts = [
        subprocess.run(line, env=ENVIRONMENT, capture_output=True, text=True, timeout=50).stdout
        for line in (by_name, command("--help"))
    ]
    assert texts[0].startswith("usage: download_window") and texts[0] == texts[1]


def test_ctrl_c_ends_the_program_while_downloads_run(tmp_path: Path) -> None:
    slow = ("--files", 1, "--size", 50, "--rate", 0.1, "--save", tmp_path)
    with subprocess.Popen(
        command("--screenshot", tmp_path / "window.png", *slow),
        env=ENVIRONMENT,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        deadline = time.monotonic() + 30
        while not list(tmp_path.glob("*.part")) and time.monotonic() < deadline:
            time.sleep(0.01)
        child.send_signal(signal.SIGINT)
        _, errors = child.communicate(timeout=20)
    assert complaints(errors) == []
    assert child.returncode == 130
