"""Heartbeats: what each worker says of itself in shared memory, for the supervisor to read.

A worker writes a few numbers a batch and never asks anybody; the supervisor,
or the next one after it, reads who lives, who hangs, and who holds the
table's write lock, and adds what passed the worker by.
"""

import enum
import mmap
import os
from pathlib import Path
from typing import Any, Final

from pe_nfq.lifetime import Kind
from pe_nfq.model import Reason

#: One worker a CPU is the sense of it; more than this no director has for SIP.
#: Slot 0 is the standby worker's, 1 .. MAX_WORKERS the workers' of stage 1.
MAX_WORKERS: Final = 32
STANDBY: Final = 0

#: What a worker counts beside its verdicts; one cell each, behind the fields of `Cell`.
COUNTERS: Final = (
    "created",
    "moved",
    "unrecorded",
    "dropped",
    "errors",
    "events-lost",
    "related",
    "dissected",
    *(f"created-{kind.label}" for kind in Kind),
    *(reason.value for reason in Reason),
)


class Cell(enum.IntEnum):
    """The fields of a slot, 8 bytes each; every one is written whole."""

    PID = 0
    STARTED = 1  # start time of the process in clock ticks: a pid alone may be used again
    STATE = 2
    QUEUE = 3
    BEAT = 4  # ms of boottime, once a round of the loop
    VERDICTS = 5
    LOCK_STATE = 6  # pe_nfq.templates.table: IDLE, WAITING, HOLDING
    LOCK_SINCE = 7
    SNAPSHOT = 8  # the number of the snapshot the worker decides by
    FIRST_COUNTER = 9
    CODE = 58  # `pe_nfq.code_stamp` of the worker; 0: to be replaced
    # The supervisor's (`pe_nfq.supervisor.losses`): they outlive worker and supervisor.
    PASSED_ON = 59
    LOST = 60
    BOUND_BY = 61  # netlink port of the socket of which these were counted:
    PASSED_SEEN = 62
    DROPPED_SEEN = 63


class State(enum.IntEnum):
    """Where a worker is in its life."""

    NONE = 0
    STARTING = 1
    SERVING = 2
    DRAINING = 3


_SLOT_CELLS: Final = 64
_SLOT_BYTES: Final = _SLOT_CELLS * 8
_SIZE: Final = -(-(MAX_WORKERS + 1) * _SLOT_BYTES // mmap.PAGESIZE) * mmap.PAGESIZE


class Heartbeats:
    """The shared slots of a state directory."""

    def __init__(self, state_dir: Path) -> None:
        fd = os.open(state_dir / "heartbeats", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            # Reserved at once: touching a hole of a full tmpfs would be a SIGBUS.
            os.posix_fallocate(fd, 0, _SIZE)
            self._map = mmap.mmap(fd, _SIZE)
        finally:
            os.close(fd)
        self._cells = memoryview(self._map).cast("Q")

    def slot(self, number: int) -> Any:
        """The cells of one worker: a writable view, indexed by `Cell`."""
        return self._cells[number * _SLOT_CELLS : (number + 1) * _SLOT_CELLS]


def worker_facts(state_dir: Path) -> list[dict[str, Any]]:
    """What the workers of a state directory say of themselves, or the last ones said.

    Counters are of the process; ``passed-on`` and ``lost`` of all that have served the queue.
    """
    heartbeats = Heartbeats(state_dir)
    slots = [(number, heartbeats.slot(number)) for number in range(MAX_WORKERS + 1)]
    return [
        {
            "worker": "standby" if number == STANDBY else str(number),
            "pid": int(cells[Cell.PID]),
            "lives": lives(cells),
            "queue": int(cells[Cell.QUEUE]),
            "snapshot": int(cells[Cell.SNAPSHOT]),
            "verdicts": int(cells[Cell.VERDICTS]),
            "passed-on": int(cells[Cell.PASSED_ON]),
            "lost": int(cells[Cell.LOST]),
            **{name: int(cells[at]) for at, name in enumerate(COUNTERS, Cell.FIRST_COUNTER)},
        }
        for number, cells in slots
        if cells[Cell.PID]
    ]


def process_start(pid: int) -> int:
    """The start time of a process in clock ticks, 0 when it does not live (zombies included).

    Field 22 of /proc/PID/stat; the name in field 2 may hold spaces and brackets.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return 0 if fields[0] in "ZX" else int(fields[19])


def worker_options(*, verbose: bool) -> list[str]:
    """The options that all workers of a supervisor have, and that are part of their stamp."""
    return ["--verbose"] if verbose else []


def claim(slot: Any, pid: int, queue: int) -> None:
    """Say that a process is to serve a slot.

    Said by the supervisor as soon as it has started a worker, and by the worker
    itself: a supervisor that comes in between adopts it and starts no second one.
    """
    slot[Cell.QUEUE] = queue
    slot[Cell.STARTED] = process_start(pid)
    slot[Cell.PID] = pid


def scheduling(pid: int) -> tuple[bool, int]:
    """Whether a process is runnable, and its CPU time in ns; (False, 0) when it does not live.

    The CPU time is the first field of /proc/PID/schedstat.
    """
    process = Path("/proc") / str(pid)
    try:
        state = (process / "stat").read_text().rpartition(")")[2].split()[0]
        return state == "R", int((process / "schedstat").read_text().split()[0])
    except (FileNotFoundError, ProcessLookupError):
        return False, 0


def lives(slot: Any) -> bool:
    """Whether the process that wrote a slot still lives."""
    pid, started = int(slot[Cell.PID]), int(slot[Cell.STARTED])
    return pid > 0 and started > 0 and process_start(pid) == started
