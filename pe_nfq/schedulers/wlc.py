"""Weighted least connections (kernel: ip_vs_wlc.c), by live templates.

The kernel compares `active * 256 + inactive` connections, which one-packet
scheduling keeps at 0; templates are what a dialog holds.
"""

from pe_nfq.model import RealServer
from pe_nfq.schedulers import API_VERSION, Dialog, Eligible, Load, Scheduler
from pe_nfq.schedulers.flags import SchedFlags
from pe_nfq.schedulers.least import least_for_its_weight


class WeightedLeastConnections(Scheduler):
    """Least load for its weight; of equals the first in the list."""

    name = "wlc"
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
        """The load is compared as it is: idle dests are equal, whatever their weights."""
        return least_for_its_weight(dests, eligible, load), state
