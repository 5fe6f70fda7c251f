"""Progress on a real terminal (a pty), and nothing of it in a pipe."""

import os
import pty
import subprocess
import sys
from collections.abc import Mapping

import pytest

#: Waits until the line has been there, or would have been.
_WAIT = """
import sys, time
from pe_nfq.cli.progress import shown_while
with shown_while("waiting for the daemon") as say:
    time.sleep(float(sys.argv[1]))
    say("nearly done")
    time.sleep(float(sys.argv[1]))
print("done")
"""


def on_terminal(seconds: str, environment: Mapping[str, str]) -> bytes:
    """All that a terminal gets to see."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": "40", **environment}
    command = [sys.executable, "-c", _WAIT, seconds]
    with subprocess.Popen(command, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        seen = b""
        while True:
            try:
                chunk = os.read(ours, 1 << 16)
            except OSError:  # EIO: the other end is closed
                break
            if not chunk:
                break
            seen += chunk
    os.close(ours)
    assert process.returncode == 0
    return seen


@pytest.mark.parametrize("environment", [{"TERM": "xterm"}, {"TERM": "xterm", "NO_COLOR": "1"}])
def test_a_terminal_sees_it_come_and_go(environment: dict[str, str]) -> None:
    """What, for how long, and then a clean line; no colour in any case."""
    seen = on_terminal("0.8", environment)

    assert b"\r\x1b[Kwaiting for the daemon" in seen
    assert b"nearly done" in seen
    assert seen.endswith(b"\r\x1b[Kdone\r\n")
    assert b"m" not in seen.replace(b"waiting for the daemon", b"")


def test_what_is_over_at_once_flashes_nothing() -> None:
    """Half a second needs no words."""
    assert on_terminal("0.01", {"TERM": "xterm"}) == b"done\r\n"


def test_a_dumb_terminal_sees_nothing() -> None:
    """It cannot erase."""
    assert on_terminal("0.8", {"TERM": "dumb"}) == b"done\r\n"


def test_a_pipe_sees_nothing() -> None:
    """Neither on stdout nor on stderr."""
    done = subprocess.run(
        [sys.executable, "-c", _WAIT, "0.8"], capture_output=True, text=True, check=True
    )

    assert (done.stdout, done.stderr) == ("done\n", "")
