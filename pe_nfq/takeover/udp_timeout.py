"""IPVS's UDP timeout, lowered for a while, and what becomes of it when we are killed.

The value from before is in a file until it is back, and with `guard`, a
process that outlives ours. The file is for the case that both are killed: the
next takeover finds it.
"""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pe_nfq.errors import SteeringError
from pe_nfq.ipvs.kernel import Ipvs
from pe_nfq.ipvs.objects import Timeouts

#: The kernel's unit is the second.
LOWERED: Final = 1
_FILE: Final = "ipvs-udp-timeout"


@contextlib.contextmanager
def lowered(kernel: Ipvs, state_dir: Path) -> Iterator[int]:
    """Inside, the UDP timeout is 1 s; the value before, in seconds. Raises SteeringError."""
    file = state_dir / _FILE
    before = _before(kernel, file)
    _remember(file, before)
    guard = _start_guard(file)
    try:
        kernel.set_timeouts(Timeouts(0, 0, LOWERED))
        yield before
    finally:
        restore(kernel, file)
        guard.communicate(b"done")


def restore(kernel: Ipvs, file: Path) -> None:
    """Bring back what `file` says, if there is such a file, and remove it. Raises SteeringError."""
    before = _read(file)
    if before is not None:
        kernel.set_timeouts(Timeouts(0, 0, before))
        file.unlink(missing_ok=True)


def _before(kernel: Ipvs, file: Path) -> int:
    """What an earlier one found that could not bring it back, else what there is."""
    now = kernel.timeouts().udp
    left = _read(file)
    return left if left is not None and now == LOWERED else now


def _read(file: Path) -> int | None:
    try:
        return int(file.read_text())
    except (FileNotFoundError, ValueError):
        return None


def _remember(file: Path, before: int) -> None:
    new = file.with_suffix(".new")
    try:
        with new.open("w") as opened:
            opened.write(f"{before}\n")
            opened.flush()
            os.fsync(opened.fileno())
        new.replace(file)
    except OSError as error:
        raise SteeringError(f"cannot write {file}: {error.strerror}") from None


def _start_guard(file: Path) -> "subprocess.Popen[bytes]":
    """In a session of its own: what ends a terminal's processes does not end it."""
    guard = subprocess.Popen(
        [sys.executable, "-m", "pe_nfq.takeover.guard", str(file)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    if guard.stdout is None or guard.stdout.readline() != b"ready\n":
        raise SteeringError("cannot start the process that would restore the UDP timeout")
    return guard
