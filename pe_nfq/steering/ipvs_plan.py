"""What IPVS should hold for a snapshot: a fwmark service for every mark of ours. Pure.

A decided mark has one with a single dest, the real server. A virtual service
has one more, NET, with all its dests: the kernel's own persistence for the
datagrams that nobody decided. All are one-packet scheduled, so none of them
leaves a connection behind that would override the next datagram's mark.
"""

from collections.abc import Iterable, Iterator, Set
from typing import Final, NamedTuple

from pe_nfq.ipvs.objects import (
    ONE_PACKET,
    PERSISTENT,
    UDP,
    KernelDest,
    KernelService,
    prefix_mask,
)
from pe_nfq.marks import OURS_MASK, Marks
from pe_nfq.model import Method, RealServer, Snapshot, VirtualService
from pe_nfq.schedulers.flags import parse_flags

#: Any does for a single dest; the smallest.
DECIDED_SCHEDULER: Final = "rr"
#: By weight, whatever the kernel counts, and without weights.
_STAND_INS: Final = ("wrr", "rr")
#: They compare the kernel's counts of connections, which one-packet scheduling leaves at 0: all
#: new clients would go to one dest.
_BY_LOAD: Final = frozenset(("lc", "wlc", "sed", "nq", "ovf", "lblc", "lblcr"))


class IpvsPlan(NamedTuple):
    """What should be there of ours, decided marks first; and what is not as the operator asked."""

    services: tuple[KernelService, ...]
    warnings: tuple[str, ...]


def is_ours(service: KernelService, mark_base: int) -> bool:
    """Whether it is a service of a mark in our block."""
    return bool(service.fwmark) and service.fwmark & OURS_MASK == mark_base


def make_ipvs_plan(
    snapshot: Snapshot,
    retired: Iterable[RealServer],
    mark_base: int,
    held: Iterable[KernelService],
    missing: Set[str],
) -> IpvsPlan:
    """The plan for `snapshot` and the `retired` dests that templates may still name.

    `held` is all that the kernel has, ours or not; `missing` are schedulers
    that it lacks.
    """
    planner = _Planner(mark_base, {service.key: service for service in held}, missing)
    for service in snapshot.services:
        planner.add_decided(service)
    for dest in retired:
        planner.add_retired(dest)
    for service in snapshot.services:
        planner.add_net(service)
    return IpvsPlan(tuple(planner.wanted.values()), tuple(planner.warnings))


class _Planner:
    """Collects a plan, service by service."""

    def __init__(
        self, mark_base: int, held: dict[object, KernelService], missing: Set[str]
    ) -> None:
        self._marks = Marks(mark_base)
        self._held = held
        self._missing = missing
        self.wanted: dict[object, KernelService] = {}
        self.warnings: list[str] = []

    def add_decided(self, service: VirtualService) -> None:
        for dest in service.dests:
            mark = self._marks.decided(dest.id)
            self._add(_decided(service.endpoint.family, mark, _dest(dest, service.endpoint.port)))

    def add_retired(self, dest: RealServer) -> None:
        """Its service is unknown by now: family and port stay as they are in the kernel."""
        mark = self._marks.decided(dest.id)
        for held in self._held.values():
            address = dest.endpoint.address
            if held.fwmark == mark and [d.address for d in held.dests] == [address]:
                port = held.dests[0].port
                self._add(_decided(held.family, mark, _dest(dest)._replace(port=port)))
                return
        # Somebody removed it in these moments. Most often the ports are the same.
        self._add(_decided(dest.endpoint.family, mark, _dest(dest, dest.endpoint.port)))

    def add_net(self, service: VirtualService) -> None:
        if self._own_is_better(service):
            return
        net = KernelService.of_fwmark(
            service.endpoint.family, self._marks.fallback(str(service)), self._scheduler(service)
        )
        flags = ONE_PACKET
        if net.scheduler == service.scheduler:
            flags |= parse_flags(service.scheduler, service.sched_flags)
        if service.timeout:
            flags |= PERSISTENT
            net = net._replace(timeout=service.timeout, mask=self._mask(service))
        port = service.endpoint.port
        dests = tuple(
            _dest(dest, port)._replace(weight=service.net_weight(dest)) for dest in service.dests
        )
        self._add(net._replace(flags=flags, dests=dests))

    def _own_is_better(self, service: VirtualService) -> bool:
        """Whether the director's own service takes what carries an unknown mark.

        The kernel's engine has learned from the servers' replies (`conn_out`) which
        server has which dialog. A service of a mark is never asked for another mark.
        """
        endpoint = service.endpoint
        own = self._held.get((endpoint.family, UDP, endpoint.address, endpoint.port, 0))
        return (
            own is not None
            and own.one_packet
            and own.timeout > 0
            and own.pe_name == "sip"
            and any(dest.method is Method.MASQ for dest in own.dests)
        )

    def _scheduler(self, service: VirtualService) -> str:
        """The service's own, where that means something and the kernel has it."""
        own = service.scheduler
        choices: Iterator[str] = iter((own, *_STAND_INS) if own not in _BY_LOAD else _STAND_INS)
        chosen = next((name for name in choices if name not in self._missing), DECIDED_SCHEDULER)
        if own in self._missing:
            self.warnings.append(
                f"{service}: this kernel has no scheduler {own} (ip_vs_{own}): datagrams that "
                f"pe-nfq has not decided go by {chosen}"
            )
        return chosen

    def _mask(self, service: VirtualService) -> bytes:
        if len(service.mask) == 16 and not any(service.mask):
            self.warnings.append(
                f"{service}: the kernel's shortest IPv6 mask is 1: datagrams that pe-nfq has not "
                f"decided are of two clients, not one"
            )
            return prefix_mask(1)
        return service.mask

    def _add(self, wanted: KernelService) -> None:
        self.wanted[wanted.key] = wanted


def _decided(family: int, mark: int, dest: KernelDest) -> KernelService:
    service = KernelService.of_fwmark(family, mark, DECIDED_SCHEDULER)
    return service._replace(flags=ONE_PACKET, dests=(dest,))


def _dest(dest: RealServer, service_port: int | None = None) -> KernelDest:
    """A dest of weight 1: a server of weight 0 keeps the dialogs that it has.

    Port 0, the datagram's own, where it is the service's: a masq dest with a port
    would stand before the director's own service's in the kernel's table of real
    servers (`ip_vs_rs_hash`), which then would not rewrite its replies.
    """
    address, port = dest.endpoint
    return KernelDest(address, 0 if port == service_port else port, dest.method)
