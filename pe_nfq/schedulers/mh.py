"""Maglev hashing (kernel: ip_vs_mh.c; Eisenbud et al., NSDI 2016, section 3.4).

Every dest prefers the slots of a table in an order of its own; they take
turns at taking the best that is free, as often as their weights say. An
overloaded dest's keys have no dest, as in the kernel, but with `mh-fallback`.
Differences from the kernel's, so that the two give different dests:

- it hashes the whole template key (by BLAKE2; the kernel's key of SipHash is a
  constant), the kernel the client address, which for a trunk is one and the
  same; `mh-port` adds the client's port in both;
- turns are spread evenly over a round instead of taken in a row, which makes
  shares exact to a slot and leaves no dest without one;
- a dest of weight 0 has no slots: its keys go to others. The kernel keeps it
  in the table with the weight it had and leaves its clients without a dest;
- with `mh-fallback` a key goes where `spread` puts it: the kernel's repeated
  hashing may miss the last eligible dest.
"""

import hashlib
from array import array
from functools import lru_cache
from typing import Final, NamedTuple

from pe_nfq.model import RealServer
from pe_nfq.schedulers import API_VERSION, Dialog, Eligible, Load, Scheduler
from pe_nfq.schedulers.derived import MAX_TUPLES, Derived
from pe_nfq.schedulers.flags import FALLBACK, PORT, SchedFlags
from pe_nfq.schedulers.spread import Share, by_endpoint, deterministic_choice, key_hash, shares

#: Slots of a table: one of the kernel's primes. Its default, 4,093, gives each of 100 equal
#: dests 40 or 41 slots (2.4 %), too coarse for weights; the paper asks for 100 slots a dest.
#: 65,521 takes 50 to 100 ms to fill while the template table is locked; this takes 8 to 20.
TABLE_SIZE: Final = 16381


class Maglev(NamedTuple):
    """Dests with a weight in the order of their addresses, and the index of each slot's owner."""

    dests: tuple[RealServer, ...]
    table: "array[int]"


@lru_cache(MAX_TUPLES)  # by value, for the same reason as in `spread`
def fill(shares: tuple[Share, ...]) -> "array[int]":
    """The owners of all slots (ip_vs_mh_populate). `shares` must not be empty, all weights > 0."""
    table = array("i", [-1]) * TABLE_SIZE
    places = [_preference(label) for label, _ in shares]
    for index in _turns([weight for _, weight in shares]):
        slot, skip = places[index]
        while table[slot] >= 0:
            slot = (slot + skip) % TABLE_SIZE
        table[slot] = index
        places[index] = slot, skip
    return table


def _preference(label: bytes) -> tuple[int, int]:
    """First slot and skip of a dest's permutation (ip_vs_mh_permutate)."""
    digest = hashlib.blake2b(label, digest_size=16).digest()
    offset, skip = int.from_bytes(digest[:8]), int.from_bytes(digest[8:])
    return offset % TABLE_SIZE, skip % (TABLE_SIZE - 1) + 1


def _turns(weights: list[int]) -> list[int]:
    """Whose turn it is, for every slot: turn k of a dest comes at the moment k / weight.

    At any moment t a dest has had `ceil(t * weight)` turns, so none is ever
    more than one ahead of its share, and each has its first turn at 0.
    """
    total = sum(weights)
    turns = sorted(
        (turn / weight, index)
        for index, weight in enumerate(weights)
        for turn in range(TABLE_SIZE * weight // total + 2)
    )
    return [index for _, index in turns[:TABLE_SIZE]]


def _derive(dests: tuple[RealServer, ...]) -> Maglev:
    ordered = by_endpoint(dests)
    return Maglev(ordered, fill(shares(ordered)) if ordered else array("i"))


_maglev: Final = Derived(_derive)


class MaglevHash(Scheduler):
    """The same key, the same dest, as long as the dests are the same; few others move when not."""

    name = "mh"
    api_version = API_VERSION

    def choose(
        self,
        dests: tuple[RealServer, ...],
        dialog: Dialog,
        flags: SchedFlags,
        load: Load,
        eligible: Eligible,
        state: bytes,
    ) -> tuple[RealServer | None, bytes]:
        """The owner of the key's slot, or with `mh-fallback` one that takes it."""
        ordered, table = _maglev.of(dests)
        if not ordered:
            return None, state
        key = dialog.key + dialog.client.port.to_bytes(2) if PORT in flags else dialog.key
        dest = ordered[table[key_hash(key) % TABLE_SIZE]]
        if eligible(dest):
            return dest, state
        return (deterministic_choice(dests, key, eligible) if FALLBACK in flags else None), state
