"""One line on a terminal that says how far something is, and is gone afterwards; none in a pipe."""

import contextlib
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Final

#: A terminal is written to no more often (s).
_EVERY: Final = 0.1
_CLEAR: Final = "\r\x1b[K"
#: What is over sooner needs no words (s).
_TICK: Final = 0.5


class Progress:
    """On stderr, where that is a terminal: stdout may go into a file."""

    def __init__(self) -> None:
        # A dumb terminal cannot erase. There are no colours here that NO_COLOR could forbid.
        self.is_shown = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
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


@contextlib.contextmanager
def shown_while(what: str) -> Iterator[Callable[[str], None]]:
    """Say `what`, and for how long already, while the block waits for something; then erase it.

    The function that it gives changes what is said. Nothing is shown of what is over at once.
    """
    progress, over, said = Progress(), threading.Event(), [what]
    begin = time.monotonic()

    def tick() -> None:
        while not over.wait(_TICK):
            progress.show(f"{said[-1]} … {time.monotonic() - begin:.0f} s")

    thread = threading.Thread(target=tick, name="progress", daemon=True)
    if progress.is_shown:
        thread.start()
    try:
        yield said.append
    finally:
        over.set()
        if progress.is_shown:
            thread.join()
        progress.clear()
