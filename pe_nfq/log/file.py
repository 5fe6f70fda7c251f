"""A log file that others may rotate: renamed or removed, it is made anew (logrotate(8)).

What is being written meanwhile goes to the old one, which is as good: a
rename moves the name, not the file.
"""

import os
from pathlib import Path
from typing import Final

from pe_nfq.errors import PeNfqError

#: Of a new one, whatever the umask; of which group is a matter of its directory (setgid).
MODE: Final = 0o640
#: How often it is looked whether the name still means this file (s).
_LOOK_EVERY: Final = 1.0


class LogFile:
    """A file opened for appending; `fd` is the one to write to now.

    For one thread, but for `reopen`.
    """

    def __init__(self, path: Path) -> None:
        """Raises PeNfqError where it cannot be opened."""
        self._path = path
        self._looked = float("-inf")
        self._asked = False
        try:
            self.fd = self._open()
        except OSError as error:
            raise PeNfqError(
                f"cannot write the log to {path}: {error.strerror}; "
                "make its directory, writable for the daemon's user"
            ) from None

    def reopen(self) -> None:
        """Have the next line go to a file that is opened for it. Safe in a signal handler."""
        self._asked = True

    def is_elsewhere(self, now: float) -> bool:
        """Whether to open it again: asked to, or its name is another file's, or nobody's.

        `now` (s) is of a monotonic clock.
        """
        if self._asked:
            return True
        if now - self._looked < _LOOK_EVERY:
            return False
        self._looked = now
        try:
            there = self._path.stat()
        except OSError:
            return True
        return not os.path.samestat(there, os.fstat(self.fd))

    def open_again(self) -> int:
        """The descriptor from now on; the old one where no new one can be made."""
        self._asked = False
        try:
            new = self._open()
        except OSError:
            return self.fd
        os.close(self.fd)
        self.fd = new
        return new

    def close(self) -> None:
        """Close it; not before the writer is closed."""
        os.close(self.fd)

    def _open(self) -> int:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOCTTY
        try:
            new = os.open(self._path, flags | os.O_CREAT | os.O_EXCL, MODE)
        except FileExistsError:
            return os.open(self._path, flags)
        os.fchmod(new, MODE)
        return new
