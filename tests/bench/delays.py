"""What an open-loop run says of delays and gaps. Pure.

Delays count from when a datagram was due, not from when it was sent: one that
could not be sent because an earlier one held up the sender was delayed too.
"""

import itertools
import math
from array import array
from collections.abc import Sequence
from typing import Final, NamedTuple

_FIELDS: Final = 3
_US: Final = 1000
_SHARES: Final = (0.5, 0.99, 0.999, 1.0)


class Trip(NamedTuple):
    """One datagram of the timetable, ns; `arrived` 0: never."""

    due: int
    sent: int
    arrived: int


class Delays(NamedTuple):
    """Microseconds. `gap`: the longest time between two arrivals, beyond what was due between them.

    `late` is the sender's own share: the 99th percentile of sent behind due.
    """

    p50: float
    p99: float
    p999: float
    max: float
    gap: float
    late: float
    lost: int


def decode(record: bytes) -> list[Trip]:
    """What `pacer.c` wrote, a trip for each line of the timetable."""
    numbers = array("q", record).tolist()
    return [Trip(*numbers[at : at + _FIELDS]) for at in range(0, len(numbers), _FIELDS)]


def delays(trips: Sequence[Trip]) -> Delays:
    """Of trips in the order of time. Raises RuntimeError when nothing has arrived."""
    arrived = [trip for trip in trips if trip.arrived]
    if not arrived:
        raise RuntimeError("no datagram arrived: not a measurement")
    waited = sorted(trip.arrived - trip.due for trip in arrived)
    late = sorted(trip.sent - trip.due for trip in trips)
    p50, p99, p999, longest = (percentile(waited, share) / _US for share in _SHARES)
    return Delays(
        p50,
        p99,
        p999,
        longest,
        gap=longest_gap(arrived) / _US,
        late=percentile(late, 0.99) / _US,
        lost=len(trips) - len(arrived),
    )


def percentile(ordered: Sequence[int], share: float) -> int:
    """The smallest value that `share` of all do not exceed (nearest rank)."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def longest_gap(trips: Sequence[Trip]) -> int:
    """Between two arrivals that follow each other, less the time between when they were due (ns).

    What two workers decide can arrive in another order than it was due.
    """
    ordered = sorted(trips, key=lambda trip: trip.arrived)
    gaps = (
        (after.arrived - before.arrived) - max(0, after.due - before.due)
        for before, after in itertools.pairwise(ordered)
    )
    return max(0, max(gaps, default=0))
