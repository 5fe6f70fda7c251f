"""What `pe-nfq kill` asks before it forgets more than one dialog."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pe_nfq.cli import main

COMMAND = [sys.executable, "-m", "pe_nfq", "kill", "--server", "192.0.2.11", "--state-dir"]


@pytest.mark.parametrize("answer", ["n", "", "nonsense"])
def test_any_answer_but_yes_leaves_all_as_it_is(tmp_path: Path, answer: str) -> None:
    """On a terminal; the daemon, which is not there, is not even asked."""
    terminal, ours = os.openpty()
    try:
        os.write(terminal, f"{answer}\n".encode())
        done = subprocess.run(
            [*COMMAND, str(tmp_path)], stdin=ours, capture_output=True, text=True, timeout=60
        )
    finally:
        os.close(terminal)
        os.close(ours)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "forget all dialogs of 192.0.2.11? [y/N] "


def test_yes_asks_the_daemon(tmp_path: Path) -> None:
    terminal, ours = os.openpty()
    try:
        os.write(terminal, b"y\n")
        done = subprocess.run(
            [*COMMAND, str(tmp_path)], stdin=ours, capture_output=True, text=True, timeout=60
        )
    finally:
        os.close(terminal)
        os.close(ours)
    assert done.returncode == 2
    assert "the daemon is not running" in done.stderr


def test_without_a_terminal_it_takes_yes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A script says --yes, or is told to."""
    done = subprocess.run(
        [*COMMAND, str(tmp_path)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert done.stderr == "pe-nfq: to forget all dialogs of 192.0.2.11 give --yes\n"
    assert main(["kill", "one@example.net", "--state-dir", str(tmp_path)]) == 2
    assert "the daemon is not running" in capsys.readouterr().err


def test_one_of_both_is_to_be_said(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["kill"], ["kill", "one@example.net", "--server", "192.0.2.11"]):
        with pytest.raises(SystemExit) as left:
            main(words)
        assert left.value.code == 2
    capsys.readouterr()
