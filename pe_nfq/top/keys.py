"""The terminal's side: bytes of keys as names, and a terminal that is given back as it was.

Sequences are those of ECMA-48 cursor keys, as xterm, the Linux console and screen send them.
"""

import contextlib
import os
import select
import termios
import tty
from collections.abc import Iterator
from typing import Final, Self

_ESCAPE: Final = "\x1b"
#: A sequence comes in one piece, or nearly: an Escape that nothing follows for so long is the key.
SEQUENCE_WAIT: Final = 0.05
#: Longer than any sequence of a key; what is longer is none.
_LONGEST: Final = 8
_READ: Final = 1024

_NAMES: Final = {
    "\x1b[A": "up",
    "\x1b[B": "down",
    "\x1bOA": "up",
    "\x1bOB": "down",
    "\x1b[5~": "page-up",
    "\x1b[6~": "page-down",
    "\x1b[H": "home",
    "\x1b[F": "end",
    "\x1bOH": "home",
    "\x1bOF": "end",
    "\x1b[1~": "home",
    "\x1b[4~": "end",
    "\r": "enter",
    "\n": "enter",
    "\x7f": "backspace",
    "\x08": "backspace",
}


class Decoder:
    """Bytes as they come -> names of keys; what is no key of ours is left out."""

    def __init__(self) -> None:
        self.pending = ""

    def feed(self, data: bytes) -> list[str]:
        """The keys that are complete. What may go on stays in `pending`."""
        self.pending += data.decode("utf-8", "replace")
        keys = []
        while self.pending:
            key = self._next()
            if key is None:
                break
            if key:
                keys.append(key)
        return keys

    def flush(self) -> list[str]:
        """Nothing more has come: a lone Escape is the key, an unfinished sequence nothing."""
        pending, self.pending = self.pending, ""
        return ["escape"] if pending == _ESCAPE else []

    def _next(self) -> str | None:
        """Take one key off; "" for what is none, None when it may go on."""
        if not self.pending.startswith(_ESCAPE):
            key, self.pending = self.pending[0], self.pending[1:]
            return _NAMES.get(key, key if key.isprintable() else "")
        length = _sequence(self.pending)
        if length is None:
            return None
        sequence, self.pending = self.pending[:length], self.pending[length:]
        return "escape" if sequence == _ESCAPE else _NAMES.get(sequence, "")


def _sequence(text: str) -> int | None:
    """How long the sequence at the start of `text` is; None when it is not complete."""
    if len(text) == 1:
        return None
    if text[1] not in "[O":
        return 1
    for at, letter in enumerate(text[2:_LONGEST], 2):
        # Parameters are digits and semicolons; the letter, or ~, ends it.
        if not (letter.isdigit() or letter == ";"):
            return at + 1
    return None if len(text) < _LONGEST else _LONGEST


class Keyboard:
    """A terminal that gives each key at once and shows none, until it is closed.

    Ctrl-C and Ctrl-Z stay signals. Raises termios.error where `fd` is no terminal.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._decoder = Decoder()
        self._before = termios.tcgetattr(fd)

    def __enter__(self) -> Self:
        tty.setcbreak(self._fd, termios.TCSADRAIN)
        return self

    def __exit__(self, *_: object) -> None:
        termios.tcsetattr(self._fd, termios.TCSADRAIN, self._before)

    @contextlib.contextmanager
    def away(self) -> Iterator[None]:
        """The terminal as it was, while the process is stopped."""
        self.__exit__()
        try:
            yield
        finally:
            self.__enter__()

    def read(self) -> list[str]:
        """The keys that were pressed; waits only for the rest of a sequence. Raises EOFError.

        EOFError: the terminal has gone.
        """
        keys = self._decoder.feed(self._bytes())
        while self._decoder.pending:
            if not select.select([self._fd], [], [], SEQUENCE_WAIT)[0]:
                return keys + self._decoder.flush()
            keys += self._decoder.feed(self._bytes())
        return keys

    def _bytes(self) -> bytes:
        try:
            data = os.read(self._fd, _READ)
        except OSError:
            data = b""
        if not data:
            raise EOFError
        return data
