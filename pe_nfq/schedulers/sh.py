"""Source hashing (kernel: ip_vs_sh.c): the client's address says the dest, bit by bit as there.

It hashes the address of the datagram, not the masked one of the template key
and not the Call-ID: a trunk of one address is on one dest, with `sh-port` one
of each port. Who wants dialogs to part ways by hash uses mh.
"""

from itertools import cycle, islice
from typing import Final

from pe_nfq.model import RealServer
from pe_nfq.schedulers import API_VERSION, Dialog, Eligible, Load, Scheduler
from pe_nfq.schedulers.buckets import BUCKETS, bucket
from pe_nfq.schedulers.derived import Derived
from pe_nfq.schedulers.flags import FALLBACK, PORT, SchedFlags


def _assign(dests: tuple[RealServer, ...]) -> tuple[RealServer, ...]:
    """The dest of each bucket: along the list, as many as a dest has weight (ip_vs_sh_reassign).

    One of weight 0 has a bucket all the same: its clients have no dest.
    """
    round_ = (dest for dest in dests for _ in range(min(max(dest.weight, 1), BUCKETS)))
    return tuple(islice(cycle(round_), BUCKETS))


_assigned: Final = Derived(_assign)


class SourceHash(Scheduler):
    """The same client, the same dest, as long as list and weights are the same."""

    name = "sh"
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
        """The dest of the client's bucket, or with `sh-fallback` of another that takes it."""
        assigned = _assigned.of(dests)
        if not assigned:
            return None, state
        client = dialog.client
        first = bucket(client.address, client.port if PORT in flags else 0)
        if eligible(assigned[first]):
            return assigned[first], state
        if FALLBACK not in flags:
            return None, state
        # The kernel adds the first bucket to the offset, so that the walk begins at its double.
        # Not spread well: all clients of one of three equal dests come to the same other.
        walk = (assigned[(2 * first + offset) % BUCKETS] for offset in range(BUCKETS))
        return next((dest for dest in walk if eligible(dest)), None), state
