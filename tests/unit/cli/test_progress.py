"""A progress line: on a terminal, and gone afterwards; nowhere else."""

import os
import subprocess
import sys

SHOW = (
    "from pe_nfq.cli.progress import Progress\n"
    "progress = Progress()\n"
    "progress.show('half of it'); progress.show('too soon'); progress.clear(); progress.clear()\n"
)


def test_on_a_terminal_it_is_shown_and_taken_away() -> None:
    """Not so often that it costs anything."""
    terminal, theirs = os.openpty()
    try:
        subprocess.run([sys.executable, "-c", SHOW], stderr=theirs, timeout=60, check=True)
        assert os.read(terminal, 1000) == b"\r\x1b[Khalf of it\r\x1b[K"
    finally:
        os.close(terminal)
        os.close(theirs)


def test_in_a_pipe_there_is_none() -> None:
    done = subprocess.run([sys.executable, "-c", SHOW], capture_output=True, timeout=60, check=True)
    assert done.stderr + done.stdout == b""
