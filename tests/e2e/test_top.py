"""`pe-nfq top` on a terminal and in a pipe, before a director with traffic."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from pe_nfq.control.client import LOOK_LIMIT
from tests.e2e.terminal import Terminal
from tests.lab.daemon import PeNfq
from tests.lab.network import Lab
from tests.lab.process import Process
from tests.lab.waiting import wait_until

_PE_NFQ: Final = Path(sys.executable).with_name("pe-nfq")
#: What gives a terminal back: the screen that was there, and the cursor.
_LEFT: Final = "\x1b[?1049l"
_CURSOR: Final = "\x1b[?25h"
_SILENT: Final = "the daemon does not answer"
HOSTILE: Final = b"\x1b[2J\x1b[31m[red]<img src=x onerror=alert(1)>\xe2\x80\xae"


def invite(call_id: bytes) -> bytes:
    return b"INVITE sip:x SIP/2.0\r\nCall-ID: " + call_id + b"\r\nCSeq: 1 INVITE\r\n\r\n"


@contextlib.contextmanager
def traffic(lab: Lab) -> Iterator[None]:
    """A new dialog every 10 ms until the end, every tenth with a hostile Call-ID."""
    ended = threading.Event()

    def send() -> None:
        number = 0
        while not ended.is_set():
            number += 1
            call_id = b"%d@top" % number if number % 10 else b"%s%d" % (HOSTILE, number)
            lab.client.send([invite(call_id)])
            ended.wait(0.01)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@pytest.fixture(scope="module")
def director() -> Iterator[PeNfq]:
    """Three servers, two workers, and dialogs that begin all the time."""
    with Lab() as lab, contextlib.ExitStack() as stack:
        for server in lab.servers:
            stack.enter_context(server.record())
        daemon = stack.enter_context(PeNfq(lab, top={"workers": 2}))
        stack.enter_context(traffic(lab))
        yield daemon


def top(director: PeNfq, *words: str) -> list[str]:
    return [str(_PE_NFQ), "top", "-c", str(director.config), *words]


def test_keys(director: PeNfq) -> None:
    """Order, filter, pause, help, quit; the terminal is given back."""
    with Terminal(top(director)) as terminal:
        for text in ("192.0.2.101:5060", "192.0.2.103:5060", "standby", "as configured", "@top"):
            terminal.wait_for(text)
        terminal.press("s")
        terminal.wait_for("sorted by rate")
        terminal.press("s")
        terminal.wait_for("sorted by templates")
        terminal.press("/102\r")
        terminal.wait_for("/102")
        terminal.wait_for("\r\n  192.0.2.101:5060", gone=True)
        assert "\r\n  192.0.2.102:5060" in terminal.screen
        terminal.press("\x1b")
        terminal.wait_for("\r\n  192.0.2.101:5060")
        terminal.press("p")
        terminal.wait_for("paused")
        terminal.press("h")
        terminal.wait_for("clear the filter")
        terminal.press("q")

        assert terminal.wait() == 0
        assert terminal.modes() == terminal.before
        assert terminal.written.rstrip().endswith((_LEFT, _CURSOR))
        assert _LEFT in terminal.written
        assert _CURSOR in terminal.written


def test_rates_are_those_of_the_traffic(director: PeNfq) -> None:
    """100 datagrams a second, nearly: one every 10 ms and what sending takes."""
    with Terminal(top(director)) as terminal:
        terminal.wait_for("dialogs/s")

        def rate() -> int:
            found = re.search(r"datagrams/s (\d+) ", terminal.screen)
            return int(found[1]) if found else 0

        terminal.wait_for("datagrams/s -", gone=True)
        assert 20 <= rate() <= 160


def test_nothing_of_the_wire_reaches_the_terminal(director: PeNfq) -> None:
    """A Call-ID with control sequences is seen, escaped."""
    with Terminal(top(director), columns=160, lines=50) as terminal:
        terminal.wait_for(r"\x1b[2J\x1b[31m[red]<img src=x")

        assert "\x1b[2J\x1b[31m[red]" not in terminal.written
        assert "\u202e" not in terminal.written


@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)],
    ids=lambda value: value.name if isinstance(value, signal.Signals) else "",
)
def test_a_signal_gives_the_terminal_back(
    director: PeNfq, number: signal.Signals, status: int
) -> None:
    """Ctrl-C, a kill, a line that is hung up."""
    with Terminal(top(director)) as terminal:
        terminal.wait_for("192.0.2.101:5060")
        terminal.process.send_signal(number)

        assert terminal.wait() == status
        assert terminal.modes() == terminal.before
        assert _LEFT in terminal.written
        assert _CURSOR in terminal.written
        assert "Traceback" not in terminal.written


def test_a_terminal_that_goes_ends_it(director: PeNfq) -> None:
    """It neither waits for ever nor spins."""
    with Terminal(top(director)) as terminal:
        terminal.wait_for("192.0.2.101:5060")
        terminal.hang_up()


def test_ctrl_z_and_back(director: PeNfq) -> None:
    """Stopped, the shell has its terminal as it was; continued, the view is there again."""
    with Terminal(top(director)) as terminal:
        terminal.wait_for("192.0.2.101:5060")
        assert terminal.modes() != terminal.before
        terminal.press("\x1a")
        terminal.wait_stopped()
        assert terminal.modes() == terminal.before
        assert _LEFT in terminal.written
        os.kill(terminal.process.pid, signal.SIGCONT)
        terminal.press("s")
        terminal.wait_for("sorted by rate")
        assert terminal.modes() != terminal.before
        terminal.press("q")
        assert terminal.wait() == 0


def test_another_size_is_drawn_anew(director: PeNfq) -> None:
    """At once, not with the next look; too small, it says what it needs."""
    with Terminal(top(director, "--interval", "600"), columns=80, lines=24) as terminal:
        terminal.wait_for("dgrams/s")
        terminal.resize(160, 40)
        terminal.wait_for("client")
        terminal.resize(40, 10)
        terminal.wait_for("at least 60 columns")
        terminal.resize(60, 15)
        terminal.wait_for("workers 3")


def test_once_is_plain_text(director: PeNfq) -> None:
    """Two looks, one block, no escape sequence, also with a terminal's variables."""
    done = subprocess.run(
        top(director, "--once"),
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | {"TERM": "xterm-256color", "FORCE_COLOR": "1"},
    )
    rows = [line.split() for line in done.stdout.splitlines()]
    servers = {row[0]: row for row in rows if row and row[0].startswith("192.0.2.10")}

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.isascii()
    assert done.stdout.replace("\n", "").isprintable()
    assert sorted(servers) == [f"192.0.2.{number}:5060" for number in (101, 102, 103)]
    assert all(row[1] == "up" and float(row[3]) > 0 for row in servers.values())


