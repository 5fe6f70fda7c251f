"""A guest that runs tests: start it, read its reports as they come, end it."""

import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from tests.guest.kinds import ROOT, Kind

#: Names in the directory that a guest shares with its host.
TESTS: Final = "tests"
EVENTS: Final = "events.jsonl"
CONSOLE: Final = "console.log"
#: The pid of a host whose guest is not over.
_HOST: Final = "host"
_PREFIX: Final = "pe-nfq"
#: Environment of the pytest inside.
KIND_VARIABLE: Final = "PE_NFQ_GUEST"
DIRECTORY_VARIABLE: Final = "PE_NFQ_GUEST_DIRECTORY"
#: Read by `tests.lab.waiting`.
PATIENCE_VARIABLE: Final = "PE_NFQ_PATIENCE"

#: For the console, and because the checkout is read-only.
_OPTIONS: Final = ("-v", "--color=no", "-p", "no:cacheprovider")
#: Seconds for all tests of a guest. Ten times what they take: a guest that goes on for ever.
TIME_LIMIT: Final = 3 * 3600.0
#: On top of a test's own limit, until a guest that says nothing is given up. Seconds.
_GRACE: Final = 60.0
_POLL: Final = 0.05
#: Lines of the console that a failure shows: pytest's last words, or the kernel's.
_TAIL: Final = 30

Report = dict[str, Any]


def remains_of(nodeid: str) -> str:
    """Where in that directory the captures and outputs of a failed test are."""
    return re.sub(r"[^\w.-]+", "-", nodeid.partition("::")[2])


class GuestError(Exception):
    """A guest ended, or was ended, before it had reported a test; the text says what is known."""


class Machine:
    """A guest of `kind`, running pytest over `nodeids` with `options`, from the constructor on."""

    def __init__(self, kind: Kind, nodeids: Sequence[str], options: Iterable[str]) -> None:
        self.kind = kind
        _remove_dead()
        self.directory = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}-{kind.name}-"))
        (self.directory / _HOST).write_text(str(os.getpid()))
        self._console = self.directory / CONSOLE
        self._events = self.directory / EVENTS
        self._read = 0
        self._reports: dict[str, list[Report]] = {}
        self._prepare(nodeids, options)
        self._started = self._heard = time.monotonic()
        #: Seconds from start to its first sign of life.
        self.boot_time: float | None = None
        with self._console.open("ab") as console:
            self._process = subprocess.Popen(
                kind.command(self.directory),
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _prepare(self, nodeids: Sequence[str], options: Iterable[str]) -> None:
        here = Path(__file__).parent
        for name in ("init", "run"):
            shutil.copy(here / name, self.directory)
        (self.directory / TESTS).write_text("\n".join(nodeids))
        environment = {
            KIND_VARIABLE: self.kind.name,
            DIRECTORY_VARIABLE: str(self.directory),
            PATIENCE_VARIABLE: str(self.kind.slowness),
        }
        if os.environ.get("CI"):
            environment["CI"] = os.environ["CI"]
        files = list(dict.fromkeys(nodeid.partition("::")[0] for nodeid in nodeids))
        pytest = [sys.executable, "-m", "pytest", *_OPTIONS, *options, *files]
        lines = [f"ROOT={shlex.quote(str(ROOT))}"]
        lines += [f"export {name}={shlex.quote(value)}" for name, value in environment.items()]
        lines += [f"COMMAND=({shlex.join(pytest)})"]
        (self.directory / "command").write_text("\n".join(lines) + "\n")

    def wait_for_boot(self) -> None:
        """Wait until its pytest has started. Raises GuestError."""
        while self.boot_time is None:
            self._listen()

    def reports(self, nodeid: str) -> Iterator[Report]:
        """The reports of a test, in order, each as soon as it is there. Raises GuestError."""
        when = None
        while when != "teardown":
            while not self._reports.get(nodeid):
                self._listen()
            report = self._reports[nodeid].pop(0)
            when = report["when"]
            yield report

    def _listen(self) -> None:
        """Take the events that are there, or wait for a moment. Raises GuestError."""
        # asked before the reading, so that nothing is missed that was written before the end
        status = self._process.poll()
        if self._take():
            return
        if status is not None:
            raise GuestError(f"the {self.kind.name} guest ended, status {status}\n{self._tail()}")
        self._check_limits()
        time.sleep(_POLL)

    def _take(self) -> bool:
        with contextlib.suppress(FileNotFoundError), self._events.open("rb") as events:
            events.seek(self._read)
            lines = events.read()
            lines = lines[: lines.rfind(b"\n") + 1]
            self._read += len(lines)
            for line in lines.splitlines():
                event = json.loads(line)
                self._reports.setdefault(event.get("nodeid", ""), []).append(event)
            if lines:
                self._heard = time.monotonic()
                self.boot_time = self.boot_time or self._heard - self._started
            return bool(lines)
        return False

    def _check_limits(self) -> None:
        now = time.monotonic()
        silence = self.kind.boot_limit
        if self.boot_time is not None:
            silence = self.kind.test_limit + _GRACE
        for limit, since in ((TIME_LIMIT, self._started), (silence, self._heard)):
            if now - since > limit:
                self.stop()
                what = "took longer than" if limit == TIME_LIMIT else "was silent for"
                name = self.kind.name
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


def _remove_dead() -> None:
    """Remove what guests left whose hosts were killed; what a failed test left is kept."""
    for host in Path(tempfile.gettempdir()).glob(f"{_PREFIX}-*/{_HOST}"):
        with contextlib.suppress(FileNotFoundError):  # another one's host may end it just now
            if not Path("/proc", host.read_text()).exists():
                shutil.rmtree(host.parent)
