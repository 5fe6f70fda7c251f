"""Least connections (kernel: ip_vs_lc.c), by live templates.

The kernel compares `active * 256 + inactive` connections, which one-packet
scheduling keeps at 0; templates are what a dialog holds.
"""

from pe_nfq.model import RealServer
from pe_nfq.schedulers import API_VERSION, Dialog, Eligible, Load, Scheduler
from pe_nfq.schedulers.flags import SchedFlags


class LeastConnections(Scheduler):
    """Least load; of equals the first in the list. Ignores weights, but for 0."""

    name = "lc"
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
        """In the kernel too a weight of 0 is the only one that is looked at."""
        able = (dest for dest in dests if eligible(dest))
        return min(able, key=lambda dest: load(dest.id), default=None), state