def test_no_color_draws_without_colours(director: PeNfq) -> None:
    """NO_COLOR: bold and dim at most."""
    with Terminal(["env", "NO_COLOR=1", *top(director)], columns=140) as terminal:
        terminal.wait_for("192.0.2.101:5060")

        assert not re.search(r"\x1b\[(\d+;)*(3[0-7]|9[0-7]|38;[0-9;]+)m", terminal.written)


def test_a_daemon_that_goes_is_said_and_comes_back() -> None:
    """On the terminal and in a pipe; neither ends."""
    with Lab(servers=2) as lab, contextlib.ExitStack() as stack:
        for server in lab.servers:
            stack.enter_context(server.record())
        daemon = stack.enter_context(PeNfq(lab))
        text = stack.enter_context(_piped(lab, daemon))
        with Terminal(top(daemon)) as terminal:
            terminal.wait_for("192.0.2.101:5060")
            daemon.process.stop(signal.SIGKILL)
            terminal.wait_for("the daemon is not running")
            assert "192.0.2.101:5060" in terminal.screen
            text.wait_for_output("the daemon is not running")
            before = text.out.read_text().count("service / server")
            daemon.start()
            terminal.wait_for("the daemon is not running", gone=True)
            lab.client.send([invite(b"again@top")])
            terminal.wait_for("again@top")
            text.wait_for_output("again@top")

            assert "-" not in re.findall(r"datagrams/s +(-\d)", terminal.written)
            assert text.out.read_text().count("service / server") > before
            assert "\x1b" not in text.out.read_text()


def test_a_daemon_that_is_stopped_is_said_and_goes_on() -> None:
    """Within the limit of looks; --once gives up, the view and a pipe see it go on."""
    with Lab(servers=2) as lab, contextlib.ExitStack() as stack:
        daemon = stack.enter_context(PeNfq(lab))
        text = stack.enter_context(_piped(lab, daemon))
        with Terminal(top(daemon)) as terminal:
            terminal.wait_for("192.0.2.101:5060")
            os.kill(daemon.process.pid, signal.SIGSTOP)
            try:
                once = subprocess.run(
                    top(daemon, "--once"), capture_output=True, text=True, timeout=4 * LOOK_LIMIT
                )
                terminal.wait_for(_SILENT)
                text.wait_for_output(_SILENT)
            finally:
                os.kill(daemon.process.pid, signal.SIGCONT)
            before = text.out.read_text().count("service / server")
            assert (once.returncode, once.stdout) == (2, "")
            assert once.stderr.startswith(f"pe-nfq: {_SILENT}")
            assert "192.0.2.101:5060" in terminal.screen
            terminal.wait_for(_SILENT, gone=True)
            wait_until(
                lambda: text.out.read_text().count("service / server") > before, "another block"
            )


@contextlib.contextmanager
def _piped(lab: Lab, daemon: PeNfq) -> Iterator[Process]:
    process = Process(top(daemon), "top", lab.directory)
    try:
        yield process
    finally:
        process.stop()


def test_without_a_daemon_once_says_so(tmp_path: Path) -> None:
    """One line, status 2."""
    command = [str(_PE_NFQ), "top", "--once", "--state-dir", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("pe-nfq: the daemon is not running")
    assert done.stderr.count("\n") == 1
