"""Destination hashing (kernel: ip_vs_dh.c): the virtual address says the dest.

For a service of one address that is one dest for all dialogs, and none while
that one is quiesced or overloaded. Of use to a service of a firewall mark
that stands for many addresses.
"""

from pe_nfq.model import RealServer
from pe_nfq.schedulers import API_VERSION, Dialog, Eligible, Load, Scheduler
from pe_nfq.schedulers.buckets import bucket
from pe_nfq.schedulers.flags import SchedFlags


class DestinationHash(Scheduler):
    """Ignores weights, but for 0."""

    name = "dh"
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
        """The dest of the address's bucket; dests have buckets in turn (ip_vs_dh_reassign)."""
        if not dests:
            return None, state
        dest = dests[bucket(dialog.vip.address) % len(dests)]
        return (dest if eligible(dest) else None), state
