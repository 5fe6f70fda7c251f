"""What the supervisor's own process does for it: its log, and executing another program in it."""

import signal
import threading
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
    """Let them wait for the next program, or until `release_signals`. For the main thread."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _WAITING)
    for number in _WAITING:
        signal.signal(number, _put_off)


def _put_off(number: int, _frame: object) -> None:
    """Another thread has caught it: a mask is one thread's. It waits for this one, which has it."""
    signal.pthread_kill(threading.get_ident(), number)


def release_signals() -> None:
    """Take those that came while the last program made way: all handlers are there now."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _WAITING)
