"""One supervisor a state directory: who is it? A lock that ends with its holder, and its pid.

The kernel releases the lock with the process (flock(2)), so no death leaves a stale one.
"""

import contextlib
import fcntl
import os
from pathlib import Path
from typing import Final

from pe_nfq.errors import PeNfqError

_NAME: Final = "supervisor.lock"
#: The longest pid has 7 digits (PID_MAX_LIMIT).
_LONGEST: Final = 20


def refuse_second(state_dir: Path) -> None:
    """Make nothing, and raise PeNfqError where a supervisor serves the state directory already."""
    with contextlib.suppress(OSError):  # `take` says it
        pid = holder(state_dir)
        if pid is not None:
            raise _taken(state_dir, pid)


def take(state_dir: Path) -> int:
    """Be the only supervisor of a state directory, which is made; the lock's descriptor.

    Raises PeNfqError.
    """
    try:
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(state_dir / _NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise PeNfqError(f"cannot use state_dir {state_dir}: {error.strerror}") from None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pid = _pid(fd)
        os.close(fd)
        raise _taken(state_dir, pid) from None
    try:
        os.ftruncate(fd, 0)
        os.write(fd, str(os.getpid()).encode())
    except OSError as error:
        raise PeNfqError(f"cannot write in state_dir {state_dir}: {error.strerror}") from None
    return fd


def holder(state_dir: Path) -> int | None:
    """The pid of the supervisor that serves a state directory; None where none does.

    Makes nothing. Raises OSError where it cannot be known.
    """
    try:
        fd = os.open(state_dir / _NAME, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _pid(fd)
    finally:
        os.close(fd)
    return None


def _taken(state_dir: Path, pid: int) -> PeNfqError:
    return PeNfqError(
        f"{state_dir}: supervisor {pid} runs here; "
        "stop it first: two would undo each other's changes"
    )


def _pid(fd: int) -> int:
    """0 while its owner has not written it yet."""
    digits = os.read(fd, _LONGEST)
    return int(digits) if digits.isdigit() else 0
