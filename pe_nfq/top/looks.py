"""Looks at the daemon, one each interval, in a thread: keys answer also while it does not."""

import json
import os
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pe_nfq.control.client import LOOK_LIMIT, SilentError, ask
from pe_nfq.errors import ControlError
from pe_nfq.top.picture import Picture
from pe_nfq.top.rates import Status, picture

#: Workers tell what they have counted once a second (`pe_nfq.tally`): over so many seconds a rate
#: hardly shows when.
WINDOW: Final = 5.0
_SILENT: Final = "the daemon does not answer: it is stopped (SIGSTOP), or busy"


@dataclass(frozen=True, slots=True)
class Look:
    """The newest picture there is, or None; `trouble` says why it is not new."""

    picture: Picture | None
    trouble: str = ""


class Viewer:
    """Makes pictures of the answers of a state directory's daemon."""

    def __init__(self, state_dir: Path, limit: float = LOOK_LIMIT) -> None:
        """`limit`: seconds that the daemon has for an answer."""
        self._state_dir = state_dir
        self._limit = limit
        self._before: deque[Status] = deque()
        self._last: Picture | None = None

    def look(self) -> Look:
        """Ask once. A daemon that is gone, or silent, is trouble, no error: it may come back."""
        try:
            status = _status(self._state_dir, self._limit)
            if not self._before or self._before[-1]["now"] != status["now"]:
                self._last = self._picture(status)
        except SilentError:
            # In words of our own: those of the client are for changes, which may still come.
            return Look(self._last, _SILENT)
        except ControlError as error:
            return Look(self._last, str(error))
        except (KeyError, TypeError, ValueError, AttributeError):
            return Look(self._last, "the daemon answers as another version: use its pe-nfq top")
        return Look(self._last)

    def _picture(self, status: Status) -> Picture:
        """With rates since the newest look that is `WINDOW` old, or the oldest there is."""
        looks = self._before
        while len(looks) > 1 and looks[1]["now"] <= status["now"] - WINDOW:
            looks.popleft()
        if looks and (looks[0]["pid"], looks[0]["started"]) != (status["pid"], status["started"]):
            # Another run of the daemon: its totals began anew.
            looks.clear()
        made = picture(looks[0] if looks else None, status)
        looks.append(status)
        return made


def _status(state_dir: Path, limit: float) -> Status:
    answer = ask(state_dir, "status", limit=limit)
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
        while not self._ended.is_set():
            self.newest = self._look()
            os.write(self._bell, b"\0")
            # From the answer on: asked sooner, the daemon would give the same one again.
            self._ended.wait(self._interval)

    def end(self) -> None:
        """Stop after the look that is being made."""
        self._ended.set()
