"""The totals of what workers tally, since this supervisor began."""

from collections import Counter
from collections.abc import Mapping
from itertools import accumulate
from typing import Any, Final

from pe_nfq.marks import Marks
from pe_nfq.model import RealServer, Reason, Snapshot, VirtualService
from pe_nfq.stages import EDGES, STAGES, SUM
from pe_nfq.tally import CREATED, MARK, MOVED_IN, MOVED_OUT, TALLY

_OF_DESTS: Final = (CREATED, MOVED_IN, MOVED_OUT)
_REASONS: Final = tuple(reason.value for reason in Reason)
#: What a record may count: words that come from elsewhere must not grow the totals.
_WORDS: Final = frozenset((MARK, *_OF_DESTS, *_REASONS, *STAGES))


class Tallies:
    """Sums records of `pe_nfq.tally`; questions are answered by lookups, from any thread."""

    def __init__(self, mark_base: int) -> None:
        self._marks = Marks(mark_base)
        self._totals: Counter[tuple[str, int]] = Counter()

    def takes(self, record: Mapping[str, Any]) -> bool:
        """Whether the record was a tally; then it is added."""
        if record.get("event") != TALLY:
            return False
        grown = record.get("grown")
        for item in grown if isinstance(grown, list) else ():
            match item:
                case [str(word), int(number), int(amount)] if word in _WORDS:
                    self._totals[word, number] += amount
        return True

    def learn(self, snapshot: Snapshot) -> None:
        """Forget servers and services that are no more: their numbers will be others'."""
        marks, services = self._marks, snapshot.services
        dests = {dest.id for service in services for dest in service.dests}
        returning = {_returning(marks, service) for service in services}
        ids = {service.id for service in services}
        known = {MARK: returning.union(map(marks.decided, dests))}
        known |= dict.fromkeys(_OF_DESTS, dests) | dict.fromkeys(_REASONS, ids)
        totals = self._totals
        for word, number in [key for key in totals if key[0] in known]:
            if number not in known[word]:
                del totals[word, number]

    def of_dest(self, dest: RealServer) -> dict[str, int]:
        """Datagrams to it, dialogs that began there, and those that moved there or away."""
        of = self._totals
        return {
            "datagrams": of[MARK, self._marks.decided(dest.id)],
            "dialogs": of[CREATED, dest.id],
            "moved_in": of[MOVED_IN, dest.id],
            "moved_out": of[MOVED_OUT, dest.id],
        }

    def passed(self, service: VirtualService) -> dict[str, int]:
        """Its datagrams that got no decided mark, by reason."""
        counts = ((reason, self._totals[reason, service.id]) for reason in _REASONS)
        return {reason: count for reason, count in counts if count}

    def outbound(self, service: VirtualService) -> int:
        """Datagrams of its servers that left in its name."""
        return self._totals[MARK, _returning(self._marks, service)]

    def stages(self) -> dict[str, dict[str, Any]]:
        """Histograms: (upper bound in us, count up to it), sum (us), count of all."""
        return {stage: self._histogram(stage) for stage in STAGES}

    def _histogram(self, stage: str) -> dict[str, Any]:
        counts = [self._totals[stage, bucket] for bucket in range(len(EDGES) + 1)]
        *below, count = accumulate(counts)
        buckets = [[edge, number] for edge, number in zip(EDGES, below, strict=True)]
        return {"buckets": buckets, "sum_us": self._totals[stage, SUM] / 1000, "count": count}


def _returning(marks: Marks, service: VirtualService) -> int:
    return marks.returning(str(service))
