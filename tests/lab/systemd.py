"""A real systemd, first process of namespaces of its own on a host of the lab, with our units."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Self

from tests.lab.daemon import ROOT
from tests.lab.namespace import Namespace
from tests.lab.waiting import PATIENCE, wait_until

_SYSTEMD: Final = Path("/lib/systemd/systemd")
_INIT: Final = Path(__file__).with_name("systemd-init")
#: What PID 1 starts, and what every service depends on: nothing but what a test asks for.
_TARGETS: Final = ("default", "sysinit", "basic", "shutdown")
_TARGET: Final = "[Unit]\nDescription=lab\nDefaultDependencies=no\n"
#: Seconds for one command; a start waits until the daemon is ready.
_COMMAND_TIMEOUT: Final = 60.0 * PATIENCE
_CLEAN: Final = """
mount -t cgroup2 cgroup2 /sys/fs/cgroup
find /sys/fs/cgroup/{group} -depth -type d -exec rmdir {{}} +
"""


def missing() -> str | None:
    """Why there can be no systemd here: one line, or None when there can."""
    if not _SYSTEMD.exists():
        return f"{_SYSTEMD} is not installed: run scripts/setup"
    if "cgroup2" not in Path("/proc/filesystems").read_text().split():
        return "this kernel has no cgroup2"
    return None


class Systemd:
    """As a context manager; `units` are texts by file name, drop-ins as ``NAME.d/FILE``."""

    def __init__(self, host: Namespace, units: Mapping[str, str]) -> None:
        self._host = host
        self._group = f"{host.name}-systemd"
        self._directory = host.directory / "units"
        targets = {f"{name}.target": _TARGET for name in _TARGETS}
        for name, text in {**targets, **units}.items():
            path = self._directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def __enter__(self) -> Self:
        seen = [str(path) for path in (ROOT, Path(sys.prefix)) if path.is_relative_to("/tmp")]
        command = [str(_INIT), str(self._directory), self._group, *seen]
        self._process = self._host.start(command, "systemd")
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")

        def is_up() -> bool:
            if self._process.status is not None:
                raise RuntimeError(f"systemd has ended: {self._process.err.read_text()}")
            if not (pids := children.read_text().split()):
                return False
            self.pid = int(pids[0])
            return self.run("systemctl", "is-active", "default.target").returncode == 0

        wait_until(is_up, "systemd", 20)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stop()
        self._process.wait(5)
        wait_until(self._is_clean, "the end of its control groups")

    def _is_clean(self) -> bool:
        clean = ["unshare", "--mount", "sh", "-ec", _CLEAN.format(group=self._group)]
        return self._host.run(clean, check=False).returncode == 0

    def run(self, *command: str) -> "subprocess.CompletedProcess[str]":
        """Run a command where its services run; an exit status is the caller's to judge."""
        enter = ["nsenter", "--target", str(self.pid), "--mount", "--pid", "--net", "--uts"]
        return subprocess.run(
            [*enter, *command], capture_output=True, text=True, timeout=_COMMAND_TIMEOUT
        )

    def systemctl(self, *words: str) -> str:
        """What it prints. Raises RuntimeError with its complaint."""
        done = self.run("systemctl", *words)
        if done.returncode:
            raise RuntimeError(f"systemctl {' '.join(words)}: {done.stderr}")
        return done.stdout

    def show(self, unit: str, fact: str) -> str:
        """A property of a unit."""
        return self.systemctl("show", "--value", f"--property={fact}", unit).strip()
