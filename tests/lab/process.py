"""A program that the lab started: its output in a file, waited for, stopped by pid."""

import signal
import subprocess
from pathlib import Path
from typing import Final

from tests.lab.waiting import PATIENCE, wait_until

#: How long a program may take to obey a signal before it is killed.
STOP_TIMEOUT: Final = 5.0 * PATIENCE


class Process:
    """A running program; stdout goes to `NAME.out`, stderr to `NAME.err` in `directory`."""

    def __init__(self, command: list[str], name: str, directory: Path) -> None:
        self.command = command
        self.out = directory / f"{name}.out"
        self.err = directory / f"{name}.err"
        with self.out.open("wb") as out, self.err.open("wb") as err:
            # a session of its own: Ctrl-C is for the lab, which then stops everything in order
            self._popen = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True
            )

    @property
    def pid(self) -> int:
        """The program's process id (`ip netns exec` becomes the program, it does not fork)."""
        return self._popen.pid

    @property
    def status(self) -> int | None:
        """The exit status, negative for a signal; None while it runs."""
        return self._popen.poll()

    def wait(self, timeout: float) -> int:
        """Wait for its end. Raises TimeoutError."""
        wait_until(lambda: self.status is not None, f"the end of {self}", timeout)
        return self._popen.returncode

    def wait_for_output(self, text: str, timeout: float = 10.0) -> None:
        """Wait until it has written `text`. Raises TimeoutError, or RuntimeError when it ended."""

        def written() -> bool:
            if text in self.out.read_text() or text in self.err.read_text():
                return True
            if self.status is not None:
                raise RuntimeError(f"{self} ended with {self.status}: {self.err.read_text()}")
            return False

        wait_until(written, f"{text!r} from {self}", timeout)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to end, kill it when it does not; its exit status."""
        if self.status is None:
            self._popen.send_signal(how)
        try:
            return self._popen.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            return self._popen.wait(STOP_TIMEOUT)

    def __str__(self) -> str:
        return " ".join(self.command)
