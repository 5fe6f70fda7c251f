"""What takes a supervisor's place: how it is executed, and what it has to say before."""

import asyncio
import sys
from pathlib import Path

import pytest

from pe_nfq.errors import PeNfqError
from pe_nfq.supervisor import again
from pe_nfq.supervisor.again import OURS, REHEARSE, Release


def script(path: Path, text: str, first: str = "#!/bin/sh") -> list[str]:
    path.write_text(f"{first}\n{text}\n")
    path.chmod(0o700)
    return [str(path)]


def test_a_script_is_executed_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its first line may name another interpreter than it did when we were started."""
    words = [*script(tmp_path / "pe-nfq", ""), "run", "-c", "file"]
    monkeypatch.setattr(sys, "argv", words)
    monkeypatch.setattr(sys, "orig_argv", [sys.executable, *words])
    assert again.command() == words


def test_a_module_is_executed_by_its_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the interpreter's own options."""
    monkeypatch.setattr(sys, "argv", ["/somewhere/__main__.py", "run"])
    monkeypatch.setattr(sys, "orig_argv", ["python", "-X", "dev", "-m", "pe_nfq", "run"])
    assert again.command() == [sys.executable, "-X", "dev", "-m", "pe_nfq", "run"]


def test_the_real_program_says_what_it_is(tmp_path: Path) -> None:
    """By the option that `pe-nfq run` has for it."""
    config = tmp_path / "pe-nfq.toml"
    config.write_text(
        f'state_dir = "{tmp_path}"\nallow_disk = true\n'
        '[[service]]\naddress = "203.0.113.10:5060"\n[[service.server]]\naddress = "192.0.2.1"\n'
    )
    words = [sys.executable, "-m", "pe_nfq", "run", "-c", str(config)]
    try:
        assert asyncio.run(again.rehearse(words)) == OURS
    except PeNfqError as error:  # not root
        assert "CAP_NET_ADMIN" in str(error)  # noqa: PT017


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("echo first >&2; echo 'pe-nfq: file: wrong' >&2; exit 2", "does not start: file: wrong$"),
        ("echo right", "too old to be a successor"),
        ("echo '{\"version\": 1}'", "too old to be a successor"),
        ("printf '\\033[31m' >&2; exit 1", r"does not start: \\x1b"),
    ],
    ids=["refuses", "says nothing of itself", "says half of it", "hostile"],
)
def test_what_cannot_be_a_successor_is_refused(text: str, told: str, tmp_path: Path) -> None:
    """In one line, which no terminal is hurt by."""
    with pytest.raises(PeNfqError, match=told):
        asyncio.run(again.rehearse(script(tmp_path / "program", text)))


def test_a_program_that_is_gone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PeNfqError, match=r"cannot execute .*: No such file"):
        asyncio.run(again.rehearse([str(tmp_path / "gone")]))


def test_one_that_hangs_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is ended, too."""
    monkeypatch.setattr(again, "_REHEARSAL_LIMIT", 0.1)
    with pytest.raises(PeNfqError, match="says nothing within 0 s"):
        asyncio.run(again.rehearse(script(tmp_path / "program", "exec sleep 60")))


def test_it_is_asked_by_its_option(tmp_path: Path) -> None:
    """Beside the words that it will be started with."""
    text = f'[ "$*" = "run {REHEARSE}" ] && echo \'{{"version": "9", "table": "5"}}\''
    words = [*script(tmp_path / "program", text), "run"]
    assert asyncio.run(again.rehearse(words)) == Release("9", "5")
