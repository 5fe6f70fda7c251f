"""Health checks: is a real server there, and does it speak SIP?

Beside the path of a packet: `request` makes an OPTIONS (RFC 3261, section
11), `prober` sends it to the server's own address and waits, `answer` reads
what comes back, `judge` makes a state of many such outcomes. What becomes of
a state is the supervisor's (`pe_nfq.supervisor.health`). All but `prober` is
pure: time and chance are arguments.
"""

from pe_nfq.health.judge import Judge, first_probe, next_probe, passes, worst_case
from pe_nfq.health.prober import Outcome, Prober, Target

__all__ = [
    "Judge",
    "Outcome",
    "Prober",
    "Target",
    "first_probe",
    "next_probe",
    "passes",
    "worst_case",
]
