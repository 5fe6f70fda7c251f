"""Weighted fail-over (kernel: ip_vs_fo.c): all to the heaviest dest that is there."""

from pe_nfq.model import RealServer
from pe_nfq.schedulers import API_VERSION, Dialog, Eligible, Load, Scheduler
from pe_nfq.schedulers.flags import SchedFlags


class FailOver(Scheduler):
    """The highest weight; of equals the first in the list."""

    name = "fo"
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
        """The next heaviest takes over when this one is quiesced or overloaded."""
        able = (dest for dest in dests if eligible(dest))
        return max(able, key=lambda dest: dest.weight, default=None), state
