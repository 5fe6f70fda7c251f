"""Looks at a daemon that comes, goes, begins anew or speaks otherwise."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pe_nfq.control.client import LOOK_LIMIT
from pe_nfq.control.protocol import Answer, encode_answer, refusal, socket_path
from pe_nfq.top.looks import WINDOW, Viewer
from tests.status import NOW, dest, service, status


class Daemon:
    """Answers on the control socket of a state directory."""

    def __init__(self, state_dir: Path) -> None:
        self.answer = Answer()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(socket_path(state_dir)))
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def say(self, datagrams: int, at: float, **facts: Any) -> None:
        services = [service("udp 203.0.113.10:5060", [dest(101, datagrams=datagrams)])]
        self.answer = Answer(out=json.dumps(status(services, now=NOW + at, **facts)))

    def _serve(self) -> None:
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            with peer:
                peer.makefile().readline()
                peer.sendall(encode_answer(self.answer))

    def stop(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """One that listens until the test's end."""
    daemon = Daemon(tmp_path)
    yield daemon
    daemon.stop()


def rate(viewer: Viewer) -> float | None:
    """Datagrams a second of the look that is made now."""
    look = viewer.look()
    assert look.picture
    assert not look.trouble
    return look.picture.datagrams


def test_rates_are_of_a_window_and_not_of_all_time(daemon: Daemon, tmp_path: Path) -> None:
    """100/s for a minute, then silence: zero once the window is past."""
    viewer = Viewer(tmp_path)
    for at in range(60):
        daemon.say(100 * at, at)
        found = rate(viewer)
    assert found == 100.0
    for at in range(60, 61 + int(WINDOW)):
        daemon.say(5900, at)
        found = rate(viewer)
    assert found == 0.0


def test_the_same_answer_again_keeps_the_picture(daemon: Daemon, tmp_path: Path) -> None:
    """The daemon gathers once for all who ask within a second."""
    viewer = Viewer(tmp_path)
    for at in (0, 1, 1):
        daemon.say(50 * at, at)
        found = rate(viewer)

    assert found == 50.0


def test_another_run_of_the_daemon_is_not_compared_with(daemon: Daemon, tmp_path: Path) -> None:
    """Its totals began anew: no rate, rather than a wrong one; then again."""
    viewer = Viewer(tmp_path)
    daemon.say(1000, 0)
    assert rate(viewer) is None
    daemon.say(7000, 1, pid=1)
    assert rate(viewer) is None
    daemon.say(7010, 2, pid=1)
    assert rate(viewer) == 10.0


def test_a_daemon_that_goes_is_trouble_beside_the_last_picture(tmp_path: Path) -> None:
    """And its return ends the trouble."""
    viewer = Viewer(tmp_path)
    assert viewer.look().picture is None
    assert viewer.look().trouble.startswith("the daemon is not running")
    first = Daemon(tmp_path)
    first.say(0, 0)
    assert rate(viewer) is None
    first.stop()
    gone = viewer.look()
    assert gone.picture
    assert gone.trouble.startswith("the daemon is not running")
    socket_path(tmp_path).unlink()
    second = Daemon(tmp_path)
    second.say(0, 9)
    assert rate(viewer) == 0.0
    second.stop()


@pytest.mark.parametrize(
    "answer",
    [Answer(out="not JSON"), Answer(out="[]"), Answer(out="{}"), Answer(out='{"now": 1}')],
    ids=lambda answer: str(answer.out),
)
def test_a_daemon_of_another_version_is_trouble(
    daemon: Daemon, tmp_path: Path, answer: Answer
) -> None:
    """Nothing is raised, and nothing of it kept."""
    viewer = Viewer(tmp_path)
    daemon.answer = answer
    assert "another version" in viewer.look().trouble
    daemon.say(0, 0)
    assert rate(viewer) is None


def test_a_daemon_that_is_silent_is_trouble_within_the_limit(tmp_path: Path) -> None:
    """It has a socket and takes nothing off it, as while it is stopped; and its return is seen."""
    viewer = Viewer(tmp_path, limit=0.2)
    first = Daemon(tmp_path)
    first.say(0, 0)
    rate(viewer)
    first.stop()
    socket_path(tmp_path).unlink()
    with socket.socket(socket.AF_UNIX) as stopped:
        stopped.bind(str(socket_path(tmp_path)))
        stopped.listen()
        began = time.monotonic()
        silent = viewer.look()
        assert time.monotonic() - began < LOOK_LIMIT
    assert silent.picture
    assert silent.trouble.startswith("the daemon does not answer")
    socket_path(tmp_path).unlink()
    second = Daemon(tmp_path)
    second.say(90, 9)
    assert rate(viewer) == 10.0
    second.stop()


def test_a_refusal_is_said(daemon: Daemon, tmp_path: Path) -> None:
    """In the daemon's words."""
    daemon.answer = refusal("no services are published yet")

    assert Viewer(tmp_path).look().trouble == "no services are published yet"
