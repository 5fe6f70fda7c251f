"""Which real server takes which fallback slot: weighted rendezvous hashing. Pure.

Every server draws a number for every slot, and the highest takes it. So a
server that goes gives away its own slots and no others move, one that comes
only takes. Shares follow weights on average (Thaler and Ravishankar 1998; the
weights: Mosko, "weight / -ln(u)").
"""

import functools
import hashlib
import math
from typing import Final

from pe_nfq.marks import FALLBACK_SLOTS

#: Services whose slots are remembered; one that is not costs milliseconds.
_REMEMBERED: Final = 4096

#: A server's text (``192.0.2.1:5060``) and its weight, above 0.
Candidate = tuple[str, int]


@functools.lru_cache(_REMEMBERED)
def assign(service: str, candidates: tuple[Candidate, ...]) -> tuple[int, ...]:
    """For each slot the index of its server in `candidates`, which must not be empty."""
    return tuple(
        max(range(len(candidates)), key=lambda n: _draw(service, slot, *candidates[n]))
        for slot in range(FALLBACK_SLOTS)
    )


def _draw(service: str, slot: int, server: str, weight: int) -> tuple[float, str]:
    """The server's number for the slot; its name settles what is equal."""
    text = f"{service} {slot} {server}".encode()
    number = int.from_bytes(hashlib.blake2b(text, digest_size=6).digest())
    # 48 bits fit a float; the half keeps it off 0 and 1.
    uniform = (number + 0.5) / (1 << 48)
    return weight / -math.log(uniform), server
