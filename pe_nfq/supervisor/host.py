"""What the supervisor's own process does for it: its log, and executing another program in it."""

import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NoReturn

from pe_nfq.errors import PeNfqError

#: What may come while one program makes way for the next: it waits (execve(2) keeps mask and
#: pending signals) until the next one knows what to do with it, where it would end it by default.
_WAITING: Final = {
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGUSR1,
    signal.SIGUSR2,
}


def _cannot(command: list[str]) -> NoReturn:
    raise PeNfqError(f"this process cannot execute {command[0]}: restart pe-nfq")


@dataclass(frozen=True, slots=True)
class Host:
    """`limit_log(verbosity, rate)` sets what the log takes.

    `execute(command)` does not return; raises PeNfqError where it cannot. `log_lost()`:
    lines that no output took.
    """

    limit_log: Callable[[int, int], None] = lambda _verbosity, _rate: None
    execute: Callable[[list[str]], NoReturn] = _cannot
    log_lost: Callable[[], int] = lambda: 0


def hold_signals() -> None:
    """Let them wait for the next program, or until `release_signals`."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _WAITING)


def release_signals() -> None:
    """Take those that came while the last program made way: all handlers are there now."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _WAITING)
