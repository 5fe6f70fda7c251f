"""A program on a terminal of its own: a pseudo-terminal that is its session's, and its screen."""

import contextlib
import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import termios
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from tests.lab.waiting import PATIENCE, wait_until

#: `struct winsize` of ioctl_tty(2).
_SIZE: Final = struct.Struct("HHHH")
_HOME: Final = "\x1b[H"
_ESCAPES: Final = re.compile(r"\x1b(\[[0-9;?]*[A-Za-z]|[()][A-Z0-9])")
_STOP_TIMEOUT: Final = 10.0 * PATIENCE


class Terminal:
    """A command that runs on `lines` of `columns`; `screen` is what it drew last, as text.

    It must draw its screen whole, from the upper left, as a live view does.
    """

    def __init__(self, command: list[str], *, columns: int = 100, lines: int = 30) -> None:
        self._master, self._terminal = os.openpty()
        self._written = ""
        self.resize(columns, lines)
        self.before = self.modes()
        self.process = subprocess.Popen(
            command,
            stdin=self._terminal,
            stdout=self._terminal,
            stderr=self._terminal,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            env=os.environ | {"TERM": "xterm-256color", "LANG": "C.UTF-8"},
        )

    def resize(self, columns: int, lines: int) -> None:
        """Make the terminal another size; its program is told by SIGWINCH."""
        self._lines = lines
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, _SIZE.pack(lines, columns, 0, 0))

    def modes(self) -> list[Any]:
        """How the terminal treats input and output (termios)."""
        return termios.tcgetattr(self._terminal)

    def press(self, keys: str) -> None:
        """Type."""
        os.write(self._master, keys.encode())

    @property
    def written(self) -> str:
        """All that has come, escape sequences included."""
        while select.select([self._master], [], [], 0)[0]:
            self._written += os.read(self._master, 1 << 16).decode("utf-8", "replace")
        return self._written

    @property
    def screen(self) -> str:
        """The last that was drawn whole: since the cursor went home, to the last line."""
        frames = reversed(self.written.split(_HOME))
        whole = (frame for frame in frames if frame.count("\n") >= self._lines - 1)
        return _ESCAPES.sub("", next(whole, ""))

    def wait_for(self, text: str, *, gone: bool = False) -> None:
        """Wait until the screen has a text, or has it no more. Raises TimeoutError."""
        what = f"{'no ' if gone else ''}{text!r} on the screen"
        try:
            wait_until(lambda: (text in self.screen) != gone, what)
        except TimeoutError as error:
            raise TimeoutError(f"{error}; it is:\n{self.screen}") from None

    def wait(self) -> int:
        """The exit status once it has ended, negative for a signal. Raises TimeoutError."""
        # Read meanwhile: a program that cannot write does not end.
        wait_until(lambda: self.written and self.process.poll() is not None, "its end")
        return self.process.returncode

    def hang_up(self) -> None:
        """The terminal goes, as when a connection breaks. Raises TimeoutError unless it ends."""
        os.close(self._master)
        self._master = os.open(os.devnull, os.O_RDWR)
        wait_until(lambda: self.process.poll() is not None, "its end")

    def wait_stopped(self) -> None:
        """Wait until it is stopped (proc_pid_stat(5)). Raises TimeoutError."""

        def is_stopped() -> bool:
            stat = Path(f"/proc/{self.process.pid}/stat").read_text()
            return stat.rpartition(")")[2].split()[0] == "T"

        wait_until(is_stopped, "its stop")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGKILL)
        self.process.wait(_STOP_TIMEOUT)
        os.close(self._master)
        os.close(self._terminal)
