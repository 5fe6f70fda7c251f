"""Both ends of the control socket, and peers of all kinds."""

import asyncio
import json
import os
import signal
import socket
import stat
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from pe_nfq.control import client, server
from pe_nfq.control.client import ask
from pe_nfq.control.protocol import (
    MAX_REQUEST,
    REFUSED,
    Answer,
    encode_answer,
    encode_request,
    socket_path,
)
from pe_nfq.control.server import MAX_PEERS, ControlServer
from pe_nfq.errors import ControlError

NOT_RUNNING = r"the daemon is not running \(nobody listens at /.*\): start pe-nfq run"
STRANGER = "only root and the daemon's own user may give commands\n"


async def echo(facts: Mapping[str, Any]) -> Answer:
    return Answer(3, "".join(facts["argv"]), "err")


class Daemon:
    """A control server in a loop of its own, as the supervisor's; `beats` counts its rounds."""

    def __init__(self, state_dir: Path) -> None:
        self.beats = 0
        self.waiting: list[Callable[[], object]] = []
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        self._ready = threading.Event()
        handlers = {"echo": echo, "wait": self._wait}
        self.server = ControlServer(state_dir, handlers)
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._run(),))

    async def _run(self) -> None:
        await self.server.start()
        self._ready.set()
        while not self._stopping.is_set():
            self.beats += 1
            await asyncio.sleep(0.005)
        self.server.stop()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _wait(self, facts: Mapping[str, Any]) -> Answer:
        """Answers when it is released."""
        released = asyncio.Event()
        self.waiting.append(lambda: self._loop.call_soon_threadsafe(released.set))
        await released.wait()
        return Answer(0, "released")

    def __enter__(self) -> "Daemon":
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def stop(self) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join()
            self._loop.close()

    def __exit__(self, *_: object) -> None:
        self.stop()


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    with Daemon(tmp_path) as running:
        yield running


def connected(state_dir: Path) -> socket.socket:
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    peer.settimeout(10)
    peer.connect(str(socket_path(state_dir)))
    return peer


def answer_to(peer: socket.socket) -> dict[str, Any]:
    chunks = []
    while chunk := peer.recv(65536):
        chunks.append(chunk)
    answer: dict[str, Any] = json.loads(b"".join(chunks))
    return answer


def until(condition: Callable[[], bool]) -> None:
    limit = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.005)


def test_a_command_gets_its_answer(daemon: Daemon, tmp_path: Path) -> None:
    """Status and both outputs."""
    assert ask(tmp_path, "echo", argv=["a", "b"]) == Answer(3, "ab", "err")


def test_the_socket_is_the_owners_alone(daemon: Daemon, tmp_path: Path) -> None:
    """Mode 0600, a socket, and nothing beside it."""
    mode = socket_path(tmp_path).stat().st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["control.sock"]


def test_others_are_turned_away(
    daemon: Daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a word, and without being heard."""
    monkeypatch.setattr(server, "_is_allowed", lambda writer: False)
    assert ask(tmp_path, "echo", argv=["x"]) == Answer(REFUSED, "", STRANGER)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody else")
def test_the_kernel_says_who_asks(daemon: Daemon, tmp_path: Path) -> None:
    """A process of nobody's that was let at the socket is turned away, root is not."""
    for path in (tmp_path, *tmp_path.parents):
        if path.is_relative_to("/tmp") and path != Path("/tmp"):
            path.chmod(0o755)
    socket_path(tmp_path).chmod(0o666)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.setuid(65534)
        os.write(writing, ask(tmp_path, "echo", argv=["x"]).err.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as told:
        assert told.read() == STRANGER
    os.waitpid(child, 0)
    assert ask(tmp_path, "echo", argv=["x"]).out == "x"


def test_nobody_listens(tmp_path: Path) -> None:
    """One line with the remedy, also where a dead daemon left its socket."""
    with pytest.raises(ControlError, match=NOT_RUNNING):
        ask(tmp_path, "echo")
    left = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    left.bind(str(socket_path(tmp_path)))
    left.close()
    with pytest.raises(ControlError, match=NOT_RUNNING):
        ask(tmp_path, "echo")


def test_a_new_daemon_takes_the_place_of_a_dead_one(tmp_path: Path) -> None:
    """Its socket is replaced, as is one that was never finished; a stopped one leaves none."""
    for name in ("control.sock", "control.sock.new"):
        left = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        left.bind(str(tmp_path / name))
        left.close()
    with Daemon(tmp_path):
        assert ask(tmp_path, "echo", argv=["x"]).out == "x"
    assert list(tmp_path.iterdir()) == []


def test_a_stopped_daemon_is_not_waited_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It took the request, and does not answer."""
    monkeypatch.setattr(client, "ANSWER_LIMIT", 0.1)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(socket_path(tmp_path)))
        listener.listen()
        with pytest.raises(ControlError, match="no answer within"):
            ask(tmp_path, "echo", argv=[])


def test_a_daemon_with_a_full_queue_is_waited_for(tmp_path: Path) -> None:
    """It takes a connection when it comes to it: one more than its queue holds is not refused."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(socket_path(tmp_path)))
        listener.listen(0)
        with connected(tmp_path), ThreadPoolExecutor(1) as pool:
            asked = pool.submit(ask, tmp_path, "echo", argv=[])
            with pytest.raises(TimeoutError):
                asked.result(0.1)
            first, _ = listener.accept()
            second, _ = listener.accept()
            with first, second:
                second.sendall(encode_answer(Answer(7)))
                assert asked.result() == Answer(7)


def test_a_daemon_that_ends_is_told(daemon: Daemon, tmp_path: Path) -> None:
    """Whether it did what was asked is not known."""
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask, tmp_path, "wait")
        until(lambda: len(daemon.waiting) == 1)
        daemon.stop()
        with pytest.raises(ControlError, match="without an answer"):
            asked.result()


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (b"hello\n", "not a line of JSON"),
        (b'{"version": 1, "verb": "dance"}\n', "does not know 'dance', only: echo, wait"),
        (b'{"version": 1, "verb": "\\u001b[2J"}\n', r"does not know '\x1b[2J'"),
        (b'{"version": 1, "verb": "echo"', "ended before its line did"),
        (b"x" * (MAX_REQUEST + 1), "longer than 1048576 bytes"),
        (b"x" * (8 * MAX_REQUEST), "longer than 1048576 bytes"),
        (b"x" * MAX_REQUEST + b"\n", "longer than 1048576 bytes"),
    ],
)
def test_a_peer_that_talks_nonsense_is_told(
    daemon: Daemon, tmp_path: Path, sent: bytes, why: str
) -> None:
    """And nobody else notices."""
    with connected(tmp_path) as peer:
        peer.sendall(sent)
        peer.shutdown(socket.SHUT_WR)
        answer = answer_to(peer)
    assert answer["status"] == REFUSED
    assert answer["err"].count("\n") == 1
    assert why in answer["err"]
    assert ask(tmp_path, "echo", argv=["x"]).out == "x"


