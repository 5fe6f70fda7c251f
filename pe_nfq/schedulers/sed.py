"""Shortest expected delay (kernel: ip_vs_sed.c), by live templates.

The kernel counts active connections only, and those of UDP are never active.
"""

from pe_nfq.model import RealServer
from pe_nfq.schedulers import API_VERSION, Dialog, Eligible, Load, Scheduler
from pe_nfq.schedulers.flags import SchedFlags
from pe_nfq.schedulers.least import least_for_its_weight


class ShortestExpectedDelay(Scheduler):
    """Least load for its weight, the new dialog included; of equals the first in the list."""

    name = "sed"
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
        """As wlc, but one counts as on every dest already: of idle ones the heaviest is first."""
        return least_for_its_weight(dests, eligible, lambda id_: load(id_) + 1), state
