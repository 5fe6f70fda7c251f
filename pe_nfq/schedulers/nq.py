"""Never queue (kernel: ip_vs_nq.c), by live templates.

The kernel counts active connections only, and those of UDP are never active.
"""

from pe_nfq.model import RealServer
from pe_nfq.schedulers import API_VERSION, Dialog, Eligible, Load, Scheduler
from pe_nfq.schedulers.flags import SchedFlags
from pe_nfq.schedulers.least import least_for_its_weight


class NeverQueue(Scheduler):
    """An idle dest if there is one, else as sed."""

    name = "nq"
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
        """Of idle ones the first in the list, however small its weight."""
        idle = next((dest for dest in dests if eligible(dest) and not load(dest.id)), None)
        return idle or least_for_its_weight(dests, eligible, lambda id_: load(id_) + 1), state
