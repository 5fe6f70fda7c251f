"""The epoch: a page of shared memory that tells all workers that something they cached has changed.

Workers cache what they read from the table and must notice within one
datagram when a template was moved or a snapshot published. Whoever does that
writes the number of its transaction here BEFORE it commits, while it holds
the write lock: so nobody can see the change while a cached answer from
before it still passes, and a process killed in between leaves nothing untold.

A reader takes the epoch first and the record after it. What it read may be
cached under that epoch when its transaction is not older than the epoch;
else the change is announced but not there yet, and the answer serves once.

A transaction has one number, for all that it moves, and who is killed, or
fails, before the commit leaves it to the next. So nobody caches anything
under it before it is committed, not even who moved it.
"""

import mmap
import os
from pathlib import Path
from typing import Final

#: Cells of 8 bytes; each is written whole, so a reader sees the old or the new value.
EPOCH: Final = 0
SNAPSHOT: Final = 1
OVERFLOW_UNTIL: Final = 2
_SIZE: Final = mmap.PAGESIZE


class Epoch:
    """`cells` is the shared memory: EPOCH, SNAPSHOT (number), OVERFLOW_UNTIL (ms, boottime)."""

    def __init__(self, directory: Path) -> None:
        path = directory / "epoch"
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            # Reserved at once: touching a hole of a full tmpfs would be a SIGBUS.
            os.posix_fallocate(fd, 0, _SIZE)
            self._map = mmap.mmap(fd, _SIZE)
        finally:
            os.close(fd)
        self.cells = memoryview(self._map).cast("Q")

    def close(self) -> None:
        """Unmap; other processes keep theirs."""
        self.cells.release()
        self._map.close()
