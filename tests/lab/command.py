"""The `pe-nfq` command as an operator types it: run to its end, or started and left to wait."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from tests.lab.process import Process
from tests.lab.waiting import PATIENCE

PE_NFQ: Final = str(Path(sys.executable).with_name("pe-nfq"))
#: A command starts a Python, and may wait for a change (s).
_LIMIT: Final = 60 * PATIENCE


class Command:
    """Of the daemon of a state directory: neither needs its network namespace."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._where = ("--state-dir", str(directory / "state"))
        self._started = 0

    def run(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Status and both outputs."""
        command = [PE_NFQ, *words, *self._where]
        return subprocess.run(command, capture_output=True, text=True, timeout=_LIMIT, check=False)

    def json(self, *words: str) -> Any:
        """What it says with --json."""
        done = self.run(*words, "--json")
        assert done.stdout, done.stderr
        return json.loads(done.stdout)

    def start(self, *words: str) -> Process:
        """One that takes its time."""
        self._started += 1
        name = f"command-{self._started}"
        return Process([PE_NFQ, *words, *self._where], name, self._directory)
