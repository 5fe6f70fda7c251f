"""A guest that runs one command: start it, take what it tells as it comes, end it."""

import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tests.guest.kinds import ROOT, Kind

#: Names in the directory that a guest shares with its host.
EVENTS: Final = "events.jsonl"
CONSOLE: Final = "console.log"
#: The pid of a host whose guest is not over.
_HOST: Final = "host"
_PREFIX: Final = "pe-nfq"
#: Environment of the command inside.
KIND_VARIABLE: Final = "PE_NFQ_GUEST"
DIRECTORY_VARIABLE: Final = "PE_NFQ_GUEST_DIRECTORY"
#: Read by `tests.lab.waiting`.
PATIENCE_VARIABLE: Final = "PE_NFQ_PATIENCE"

_POLL: Final = 0.05
#: Lines of the console that a failure shows: the command's last words, or the kernel's.
_TAIL: Final = 30

#: What a guest tells: a JSON object.
Event = dict[str, Any]


class GuestError(Exception):
    """A guest ended, or was ended, before it had told all; the text says what is known."""


class Guest:
    """A guest of `kind`, whose command is started by `start`; `directory` is there before."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        _remove_dead()
        self.directory = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}-{kind.name}-"))
        (self.directory / _HOST).write_text(str(os.getpid()))
        self._console = self.directory / CONSOLE
        self._read = 0

    def start(self, words: Sequence[str], environment: Mapping[str, str]) -> None:
        """Boot it; `words` run in the checkout, with this environment besides."""
        here = Path(__file__).parent
        for name in ("init", "run"):
            shutil.copy(here / name, self.directory)
        environment = {
            KIND_VARIABLE: self.kind.name,
            DIRECTORY_VARIABLE: str(self.directory),
            PATIENCE_VARIABLE: str(self.kind.slowness),
            **environment,
        }
        lines = [f"ROOT={shlex.quote(str(ROOT))}"]
        lines += [f"export {name}={shlex.quote(value)}" for name, value in environment.items()]
        lines += [f"COMMAND=({shlex.join(words)})"]
        (self.directory / "command").write_text("\n".join(lines) + "\n")
        self._started = self._heard = time.monotonic()
        #: Seconds from start to its first sign of life.
        self.boot_time: float | None = None
        with self._console.open("ab") as console:
            self._process = subprocess.Popen(
                self.kind.command(self.directory),
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def listen(self, silence: float, total: float) -> list[Event]:
        """The events that are there, after a moment's wait where there are none.

        Raises GuestError: it has ended, was silent for `silence` seconds since
        it has booted, or runs for `total` seconds.
        """
        # asked before the reading, so that nothing is missed that was written before the end
        status = self._process.poll()
        if events := list(self._take()):
            self._heard = time.monotonic()
            self.boot_time = self.boot_time or self._heard - self._started
            return events
        if status is not None:
            raise GuestError(f"the {self.kind.name} guest ended, status {status}\n{self._tail()}")
        self._check_limits(self.kind.boot_limit if self.boot_time is None else silence, total)
        time.sleep(_POLL)
        return []

    def _take(self) -> Iterator[Event]:
        with contextlib.suppress(FileNotFoundError), (self.directory / EVENTS).open("rb") as events:
            events.seek(self._read)
            lines = events.read()
            lines = lines[: lines.rfind(b"\n") + 1]
            self._read += len(lines)
            yield from map(json.loads, lines.splitlines())

    def _check_limits(self, silence: float, total: float) -> None:
        now, name = time.monotonic(), self.kind.name
        for limit, since, what in (
            (total, self._started, "took longer than"),
            (silence, self._heard, "was silent for"),
        ):
            if now - since > limit:
                self.stop()
                raise GuestError(f"the {name} guest {what} {limit:g} s\n{self._tail()}")

    def _tail(self) -> str:
        lines = self._console.read_text(errors="replace").splitlines()[-_TAIL:]
        return "\n".join([f"{self._console}:", *lines])

    def stop(self) -> None:
        """End it, whatever it does; nothing of it runs when this returns."""
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        while self._process.poll() is None:
            # its first process, whose end is the end of all, not the one that waits for it
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                for pid in children.read_text().split():
                    os.kill(int(pid), signal.SIGKILL)
            time.sleep(_POLL)
        (self.directory / _HOST).unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove what it wrote, once it has ended."""
        shutil.rmtree(self.directory)


def shared_directory() -> Path:
    """Inside: what is shared with the host. Raises KeyError on a host."""
    return Path(os.environ[DIRECTORY_VARIABLE])


def tell(event: Mapping[str, object]) -> None:
    """Inside: tell the host."""
    # closed each time: user-mode Linux keeps what was written to a host's file until then
    with (shared_directory() / EVENTS).open("a") as events:
        events.write(json.dumps(event) + "\n")


def _remove_dead() -> None:
    """Remove what guests left whose hosts were killed; what a failed test left is kept."""
    for host in Path(tempfile.gettempdir()).glob(f"{_PREFIX}-*/{_HOST}"):
        with contextlib.suppress(FileNotFoundError):  # another one's host may end it just now
            if not Path("/proc", host.read_text()).exists():
                shutil.rmtree(host.parent)
