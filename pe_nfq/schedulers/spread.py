"""A dest from the key alone, alike in every worker and director: for dialogs without a record.

Weighted rendezvous (Thaler and Ravishankar 1998; weights by -ln(u) / weight,
Schindelhauer and Schomaker 2005): each key ranks all dests by a draw of its
own for each, and the best takes it. So when a dest goes only its own keys
move, and when one comes keys move only to it. A Maglev table is about as
fast but also moves a few keys between dests that stay, and a dialog without
a record has nothing else that holds it.

Ranking costs one hash a dest, so keys are gathered in slots, and a slot's
best dest is kept.
"""

import hashlib
import math
from array import array
from collections.abc import Iterable
from functools import lru_cache
from typing import Final, NamedTuple

from pe_nfq.model import RealServer
from pe_nfq.schedulers import Eligible
from pe_nfq.schedulers.derived import MAX_TUPLES, Derived

#: Slots of a ranking, 4 bytes each. A dest's share of n equal ones is off by
#: sqrt(n / SLOTS): 1.4 % (one sigma) for 3 dests, 8 % for 100.
SLOTS: Final = 1 << 14

#: What decides a dest's part of the keys: its address and port as text, and its weight.
Share = tuple[bytes, int]


def key_hash(key: bytes) -> int:
    """64 bits of a template key. Not secret: every director has to compute the same."""
    return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest())


class Ranking:
    """For each slot, which of `shares` comes first."""

    def __init__(self, shares: tuple[Share, ...]) -> None:
        self._shares = [(hashlib.blake2b(label, digest_size=8), weight) for label, weight in shares]
        self._all = range(len(shares))
        # Index + 1, as 0 says that the slot was not asked for yet.
        self._first = array("I", bytes(4 * SLOTS))

    def first(self, slot: int) -> int:
        """The index of the best of all."""
        found = self._first[slot]
        if not found:
            found = self._first[slot] = self.best(slot, self._all) + 1
        return found - 1

    def best(self, slot: int, among: Iterable[int]) -> int:
        """The index of the best of `among`, which must not be empty."""
        return min(among, key=lambda index: self._rank(slot, index))

    def _rank(self, slot: int, index: int) -> float:
        label, weight = self._shares[index]
        draw = label.copy()
        draw.update(slot.to_bytes(4))
        return -math.log((int.from_bytes(draw.digest()) + 1) / (1 << 64)) / weight


class Ranked(NamedTuple):
    """Dests with a weight in the order of their addresses, which is a ranking's."""

    dests: tuple[RealServer, ...]
    ranking: Ranking


def by_endpoint(dests: tuple[RealServer, ...]) -> tuple[RealServer, ...]:
    """Those with a weight, in an order that does not depend on the list's."""
    return tuple(sorted((d for d in dests if d.weight > 0), key=lambda d: (d.endpoint, d.id)))


def shares(dests: tuple[RealServer, ...]) -> tuple[Share, ...]:
    """The share of each dest."""
    return tuple((str(dest.endpoint).encode(), dest.weight) for dest in dests)


# A new snapshot brings new tuples also for services that did not change: theirs are kept by value.
_ranking: Final = lru_cache(MAX_TUPLES)(Ranking)


def _rank(dests: tuple[RealServer, ...]) -> Ranked:
    ordered = by_endpoint(dests)
    return Ranked(ordered, _ranking(shares(ordered)))


_ranked: Final = Derived(_rank)


def deterministic_choice(
    dests: tuple[RealServer, ...], key: bytes, eligible: Eligible
) -> RealServer | None:
    """The dest for a template key, without state. None: no dest is eligible.

    The same for the same dests in any order and any process. `key` is as in
    `Dialog`, `dests` as in `Scheduler.choose`: remembered by identity.
    """
    ordered, ranking = _ranked.of(dests)
    if not ordered:
        return None
    slot = key_hash(key) % SLOTS
    dest = ordered[ranking.first(slot)]
    if eligible(dest):
        return dest
    rest = [index for index, other in enumerate(ordered) if eligible(other)]
    return ordered[ranking.best(slot, rest)] if rest else None
