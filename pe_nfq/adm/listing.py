"""Listings of services in ipvsadm's columns (`print_title`, `print_service_entry`). Pure.

Addresses are always numbers, with -n or without. Under one-packet scheduling
there are no connections to count: ActiveConn, and PersistConn as well, are a
server's live templates, which is what schedulers and thresholds go by here,
and InActConn is 0.
"""

import ipaddress
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from pe_nfq import __version__
from pe_nfq.adm.order import sorted_servers, sorted_services
from pe_nfq.adm.view import View
from pe_nfq.config.spec import ServerSpec, ServiceSpec
from pe_nfq.ipvs.objects import Stats
from pe_nfq.model import Method, VirtualService

_FORWARD: Final = {Method.MASQ: "Masq", Method.TUNNEL: "Tunnel", Method.ROUTE: "Route"}
#: A number of this size or more is shown in thousands and so on, unless --exact is given.
_UNITS: Final = (
    (100_000_000, 1, ""),
    (1_000_000_000, 10**3, "K"),
    (100_000_000_000, 10**6, "M"),
    (100_000_000_000_000, 10**9, "G"),
)
_WIDE: Final = "%-33s %8s %8s %8s %8s %8s\n  -> RemoteAddress:Port\n"


class _Counts(NamedTuple):
    """What is counted of a server."""

    live: int
    stats: Stats


class _Format(NamedTuple):
    """Title lines; whether a service is shown with its settings or counters; a server's cells."""

    title: str
    service_cells: Callable[[Stats, bool], str] | None
    server_cells: Callable[[ServerSpec, _Counts, bool], str]


def service_lines(
    view: View, services: Iterable[ServiceSpec], shown: frozenset[str]
) -> Iterator[str]:
    """Title and rows of `services`; `shown` are the options of -L. Lines with their ends."""
    columns = next((name for name in _FORMATS if name in shown), "")
    chosen = _FORMATS.get(columns, _DEFAULT)
    is_exact, is_sorted = "exact" in shown, "nosort" not in shown
    counts = _Counter(view)
    yield chosen.title
    for service in sorted_services(services) if is_sorted else services:
        servers = sorted_servers(service.servers) if is_sorted else service.servers[::-1]
        counted = [counts.of(service, server) for server in servers]
        if chosen.service_cells is None:
            yield f"{shown_name(service)} {settings_text(service)}\n"
        else:
            total = Stats(*map(sum, zip(*(count.stats for count in counted), strict=True)))
            yield f"{shown_name(service):<33}{chosen.service_cells(total, is_exact)}\n"
        for server, count in zip(servers, counted, strict=True):
            cells = chosen.server_cells(server, count, is_exact)
            yield f"  -> {server.endpoint!s:<28}{cells}\n"


def version_line(view: View) -> str:
    """Where ipvsadm has the version of IPVS and the size of its table."""
    number, size = (view.snapshot.number, view.snapshot.max_templates) if view.snapshot else (0, 0)
    return f"pe-nfq {__version__} (snapshot={number} size={size})\n"


class _Counter:
    """Finds what is counted of a server by the ids of the published snapshot."""

    def __init__(self, view: View) -> None:
        self._view = view
        services = view.snapshot.services if view.snapshot else ()
        self._ids = {(str(s), dest.endpoint): dest.id for s in services for dest in s.dests}

    def of(self, service: ServiceSpec, server: ServerSpec) -> _Counts:
        """Nothing of one that is not published yet."""
        dest_id = self._ids.get((str(service), server.endpoint))
        if dest_id is None:
            return _Counts(0, Stats())
        return _Counts(self._view.live(dest_id), self._view.counters(dest_id))


def shown_name(service: ServiceSpec | VirtualService) -> str:
    """Protocol, address and port, or the mark."""
    if service.fwmark:
        return f"FWM  {service.fwmark}" + (" IPv6" if service.endpoint.family == 6 else "")
    return f"UDP  {service.endpoint}"


