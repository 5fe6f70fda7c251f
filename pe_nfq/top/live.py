"""The live view: draws when a look, a key or another size of the terminal has come.

The terminal is given back as it was on every way out: the end, an error, a signal that ends
the process or stops it.
"""

import contextlib
import os
import select
import signal
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Final

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from pe_nfq.top.choice import Choice, press
from pe_nfq.top.keys import Keyboard
from pe_nfq.top.looks import Look, Looks, Viewer
from pe_nfq.top.size import Size
from pe_nfq.top.view import page, screen

#: Smaller ones would show nothing that can be read.
_LEAST: Final = Size(60, 15)
_BELLS: Final = 4096


def show(viewer: Viewer, interval: float) -> int:
    """Show the director until `q`, or a signal; the exit status."""
    console = Console(highlight=False)
    looks = Looks(viewer.look, interval)
    try:
        with _ending_signals(), Keyboard(sys.stdin.fileno()) as keyboard:
            return _View(console, looks, keyboard).run()
    except _EndedError as ended:
        return 128 + ended.number
    finally:
        looks.end()


class _EndedError(Exception):
    """A signal that ends the process: raised, so that the terminal is restored on the way."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class _View:
    def __init__(self, console: Console, looks: Looks, keyboard: Keyboard) -> None:
        self._console = console
        self._looks = looks
        self._keyboard = keyboard
        self._choice = Choice()
        self._shown = Look(None)
        self._live = Live(
            console=console, screen=True, auto_refresh=False, vertical_overflow="crop"
        )

    def run(self) -> int:
        with self._waking() as woken, self._live:
            stdin = sys.stdin.fileno()
            while not self._choice.quits:
                self._draw()
                ready, _, _ = select.select([stdin, self._looks.fd, woken], [], [])
                if self._looks.fd in ready:
                    os.read(self._looks.fd, _BELLS)
                if woken in ready and signal.SIGTSTP in os.read(woken, _BELLS):
                    self._stop()
                if stdin in ready:
                    self._press()
        return 0

    def _draw(self) -> None:
        newest = self._looks.newest
        if not self._choice.paused or self._shown.picture is None:
            self._shown = newest
        elif newest.trouble != self._shown.trouble:
            self._shown = Look(self._shown.picture, newest.trouble)
        self._live.update(self._renderable(), refresh=True)

    def _renderable(self) -> RenderableType:
        size, look = self._size(), self._shown
        if size.columns < _LEAST.columns or size.lines < _LEAST.lines:
            return Text(f"at least {_LEAST.columns} columns and {_LEAST.lines} lines are needed")
        if look.picture is None:
            return Text(look.trouble or "asking the daemon ...")
        return screen(look.picture, self._choice, size, look.trouble)

    def _size(self) -> Size:
        columns, lines = self._console.size
        ascii_only = not self._console.encoding.startswith("utf")
        return Size(columns, lines, ascii_only)

    def _press(self) -> None:
        for key in self._keyboard.read():
            shown = self._shown.picture
            counts = page(shown, self._choice, self._size()) if shown else (0, 0)
            self._choice = press(self._choice, key, *counts)

    def _stop(self) -> None:
        """Ctrl-Z: the shell gets its terminal, and we ours back when it lets us go on."""
        self._live.stop()
        with self._keyboard.away():
            os.kill(os.getpid(), signal.SIGSTOP)
        self._live.start(refresh=True)

    @contextlib.contextmanager
    def _waking(self) -> Iterator[int]:
        """A descriptor with the numbers of signals that draw anew, or stop: SIGWINCH, SIGTSTP."""
        woken, bell = os.pipe()
        for end in (woken, bell):
            os.set_blocking(end, False)
        before = signal.set_wakeup_fd(bell, warn_on_full_buffer=False)
        handlers = {
            number: signal.signal(number, _noticed) for number in (signal.SIGWINCH, signal.SIGTSTP)
        }
        try:
            yield woken
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(before)
            os.close(woken)
            os.close(bell)


def _noticed(_number: int, _frame: FrameType | None) -> None:
    """The wake-up descriptor has said it."""


@contextlib.contextmanager
def _ending_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP end by an exception, as SIGINT does."""

    def end(number: int, _frame: FrameType | None) -> None:
        raise _EndedError(number)

    handlers = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
