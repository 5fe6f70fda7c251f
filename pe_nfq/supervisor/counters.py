"""What the kernel's IPVS counted of the datagrams that were steered to each dest."""

from collections.abc import Callable, Iterable

from pe_nfq.config import Config, Steering
from pe_nfq.ipvs.kernel import Ipvs, IpvsError, is_loaded
from pe_nfq.ipvs.objects import Stats
from pe_nfq.marks import Marks

#: Counters come before rates in `Stats`, and only these can be set to 0.
_COUNTERS = 5


class Counters:
    """By dest id, since the last zeroing: which is ours alone, the kernel counts on.

    Zeros where steering is by something else than IPVS. Used by one thread at a time.
    """

    def __init__(self) -> None:
        self._since: dict[int, Stats] = {}

    def look(self, config: Config) -> Callable[[int], Stats]:
        """The counters at the moment of the first question; nobody asks, nothing is read."""
        found: dict[int, Stats] | None = None

        def of(dest_id: int) -> Stats:
            nonlocal found
            if found is None:
                found = _read(config)
            return _since(found.get(dest_id, Stats()), self._since.get(dest_id, Stats()))

        return of

    def zero(self, config: Config, dest_ids: Iterable[int]) -> None:
        """Begin again at 0 with these."""
        found = _read(config)
        self._since |= {dest_id: found[dest_id] for dest_id in dest_ids if dest_id in found}
        # Dests that are no more: their numbers will be others'.
        self._since = {dest_id: self._since[dest_id] for dest_id in self._since.keys() & found}


def _read(config: Config) -> dict[int, Stats]:
    if config.steering is not Steering.IPVS or not is_loaded():
        return {}
    marks = Marks(config.mark_base)
    try:
        with Ipvs() as ipvs:
            services = ipvs.services(lambda service: marks.dest_id(service.fwmark) is not None)
    except IpvsError:
        return {}
    return {id_: s.stats for s in services if (id_ := marks.dest_id(s.fwmark)) is not None}


def _since(now: Stats, before: Stats) -> Stats:
    if now.conns < before.conns:  # the mark's service was made anew
        return now
    counters = [n - b for n, b in zip(now, before, strict=True)]
    return Stats(*counters[:_COUNTERS], *now[_COUNTERS:])
