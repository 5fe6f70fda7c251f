"""What `pe-nfq kill` asks before it forgets more than one dialog."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pe_nfq.cli import main
from pe_nfq.templates import Epoch, Table, environment
from tests.tables import by_number, publish_services, services

COMMAND = [sys.executable, "-m", "pe_nfq", "kill", "--server", "192.0.2.11", "--state-dir"]


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    """Of a daemon that does not run, with a service of one server."""
    env, _ = environment.create(tmp_path, 10)
    table = Table(env, Epoch(env.directory))
    publish_services(table, services(by_number(11)))
    table.close()
    return tmp_path


@pytest.mark.parametrize("answer", ["n", "", "nonsense"])
def test_any_answer_but_yes_leaves_all_as_it_is(state_dir: Path, answer: str) -> None:
    """On a terminal; the daemon, which is not there, is not even asked."""
    terminal, ours = os.openpty()
    try:
        os.write(terminal, f"{answer}\n".encode())
        done = subprocess.run(
            [*COMMAND, str(state_dir)], stdin=ours, capture_output=True, text=True, timeout=60
        )
    finally:
        os.close(terminal)
        os.close(ours)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "forget all dialogs of 192.0.2.11? [y/N] "


def test_yes_asks_the_daemon(state_dir: Path) -> None:
    terminal, ours = os.openpty()
    try:
        os.write(terminal, b"y\n")
        done = subprocess.run(
            [*COMMAND, str(state_dir)], stdin=ours, capture_output=True, text=True, timeout=60
        )
    finally:
        os.close(terminal)
        os.close(ours)
    assert done.returncode == 2
    assert "the daemon is not running" in done.stderr


def test_without_a_terminal_it_takes_yes(
    state_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A script says --yes, or is told to."""
    done = subprocess.run(
        [*COMMAND, str(state_dir)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert done.stderr == "pe-nfq: to forget all dialogs of 192.0.2.11 give --yes\n"
    assert main(["kill", "one@example.net", "--state-dir", str(state_dir)]) == 2
    assert "the daemon is not running" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["192.0.2.99"], "no server 192.0.2.99; there are: 192.0.2.11:5060"),
        (
            ["192.0.2.11", "--service", "203.0.113.99:5060"],
            "no service 203.0.113.99:5060; there are: udp 203.0.113.10:5060",
        ),
    ],
)
def test_what_is_not_there_is_said_before_it_is_asked(
    state_dir: Path, capsys: pytest.CaptureFixture[str], words: list[str], why: str
) -> None:
    """Nobody is to agree to what cannot be done."""
    assert main(["kill", "--server", *words, "--state-dir", str(state_dir)]) == 2
    assert capsys.readouterr().err == f"pe-nfq: {why}\n"


def test_one_of_both_is_to_be_said(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["kill"], ["kill", "one@example.net", "--server", "192.0.2.11"]):
        with pytest.raises(SystemExit) as left:
            main(words)
        assert left.value.code == 2
    capsys.readouterr()