def settings_text(service: ServiceSpec | VirtualService) -> str:
    """Scheduler and what follows it."""
    text = service.scheduler
    if service.sched_flags:
        text += f" ({','.join(service.sched_flags)})"
    if service.timeout:
        text += f" persistent {service.timeout}"
        if mask := mask_text(service):
            text += f" mask {mask}"
        if service.engine != "source":
            text += f" pe {service.engine}"
    return text + (" ops" if service.one_packet else "")


def mask_text(service: ServiceSpec | VirtualService) -> str:
    """Dotted for IPv4, a prefix length for IPv6, "" for a full one."""
    if set(service.mask) == {0xFF}:
        return ""
    if len(service.mask) == 4:
        return str(ipaddress.IPv4Address(service.mask))
    return str(int.from_bytes(service.mask).bit_count())


# -- columns -------------------------------------------------------------------


def _number(value: int, is_exact: bool) -> str:
    """In nine characters, the first of them a space while it fits (`print_largenum`)."""
    if is_exact:
        return f"{value:>{max(9, len(str(value)) + 1)}}"
    for limit, unit, letter in _UNITS:
        if value < limit:
            return f"{value // unit:>{9 - len(letter)}}{letter}"
    return f"{value // 10**12:>8}T"


def _totals(stats: Stats, is_exact: bool) -> str:
    return "".join(_number(value, is_exact) for value in stats[:5])


def _rates(stats: Stats, is_exact: bool) -> str:
    return "".join(_number(value, is_exact) for value in stats[5:])


def _server_totals(server: ServerSpec, counts: _Counts, is_exact: bool) -> str:
    return _totals(counts.stats, is_exact)


def _server_rates(server: ServerSpec, counts: _Counts, is_exact: bool) -> str:
    stats = counts.stats
    whole = f" {stats.cps:>8} {stats.inpps:>8} {stats.outpps:>8}"
    return whole + _number(stats.inbps, is_exact) + _number(stats.outbps, is_exact)


def _thresholds(server: ServerSpec, counts: _Counts, is_exact: bool) -> str:
    limits = f" {server.upper_threshold:<10} {server.lower_threshold:<10}"
    return limits + _connections(counts)


def _persistent(server: ServerSpec, counts: _Counts, is_exact: bool) -> str:
    return f" {server.weight:<9} {counts.live:<11}" + _connections(counts)


def _tunnels(server: ServerSpec, counts: _Counts, is_exact: bool) -> str:
    tunnel = "ipip" if server.method is Method.TUNNEL else "n/a"
    return f" {_FORWARD[server.method]:<7} {tunnel:<13} {server.weight:<6}" + _connections(counts)


def _plain(server: ServerSpec, counts: _Counts, is_exact: bool) -> str:
    return f" {_FORWARD[server.method]:<7} {server.weight:<6}" + _connections(counts)


def _connections(counts: _Counts) -> str:
    return f" {counts.live:<10} {0:<10}"


_FIRST: Final = "Prot LocalAddress:Port"
_DEFAULT: Final = _Format(
    "Prot LocalAddress:Port Scheduler Flags\n"
    "  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn\n",
    None,
    _plain,
)
#: By option, in the order of precedence when several are given.
_FORMATS: Final[Mapping[str, _Format]] = {
    "stats": _Format(
        _WIDE % (_FIRST, "Conns", "InPkts", "OutPkts", "InBytes", "OutBytes"),
        _totals,
        _server_totals,
    ),
    "rate": _Format(
        _WIDE % (_FIRST, "CPS", "InPPS", "OutPPS", "InBPS", "OutBPS"), _rates, _server_rates
    ),
    "thresholds": _Format(
        f"{_FIRST:<33} Uthreshold Lthreshold ActiveConn InActConn \n  -> RemoteAddress:Port\n",
        None,
        _thresholds,
    ),
    "persistent-conn": _Format(
        f"{_FIRST:<33} Weight    PersistConn ActiveConn InActConn \n  -> RemoteAddress:Port\n",
        None,
        _persistent,
    ),
    "tun-info": _Format(
        "Prot LocalAddress:Port Scheduler Flags\n"
        "  -> RemoteAddress:Port           Forward TunnelInfo    Weight ActiveConn InActConn\n",
        None,
        _tunnels,
    ),
}
