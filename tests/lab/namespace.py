"""Network namespaces: make one, run programs and open sockets in it, remove it with all it holds.

Names are ``pelab-PID-N-ROLE``, so that labs of several runs live side by side
and what a crashed run left can be told from what is in use.
"""

import contextlib
import ctypes
import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, Self

from tests.lab.process import Process
from tests.lab.waiting import PATIENCE, wait_until

PREFIX: Final = "pelab"
_NETNS: Final = Path("/run/netns")
_CLONE_NEWNET: Final = 0x40000000
#: No command that sets up a namespace takes longer.
_RUN_TIMEOUT: Final = 30.0


class Namespace:
    """One network namespace; `directory` takes the output of the programs in it."""

    def __init__(self, name: str, directory: Path) -> None:
        self.name = name
        self.directory = directory
        self.started: list[Process] = []
        _run(["ip", "netns", "add", name])
        self.ip("link set lo up")

    def run(
        self, command: list[str], *, timeout: float = _RUN_TIMEOUT, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end. Raises RuntimeError with its stderr when it fails."""
        return _run(self.enter(command), timeout=timeout, check=check)

    def start(self, command: list[str], name: str = "") -> Process:
        """Start a program that goes on running, until `remove` at the latest."""
        words = (self.name.rpartition("-")[2], name or Path(command[0]).name, len(self.started))
        process = Process(self.enter(command), "-".join(map(str, words)), self.directory)
        self.started.append(process)
        return process

    def enter(self, command: list[str]) -> list[str]:
        """The command that runs `command` here."""
        return ["ip", "netns", "exec", self.name, *command]

    def ip(self, *commands: str, family: int | None = None) -> None:
        """Run `ip` commands (without the word ip), all or up to the first that fails."""
        options = [f"-{family}"] if family else []
        _run(["ip", "-n", self.name, *options, "-batch", "-"], text="\n".join(commands))

    def sysctl(self, settings: Mapping[str, int]) -> None:
        """Set kernel parameters of this namespace; names as paths below /proc/sys."""
        lines = [f"echo {value} > /proc/sys/{path}" for path, value in settings.items()]
        self.run(["sh", "-ec", "\n".join(lines)])

    def socket(
        self, local: str, port: int = 0, *, kind: int = socket.SOCK_DGRAM, protocol: int = 0
    ) -> socket.socket:
        """A socket, UDP by default, that lives here, bound to `local`, usable from this process."""
        family = socket.AF_INET6 if ":" in local else socket.AF_INET
        with inside(self.name):
            opened = socket.socket(family, kind, protocol)
        opened.bind((local, port))
        return opened

    def is_bound(self, pid: int, port: int) -> bool:
        """Whether process `pid`, which runs here, sees a UDP socket bound to `port`."""
        tables = (Path(f"/proc/{pid}/net/{table}").read_text() for table in ("udp", "udp6"))
        return any(re.search(rf"^ *\d+: [0-9A-F]+:{port:04X} ", text, re.M) for text in tables)

    def pids(self) -> list[int]:
        """The processes that run here."""
        return _pids(self.name)

    def kill(self) -> None:
        """End what was started here."""
        for process in self.started:
            process.stop(signal.SIGKILL)

    def remove(self) -> None:
        """Kill what runs here and remove the namespace, its links and its rules."""
        self.kill()
        remove(self.name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


def names(prefix: str) -> list[str]:
    """The namespaces of this machine whose names begin with `prefix` and a dash."""
    return sorted(path.name for path in _NETNS.glob(f"{prefix}-*"))


def is_left_over(name: str) -> bool:
    """Whether the run that gave this name is no more; what is kept on purpose names no pid."""
    maker = re.match(rf"{PREFIX}-(\d+)-", name)
    return maker is not None and not Path("/proc", maker[1]).exists()


def remove(name: str) -> None:
    """Kill what runs in a namespace and remove it."""
    for pid in _pids(name):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not _pids(name), f"the end of the programs in {name}")
    _run(["ip", "netns", "delete", name])


def _pids(name: str) -> list[int]:
    return [int(pid) for pid in _run(["ip", "netns", "pids", name]).stdout.split()]


@contextlib.contextmanager
def inside(name: str) -> Iterator[None]:
    """Move the calling thread into the namespace; sockets stay where they were opened."""
    libc = ctypes.CDLL(None, use_errno=True)
    with Path("/proc/thread-self/ns/net").open() as home, (_NETNS / name).open() as there:
        _setns(libc, there.fileno())
        try:
            yield
        finally:
            _setns(libc, home.fileno())


def _setns(libc: ctypes.CDLL, descriptor: int) -> None:
    if libc.setns(descriptor, _CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _run(
    command: list[str],
    *,
    text: str | None = None,
    timeout: float = _RUN_TIMEOUT,
    check: bool = True,
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command, input=text, capture_output=True, text=True, timeout=timeout * PATIENCE
    )
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip() or done.returncode}")
    return done
