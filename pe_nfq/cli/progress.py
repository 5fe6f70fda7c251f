"""One line on a terminal that says how far something is, and is gone afterwards; none in a pipe."""

import shutil
import sys
import time
from typing import Final

#: A terminal is written to no more often (s).
_EVERY: Final = 0.1
_CLEAR: Final = "\r\x1b[K"


class Progress:
    """On stderr, where that is a terminal: stdout may go into a file."""

    def __init__(self) -> None:
        self.is_shown = sys.stderr.isatty()
        self._next = 0.0
        self._is_dirty = False

    def show(self, text: str) -> None:
        """In the place of what was shown before."""
        if not self.is_shown or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _EVERY
        self._is_dirty = True
        width = shutil.get_terminal_size().columns - 1
        sys.stderr.write(_CLEAR + text[:width])
        sys.stderr.flush()

    def clear(self) -> None:
        """Before anything else is printed."""
        if self._is_dirty:
            sys.stderr.write(_CLEAR)
            sys.stderr.flush()
            self._is_dirty, self._next = False, 0.0
