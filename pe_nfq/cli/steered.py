"""What `pe-nfq steering show` prints of marks: by policy routing, and by IPVS."""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Final

from pe_nfq.marks import DECIDED_COUNT, FALLBACK_SLOTS, Marks
from pe_nfq.model import Snapshot
from pe_nfq.steering import Steered

_ROUTE_TITLE: Final = f"{'MARK':<22} {'TABLE':<20} TO"
_IPVS_TITLE: Final = (
    f"{'MARK':<11} {'SERVICE':<33} {'TO':<22} {'METHOD':<7} {'WEIGHT':>6} {'PACKETS':>10}"
)


class Names:
    """Which service a mark is of."""

    def __init__(self, snapshot: Snapshot | None) -> None:
        self._services: dict[int, str] = {}
        if snapshot is None:
            return
        marks = Marks(snapshot.mark_base)
        for service in snapshot.services:
            self._services[marks.fallback(str(service))] = f"{service} (net)"
            self._services |= {marks.decided(dest.id): str(service) for dest in service.dests}

    def service(self, mark: int) -> str | None:
        """``udp 203.0.113.10:5060``, with `` (net)`` where nobody has decided; None: unknown."""
        return self._services.get(mark)


def facts(row: Steered, names: Names) -> dict[str, str | int | None]:
    """For JSON."""
    head: dict[str, str | int | None] = {"family": row.family, "mark": f"{row.mark:#x}"}
    if _is_route(row):
        table, server, device = row.table, row.server or None, row.device or None
        return head | {"table": table, "server": server, "device": device}
    return head | {
        "service": names.service(row.mark),
        "server": row.server or None,
        "method": row.method or None,
        "weight": row.weight,
        "packets": row.packets,
    }


def tables(rows: Iterable[Steered], names: Names) -> str:
    """A table for each kind of steering that is there."""
    rows = list(rows)
    routes = list(_route_lines(filter(_is_route, rows)))
    services = [_ipvs_line(row, names) for row in rows if not _is_route(row)]
    parts = [
        *([[_ROUTE_TITLE, *routes]] if routes else []),
        *([[_IPVS_TITLE, *services]] if services else []),
    ]
    return "\n\n".join("\n".join(part) for part in parts) or "nothing of ours"


def _is_route(row: Steered) -> bool:
    return bool(row.table)


def _ipvs_line(row: Steered, names: Names) -> str:
    mark, service = f"{row.mark:#x}", names.service(row.mark) or "-"
    if not row.server:
        return f"{mark:<11} {service:<33} unreachable"
    head = f"{mark:<11} {service:<33} {row.server:<22}"
    return f"{head} {row.method:<7} {row.weight:>6} {row.packets:>10}"


def _route_lines(rows: Iterable[Steered]) -> Iterator[str]:
    """One line for a decided mark, one for the fallback slots of a service."""
    for _, together in groupby(rows, _line_of):
        first, *others = together
        ways = Counter(map(_way, (first, *others)))
        marks, numbers = f"{first.mark:#x}", str(first.table)
        if others:
            marks += f"-{others[-1].mark:#x}"
            numbers += f"-{others[-1].table}"
        shares = [f"{way} ({count})" if others else way for way, count in sorted(ways.items())]
        yield f"{marks:<22} {numbers:<20} {', '.join(shares)}"


def _line_of(row: Steered) -> tuple[int, bool, int]:
    """What shares a line: the slots of a service, which are one aligned block."""
    is_fallback = bool(row.mark & DECIDED_COUNT)
    block = row.mark // FALLBACK_SLOTS if is_fallback else row.mark
    return row.family, is_fallback, block


def _way(row: Steered) -> str:
    return f"{row.server} dev {row.device}" if row.server else "unreachable"
