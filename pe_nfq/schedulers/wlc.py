"""Weighted least connections (kernel: ip_vs_wlc.c), by live templates.

The kernel compares `active * 256 + inactive` connections, which one-packet
scheduling keeps at 0; templates are what a dialog holds.
"""

from pe_nfq.model import RealServer
from pe_nfq.schedulers import API_VERSION, Eligible, Load, Scheduler


class WeightedLeastConnections(Scheduler):
    """Least load for its weight; of equals the first in the list."""

    name = "wlc"
    api_version = API_VERSION

    def choose(
        self,
        dests: tuple[RealServer, ...],
        key: bytes,
        load: Load,
        eligible: Eligible,
        state: bytes,
    ) -> tuple[RealServer | None, bytes]:
        """Fractions are compared by cross-multiplication, as in the kernel: exact."""
        least, least_load = None, 0
        for dest in dests:
            if not eligible(dest):
                continue
            dest_load = load(dest.id)
            if least is None or least_load * dest.weight > dest_load * least.weight:
                least, least_load = dest, dest_load
        return least, state
