"""`pe-nfq unit`, and what systemd's own tools say of what it prints."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pe_nfq.cli.unit import unit
from pe_nfq.errors import PeNfqError

PE_NFQ = Path(sys.executable).with_name("pe-nfq")
#: Of 10. What is left is what the daemon is for: the network, its capabilities, a namespace to
#: try rules in.
WORST_EXPOSURE = 2.6


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The unit in a file, as an operator puts it."""
    path = tmp_path / "pe-nfq.service"
    path.write_text(subprocess.run([PE_NFQ, "unit"], capture_output=True, text=True).stdout)
    return path


def analyze(*words: str | Path) -> "subprocess.CompletedProcess[str]":
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    return subprocess.run(["systemd-analyze", *words], capture_output=True, text=True)


def test_it_runs_the_command_that_printed_it(installed: Path) -> None:
    """With an absolute path, as systemd wants it, and nothing left to fill in."""
    text = installed.read_text()

    assert f"\nExecStart={PE_NFQ} run -c /etc/pe-nfq.toml " in text
    assert not re.search(r"@\w+@", text)


def test_a_path_that_systemd_would_read_otherwise_is_quoted(tmp_path: Path) -> None:
    """A per cent sign begins a specifier; a blank ends the word, and is refused."""
    for name in ("100%", "a b"):
        command = tmp_path / name / "pe-nfq"
        command.parent.mkdir()
        command.touch()

    assert f"ExecStart={tmp_path}/100%%/pe-nfq run" in unit(tmp_path / "100%" / "pe-nfq")
    with pytest.raises(PeNfqError, match="without blanks"):
        unit(tmp_path / "a b" / "pe-nfq")


def test_systemd_understands_every_line(installed: Path) -> None:
    """`systemd-analyze verify` warns of unknown keys and missing commands."""
    done = analyze("verify", "--man=no", installed)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_its_exposure_is_low(installed: Path) -> None:
    """`systemd-analyze security`: 9.6 is a service without any of it."""
    done = analyze("security", "--offline=yes", "--no-pager", installed)
    [score] = re.findall(r"exposure level for \S+: ([\d.]+)", done.stdout)

    assert float(score) <= WORST_EXPOSURE
