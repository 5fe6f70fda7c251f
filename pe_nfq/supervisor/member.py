"""One slot of the crew, the process that fills it, and how soon it is filled again."""

import contextlib
import os
import signal
import subprocess
from dataclasses import dataclass
from typing import Final

from pe_nfq.heartbeat import STANDBY

#: A worker that served and lived so long (ms) is started again at once; others wait, longer
#: each time. A life alone says nothing: on a slow machine a start that fails takes as long.
HEALTHY_LIFE: Final = 1000
_FIRST_BACKOFF: Final = 0.1
_LONGEST_BACKOFF: Final = 5.0
_MOST_DOUBLINGS: Final = 10


@dataclass(slots=True)
class Member:
    """`pid` 0: nobody fills the slot. `process` is there for a child of ours only."""

    slot: int
    queue: int
    pid: int = 0
    pidfd: int = -1
    process: "subprocess.Popen[bytes] | None" = None
    started: int = 0
    failures: int = 0
    #: Its end is wanted: nobody takes its place by itself.
    leaving: bool = False

    @property
    def name(self) -> str:
        """As in events: ``standby``, ``1``, ``2`` …"""
        return "standby" if self.slot == STANDBY else str(self.slot)

    def send(self, number: signal.Signals) -> None:
        """Send a signal; one that has just died, and is no child of ours, gets it no more."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, number)

    def reap(self) -> int | None:
        """How a process that has ended did, as `Popen.wait`; None: it was nobody's child of ours.

        An adopted one may be a child: of this process, before it executed itself anew.
        """
        if self.process is not None:
            return self.process.wait()
        return wait_for(os.P_PIDFD, self.pidfd)

    def count_failure(self, *, served: bool, now: int) -> None:
        """The process ended at `now` (ms), or could not be started."""
        healthy = served and now - self.started >= HEALTHY_LIFE
        self.failures = 0 if healthy else self.failures + 1

    @property
    def backoff(self) -> float:
        """How long to wait until the next start (s)."""
        if not self.failures:
            return 0.0
        # Bounded before the power, too: a queue that is taken for hours makes thousands.
        doublings = min(self.failures - 1, _MOST_DOUBLINGS)
        return float(min(_LONGEST_BACKOFF, _FIRST_BACKOFF * 2**doublings))


def wait_for(kind: int, number: int) -> int | None:
    """Reap a child that has ended, if there is such a one; its status as `Popen.wait` has it."""
    try:
        ended = os.waitid(kind, number, os.WEXITED | os.WNOHANG)
    except ChildProcessError:
        return None
    if ended is None:
        return None
    return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status


def end_of(status: int | None) -> str:
    """How a process ended, by `Popen.wait`; of one that was no child of ours nobody knows."""
    if status is None:
        return "unknown"
    return f"signal {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
