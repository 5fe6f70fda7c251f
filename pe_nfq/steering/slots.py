"""Which real server takes which fallback slot. Pure: the same servers always get the same slots.

How many follows the weights exactly, by Webster's method: a server that goes
leaves every other at least as many as before. Which ones: every slot prefers
servers, and every server slots, by one draw (rendezvous hashing), and
they are matched as in Gale and Shapley (1962). So the slots of a server that
goes move, and few others: 2 or 3 of 64 on average. Weighted rendezvous alone
moves none but gave the busiest server a third more than its share on average,
and up to twice as much.
"""

import functools
import hashlib
import heapq
from typing import Final

from pe_nfq.marks import FALLBACK_SLOTS

#: Services whose slots are remembered; working them out again costs milliseconds each.
_REMEMBERED: Final = 4096

#: A server's text (``192.0.2.1:5060``) and its weight, above 0.
Candidate = tuple[str, int]


@functools.lru_cache(_REMEMBERED)
def assign(service: str, candidates: tuple[Candidate, ...]) -> tuple[int, ...]:
    """For each slot the index of its server in `candidates`, which must not be empty."""
    draws = [
        [_draw(service, slot, server) for server, _ in candidates] for slot in range(FALLBACK_SLOTS)
    ]
    return _match(draws, _quotas(candidates))


def _quotas(candidates: tuple[Candidate, ...]) -> list[int]:
    """How many slots each takes (Webster, also Sainte-Lague)."""
    quotas = [0] * len(candidates)

    def claim(index: int) -> tuple[float, str]:
        server, weight = candidates[index]
        return weight / (2 * quotas[index] + 1), server

    for _ in range(FALLBACK_SLOTS):
        quotas[max(range(len(candidates)), key=claim)] += 1
    return quotas


def _match(draws: list[list[bytes]], quotas: list[int]) -> tuple[int, ...]:
    """Slots ask servers, the highest draw first; a full one keeps the highest that asked."""
    choices = [sorted(range(len(quotas)), key=row.__getitem__) for row in draws]
    kept: list[list[tuple[bytes, int]]] = [[] for _ in quotas]
    asking = list(range(len(draws)))
    while asking:
        slot = asking.pop()
        index = choices[slot].pop()
        heapq.heappush(kept[index], (draws[slot][index], slot))
        if len(kept[index]) > quotas[index]:
            asking.append(heapq.heappop(kept[index])[1])
    owners = {slot: index for index, slots in enumerate(kept) for _, slot in slots}
    return tuple(owners[slot] for slot in range(len(draws)))


def _draw(service: str, slot: int, server: str) -> bytes:
    """What the server draws for the slot; the highest is preferred."""
    return hashlib.blake2b(f"{service} {slot} {server}".encode(), digest_size=8).digest()
