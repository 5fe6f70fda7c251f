"""Overflow (kernel: ip_vs_ovf.c): fill the heaviest dest, then the next.

A weight is a capacity: here of live templates. The kernel counts active
connections, and those of UDP are never active, so it never overflows.
"""

from pe_nfq.model import RealServer
from pe_nfq.schedulers import API_VERSION, Dialog, Eligible, Load, Scheduler
from pe_nfq.schedulers.flags import SchedFlags


class Overflow(Scheduler):
    """The highest weight that is not exceeded yet; of equals the first in the list."""

    name = "ovf"
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
        """None when all are full. As in the kernel a dest takes one more than its weight."""
        able = (dest for dest in dests if eligible(dest) and load(dest.id) <= dest.weight)
        return max(able, key=lambda dest: dest.weight, default=None), state
