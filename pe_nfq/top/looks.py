"""Looks at the daemon, one each interval, in a thread: keys answer also while it does not."""

import json
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pe_nfq.control.client import ask
from pe_nfq.errors import ControlError
from pe_nfq.top.rates import Picture, Status, picture


@dataclass(frozen=True, slots=True)
class Look:
    """The newest picture there is, or None; `trouble` says why it is not new."""

    picture: Picture | None
    trouble: str = ""


class Viewer:
    """Makes pictures of the answers of a state directory's daemon."""

    def __init__(self, state_dir: Path) -> None:
        self._state_dir = state_dir
        self._before: Status | None = None
        self._last: Picture | None = None

    def look(self) -> Look:
        """Ask once. A daemon that is gone is trouble, not an error: it may come back."""
        try:
            status = _status(self._state_dir)
            self._last = picture(self._before, status)
        except ControlError as error:
            return Look(self._last, str(error))
        except (KeyError, TypeError, ValueError, AttributeError):
            return Look(self._last, "the daemon answers as another version: use its pe-nfq top")
        self._before = status
        return Look(self._last)


def _status(state_dir: Path) -> Status:
    answer = ask(state_dir, "status")
    if answer.status:
        raise ControlError(answer.err.strip() or f"status {answer.status}")
    status: Status = json.loads(answer.out)
    return status


class Looks:
    """Looks on and on; `fd` is readable when there is a new one."""

    def __init__(self, look: Callable[[], Look], interval: float) -> None:
        self._look = look
        self._interval = interval
        self._ended = threading.Event()
        self.fd, self._bell = os.pipe()
        os.set_blocking(self.fd, False)
        os.set_blocking(self._bell, False)
        self.newest = Look(None)
        # Not waited for at the end: it may be in a request that a stopped daemon never answers.
        self._thread = threading.Thread(target=self._run, daemon=True, name="looks")
        self._thread.start()

    def _run(self) -> None:
        due = time.monotonic()
        while not self._ended.is_set():
            self.newest = self._look()
            os.write(self._bell, b"\0")
            # No look is made up for: a slow daemon is not asked faster.
            due = max(due + self._interval, time.monotonic())
            self._ended.wait(due - time.monotonic())

    def end(self) -> None:
        """Stop after the look that is being made."""
        self._ended.set()
