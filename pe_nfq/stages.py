"""How long the stages of the path take, by samples: one round of a worker in each 100 ms.

In between nothing is measured and nothing is spent: a round is measured by
putting a timed function in the place of a plain one.
"""

from bisect import bisect_left
from typing import Final

from pe_nfq.tally import Tally

#: A datagram that was answered from the cache; one that was kept for the table, with its share of
#: the transaction; a message of verdicts to the kernel.
KNOWN: Final = "known"
SETTLE: Final = "settle"
VERDICT: Final = "verdict"
STAGES: Final = (KNOWN, SETTLE, VERDICT)

#: Upper bounds of the buckets (us); there is one more bucket, for what takes longer.
EDGES: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 5000, 20000)
#: From one sample to the next (ms).
SAMPLE_EVERY: Final = 100

_EDGES_NS: Final = tuple(edge * 1000 for edge in EDGES)
#: The sum of all samples of a stage (ns) stands behind its buckets.
SUM: Final = len(EDGES) + 1


class Stages:
    """Counts samples in a tally: the stage is the word, its bucket or `SUM` the number."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._next = 0

    def is_due(self, now: int) -> bool:
        """Whether to take a sample at `now` (ms); then no other for a while."""
        if now < self._next:
            return False
        self._next = now + SAMPLE_EVERY
        return True

    def took(self, stage: str, ns: int, times: int = 1) -> None:
        """Something took `ns` nanoseconds, each of so many times."""
        self._tally.count(stage, bisect_left(_EDGES_NS, ns), times)
        self._tally.count(stage, SUM, ns * times)