def test_the_longest_request_is_served(daemon: Daemon, tmp_path: Path) -> None:
    """A whole director's list."""
    room = MAX_REQUEST - len(encode_request("echo", {"argv": [""]}))
    assert len(ask(tmp_path, "echo", argv=["x" * room]).out) == room


def test_a_peer_that_says_nothing_is_sent_away(
    daemon: Daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After its time, with the reason; others are served meanwhile."""
    monkeypatch.setattr(server, "REQUEST_LIMIT", 0.2)
    with connected(tmp_path) as peer:
        peer.sendall(b'{"version": 1,')
        assert ask(tmp_path, "echo", argv=["x"]).out == "x"
        assert "no whole request within" in answer_to(peer)["err"]


def test_a_peer_that_does_not_read_is_dropped(
    daemon: Daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its answer stays in the daemon for so long only."""
    monkeypatch.setattr(server, "ANSWER_LIMIT", 0.2)
    text = "x" * (MAX_REQUEST - 100)
    with connected(tmp_path) as peer:
        peer.sendall(encode_request("echo", {"argv": [text]}))
        until(lambda: daemon.server._peers == 1)
        until(lambda: daemon.server._peers == 0)
    assert ask(tmp_path, "echo", argv=["x"]).out == "x"


def test_fifty_clients_at_once_are_all_served(daemon: Daemon, tmp_path: Path) -> None:
    """While one more is served for long."""
    with ThreadPoolExecutor(51) as pool:
        slow = pool.submit(ask, tmp_path, "wait")
        until(lambda: len(daemon.waiting) == 1)
        answers = list(pool.map(lambda n: ask(tmp_path, "echo", argv=[str(n)]), range(50)))
        daemon.waiting[0]()
        assert slow.result() == Answer(0, "released")
    assert [answer.out for answer in answers] == [str(number) for number in range(50)]


def test_too_many_peers_are_told_to_come_again(daemon: Daemon, tmp_path: Path) -> None:
    """Those who are in stay in."""
    with ThreadPoolExecutor(MAX_PEERS) as pool:
        waiting = [pool.submit(ask, tmp_path, "wait") for _ in range(MAX_PEERS)]
        until(lambda: len(daemon.waiting) == MAX_PEERS)
        refused = ask(tmp_path, "echo", argv=["x"])
        for release in daemon.waiting:
            release()
        assert {answer.result() for answer in waiting} == {Answer(0, "released")}
    assert refused == Answer(REFUSED, "", "busy with 64 other commands; try again\n")
    until(lambda: daemon.server._peers == 0)
    assert ask(tmp_path, "echo", argv=["x"]).out == "x"


def test_a_flood_of_silent_peers_stops_nothing(
    daemon: Daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand connections: no descriptor runs out, the loop goes round, then all is well."""
    monkeypatch.setattr(server, "REQUEST_LIMIT", 0.5)
    before = daemon.beats
    peers = deque[socket.socket](maxlen=200)
    for _ in range(1000):
        peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        peer.connect(str(socket_path(tmp_path)))
        if len(peers) == peers.maxlen:
            peers.popleft().close()
        peers.append(peer)
    until(lambda: daemon.beats > before + 5)
    assert ask(tmp_path, "echo", argv=["x"]).status in (3, REFUSED)
    for peer in peers:
        peer.close()
    until(lambda: daemon.server._peers == 0)
    assert ask(tmp_path, "echo", argv=["x"]).out == "x"


def test_an_interrupted_client_leaves_no_trace(daemon: Daemon, tmp_path: Path) -> None:
    """Killed between question and answer."""
    child = os.fork()
    if child == 0:
        ask(tmp_path, "wait")
        os._exit(0)
    until(lambda: len(daemon.waiting) == 1)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    daemon.waiting[0]()
    until(lambda: daemon.server._peers == 0)
    assert ask(tmp_path, "echo", argv=["x"]).out == "x"
