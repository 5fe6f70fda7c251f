"""Decision records on their way from workers to the supervisor: a bounded pipe that never blocks.

A FIFO in the state directory, so that a new supervisor finds the workers
that outlived the last one. What does not fit, exceeds the budget, or has no
reader is counted and gone: logging must not cost a datagram. A worker's
tallies (`pe_nfq.tally`) go the same way, without a budget: there are few.
"""

import fcntl
import json
import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from pe_nfq.budget import Budget
from pe_nfq.record import PIPE_BUF, render

#: Records a worker makes a second at most; each costs it 4 to 15 us, and the supervisor more.
EVENTS_PER_SECOND: Final = 1000
_PIPE_SIZE: Final = 1 << 20
_F_SETPIPE_SZ: Final = 1031

#: Called with an event's name and facts, which may be read later; what it does must not block.
Emit = Callable[[str, Mapping[str, Any]], None]


class EventWriter:
    """A worker's end. `lost` counts records that nobody will read.

    A record is made when it is flushed: no datagram waits for it.
    """

    def __init__(self, state_dir: Path, source: str) -> None:
        self._path = state_dir / "events"
        self.source = source
        self._fd = -1
        self._told: list[tuple[str, Mapping[str, Any]]] = []
        self._budget = Budget(EVENTS_PER_SECOND)
        self.now = 0
        self.lost = 0

    def emit(self, event: str, facts: Mapping[str, Any]) -> None:
        """Keep a record for the next `flush`."""
        if not self._budget.take(self.now):
            self.lost += 1
            return
        self._told.append((event, facts))

    def flush(self) -> None:
        """Write what was emitted, as far as the pipe takes it."""
        if not self._told:
            return
        told, self._told = self._told, []
        rendered = (render(event, self.source, facts) for event, facts in told)
        lines = [line for line in rendered if line is not None]
        self.lost += len(told) - len(lines)
        chunk: list[bytes] = []
        size = 0
        for line in lines:
            if size + len(line) > PIPE_BUF:
                self._write(chunk)
                chunk, size = [], 0
            chunk.append(line)
            size += len(line)
        self._write(chunk)

    def _write(self, lines: list[bytes]) -> None:
        if not self.write(b"".join(lines)):
            self.lost += len(lines)

    def write(self, record: bytes) -> bool:
        """Write at most `PIPE_BUF` bytes of lines at once; whether the pipe took them."""
        if self._fd < 0 and not self._open():
            return False
        try:
            os.write(self._fd, record)
        except BlockingIOError:
            return False
        except OSError:  # the reader is gone
            os.close(self._fd)
            self._fd = -1
            return False
        return True

    def _open(self) -> bool:
        try:
            self._fd = os.open(self._path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:  # no supervisor reads it now
            return False
        return True


class EventReader:
    """The supervisor's end; `fd` becomes readable when records are there."""

    def __init__(self, state_dir: Path) -> None:
        path = state_dir / "events"
        if not (path.exists() and stat.S_ISFIFO(path.lstat().st_mode)):
            path.unlink(missing_ok=True)
            os.mkfifo(path, 0o600)
        # Opened for writing as well: without a worker it must not be at its end.
        self.fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        _try_to_grow(self.fd)
        self._rest = b""

    def read(self, handle: Callable[[dict[str, Any]], None]) -> None:
        """Hand over the records that are there, at most a pipe full."""
        try:
            data = self._rest + os.read(self.fd, _PIPE_SIZE)
        except BlockingIOError:
            return
        *lines, rest = data.split(b"\n")
        self._rest = rest[-PIPE_BUF:]  # no record is longer
        for line in lines:
            try:
                record = json.loads(line)
            except ValueError:  # a worker was killed inside a write
                continue
            if isinstance(record, dict):
                handle(record)

    def close(self) -> None:
        """Close our end; workers count what they would have told."""
        os.close(self.fd)


def _try_to_grow(fd: int) -> None:
    try:
        fcntl.fcntl(fd, _F_SETPIPE_SZ, _PIPE_SIZE)
    except OSError:  # beyond pipe-max-size: the usual 64 KiB serve too
        return
