"""What the schedulers by weighted load share: the least loaded dest for its weight."""

from collections.abc import Callable

from pe_nfq.model import RealServer
from pe_nfq.schedulers import Eligible


def least_for_its_weight(
    dests: tuple[RealServer, ...], eligible: Eligible, overhead: Callable[[int], int]
) -> RealServer | None:
    """The eligible dest with the least overhead(dest id) / weight; of equals the first in the list.

    Fractions are compared by cross-multiplication, as in the kernel: exact.
    """
    least, least_overhead = None, 0
    for dest in dests:
        if not eligible(dest):
            continue
        dest_overhead = overhead(dest.id)
        if least is None or least_overhead * dest.weight > dest_overhead * least.weight:
            least, least_overhead = dest, dest_overhead
    return least
