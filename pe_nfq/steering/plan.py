"""What the kernel should hold for a snapshot: rules, routes, and what cannot be steered. Pure."""

import ipaddress
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from pe_nfq.marks import FALLBACK_SLOTS, Marks
from pe_nfq.model import RealServer, Snapshot, VirtualService
from pe_nfq.steering import layout, slots
from pe_nfq.steering.contract import Settings
from pe_nfq.steering.objects import Held, Route, Rule


class Path(NamedTuple):
    """How the kernel would reach an address by itself: out of `device`, or why that is no use.

    `gateway`: the router behind which it is, of no use to a route of ours.
    """

    device: str
    is_local: bool = False
    problem: str = ""
    gateway: str = ""


#: Asks the kernel for the `Path` to an address (4 or 16 bytes).
Look = Callable[[bytes], Path]


class Plan(NamedTuple):
    """What should be there. `vip_local`: the families that have a VIP of this machine's own."""

    rules: frozenset[Rule]
    routes: frozenset[Route]
    vip_local: frozenset[int]
    warnings: tuple[str, ...]


def make_plan(
    snapshot: Snapshot,
    retired: Iterable[RealServer],
    settings: Settings,
    look: Look,
    held: Held,
) -> Plan:
    """The plan for `snapshot` and the `retired` servers that templates may still name."""
    planner = _Planner(settings, look)
    for service in snapshot.services:
        planner.add_service(service)
    for dest in retired:
        planner.add_dest(dest, "removed")
    planner.add_frames(held)
    return Plan(
        frozenset(planner.rules),
        frozenset(planner.routes),
        frozenset(planner.vip_local),
        tuple(planner.warnings),
    )


class _Planner:
    """Collects a plan, service by service."""

    def __init__(self, settings: Settings, look: Look) -> None:
        self._settings = settings
        self._marks = Marks(settings.mark_base)
        self._look = look
        self.rules: set[Rule] = set()
        self.routes: set[Route] = set()
        self.vip_local: set[int] = set()
        self.warnings: list[str] = []

    def add_service(self, service: VirtualService) -> None:
        family = service.endpoint.family
        if self._is_local(service):
            self.vip_local.add(family)
        steerable = [dest for dest in service.dests if self.add_dest(dest, str(service))]
        takers = tuple(dest for dest in steerable if service.net_weight(dest) > 0)
        first = self._marks.fallback(str(service))
        if takers:
            weights = map(service.net_weight, takers)
            candidates = tuple(zip(map(str, (d.endpoint for d in takers)), weights, strict=True))
            for slot, index in enumerate(slots.assign(str(service), candidates)):
                self._add_mark(family, first + slot, takers[index].endpoint.address)
            return
        self.warnings.append(_no_takers(service, steerable))
        for slot in range(FALLBACK_SLOTS):
            self._add_mark(family, first + slot, None)

    def add_dest(self, dest: RealServer, of: str) -> bool:
        """Lead the dest's mark to it; whether it can be reached."""
        address = dest.endpoint.address
        path = self._look(address)
        if path.problem:
            self.warnings.append(f"cannot steer to {_text(address)} ({of}): {path.problem}")
        reachable = not path.problem
        mark = self._marks.decided(dest.id)
        self._add_mark(dest.endpoint.family, mark, address if reachable else None)
        return reachable

    def _add_mark(self, family: int, mark: int, server: bytes | None) -> None:
        """A table for `mark`, with a way to `server` if there is one."""
        settings = self._settings
        table = settings.table_base + mark - settings.mark_base
        self.rules.update(layout.lookups(family, settings.rule_priority, mark, table))
        self.routes.add(Route.unreachable(family, table))
        if server is not None:
            device = self._look(server).device
            self.routes.add(Route.via(family, table, _text(server), device))

    def _is_local(self, service: VirtualService) -> bool:
        chosen = self._settings.vip_local
        return self._look(service.endpoint.address).is_local if chosen is None else chosen

    def add_frames(self, held: Held) -> None:
        """What stands around the marks' rules, in every family that has any."""
        first, base = self._settings.rule_priority, self._settings.mark_base
        for family in {rule.family for rule in self.rules}:
            self.rules.update(layout.frame(family, first, base))
            if family in self.vip_local:
                self._let_pass_local(family, held)

    def _let_pass_local(self, family: int, held: Held) -> None:
        """Take marks of ours past the local table, unless the operator has moved its rule."""
        first, base = self._settings.rule_priority, self._settings.mark_base
        stand_in = layout.local_first(family, base)
        own = [r.priority for r in held.foreign if r.is_plain_local and r.family == family]
        if own and 0 not in own and not any(map(_is_stand_in(family), held.rules)):
            self.warnings.extend(_local_too_early(family, own, first))
            return
        self.rules |= {stand_in, layout.local_behind(family, first, base)}


def _is_stand_in(family: int) -> Callable[[Rule], bool]:
    """Tells the rule that we put in the place of the kernel's first, of any configuration."""
    return lambda rule: rule.family == family and rule.priority == 0


def _local_too_early(family: int, priorities: list[int], first: int) -> Iterator[str]:
    """What to say when the operator's own local rule comes before our rules."""
    if min(priorities) < first:
        yield (
            f"IPv{family}: rule {min(priorities)} looks up the local table before rule_priority "
            f"{first}, so datagrams for a local VIP stay here; choose a lower rule_priority"
        )


def _no_takers(service: VirtualService, steerable: list[RealServer]) -> str:
    """Why no server can take fallback slots.

    Weight 0 asks for no new calls, and a slot cannot tell new from old.
    """
    why = (
        "every server has weight 0"
        if steerable
        else "no server can be reached"
        if service.dests
        else "it has no server"
    )
    return f"{service}: {why}, so datagrams that pe-nfq has not decided are answered unreachable"


def _text(address: bytes) -> str:
    return str(ipaddress.ip_address(address))
