"""Which events become lines: verbosity, and a budget of lines a second. Pure: time is passed in.

A flood of one event must not silence the others, so events that a sender can
cause have a small budget of their own, and trouble, changes and dialogs each
have theirs: a start with 1,000 services, a line each, does not silence that it
is ready. What is kept back is counted by event.
"""

from collections import Counter
from typing import Final

from pe_nfq.budget import Budget
from pe_nfq.log.table import CHANGES, DIALOGS, EVENTS, TROUBLE, UNLISTED

#: Why a line was not written.
OVER_BUDGET: Final = "rate"
NOT_TAKEN: Final = "output"

_REPORT_EVERY: Final = 1000


class Gate:
    """Times are milliseconds of any steady clock."""

    def __init__(self, verbosity: int, rate: int) -> None:
        self.limit(verbosity, rate)
        self._own = {event: Budget(row.most) for event, row in EVENTS.items()}
        self._unlisted = Budget(UNLISTED.most)
        self._kept_back = {OVER_BUDGET: Counter[str](), NOT_TAKEN: Counter[str]()}
        self._reported = 0

    def limit(self, verbosity: int, rate: int) -> None:
        """Go by these from now on."""
        self._verbosity = verbosity
        self._shared = {level: Budget(rate) for level in (TROUBLE, CHANGES, DIALOGS)}

    def admits(self, event: str, now: int) -> bool:
        """Whether an event at `now` becomes a line."""
        level = EVENTS.get(event, UNLISTED).level
        if level > self._verbosity:
            return False
        shared = self._shared[min(level, DIALOGS)]
        if self._own.get(event, self._unlisted).take(now) and shared.take(now):
            return True
        self._count(OVER_BUDGET, event)
        return False

    def lost(self, event: str) -> None:
        """Count a line that was admitted, and that nobody took."""
        self._count(NOT_TAKEN, event)

    def _count(self, why: str, event: str) -> None:
        # Names that are not listed come from elsewhere: they must not grow the counters.
        self._kept_back[why][event if event in EVENTS else "unlisted"] += 1

    def report(self, now: int, *, last: bool = False) -> dict[str, dict[str, int]]:
        """What was kept back and not reported yet: why -> event -> lines.

        Empty when nothing was, or when the last report is less than a second
        old and this is not the last.
        """
        if now - self._reported < _REPORT_EVERY and not last:
            return {}
        self._reported = now
        return {why: dict(counts) for why, counts in self._kept_back.items() if counts}

    def reported(self, why: str, counts: dict[str, int]) -> None:
        """Forget what a written report said."""
        self._kept_back[why] -= Counter(counts)
