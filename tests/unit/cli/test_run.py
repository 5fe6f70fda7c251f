"""`pe-nfq run` before it runs: what needs no capability, and what says that it does."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pe_nfq.cli.run import _render

#: Whoever is not root does not have it anyway.
WITHOUT_NET_ADMIN = ["setpriv", "--bounding-set", "-net_admin"] if os.geteuid() == 0 else []


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "pe-nfq.toml"
    path.write_text(
        f'state_dir = "{tmp_path}/state"\nallow_disk = true\n'
        '[[service]]\naddress = "203.0.113.10:5060"\n'
        '[[service.server]]\naddress = "192.0.2.11"\n'
    )
    return path


def run(*words: str) -> "subprocess.CompletedProcess[str]":
    command = [*WITHOUT_NET_ADMIN, sys.executable, "-m", "pe_nfq", "run", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=20)


def test_without_the_capability_nothing_is_begun(config: Path) -> None:
    """One line, status 2, and no state directory: its workers could not take their queues."""
    done = run("-c", str(config))

    assert (done.returncode, done.stdout) == (2, "")
    assert (
        done.stderr
        == "pe-nfq: CAP_NET_ADMIN is missing; run pe-nfq as root, or by its systemd unit\n"
    )
    assert not (config.parent / "state").exists()


def test_a_file_can_be_checked_without_the_capability(config: Path) -> None:
    """And nothing is made."""
    done = run("-c", str(config), "--check")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{config}: right; services: 1\n"
    assert not (config.parent / "state").exists()


def test_what_a_file_adopts_is_named(config: Path) -> None:
    """It is not looked up: the director need not be this machine."""
    tables = '[[adopt]]\nservice = "fwmark 5"\n[[adopt]]\nservice = "all"\n'
    config.write_text(config.read_text() + tables)
    done = run("-c", str(config), "--check")

    assert done.stdout == f"{config}: right; services: 1, adopted: fwmark 5, adopted: all\n"


@pytest.mark.parametrize(
    ("no_color", "is_coloured"), [(None, True), ("", True), ("1", False), ("0", False)]
)
def test_the_log_on_a_terminal_has_colours_but_with_no_color(
    monkeypatch: pytest.MonkeyPatch, no_color: str | None, is_coloured: bool
) -> None:
    """https://no-color.org: any value but an empty one."""
    monkeypatch.setattr(os, "isatty", lambda fd: True)
    if no_color is None:
        monkeypatch.delenv("NO_COLOR", raising=False)
    else:
        monkeypatch.setenv("NO_COLOR", no_color)

    assert (b"\x1b[" in _render("console", None)("stop", 0.0, {"why": "x"})) is is_coloured
