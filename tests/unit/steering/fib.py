"""The kernel's walk over its rules as a model (`fib_rules_lookup`), and services to steer."""

from bisect import bisect_right
from collections.abc import Iterable
from ipaddress import ip_address

from pe_nfq.model import Endpoint, RealServer, Snapshot, VirtualService
from pe_nfq.steering.contract import Settings
from pe_nfq.steering.diff import changes
from pe_nfq.steering.objects import (
    EXACT,
    KERNEL_PROTOCOL,
    LOCAL_TABLE,
    PROTOCOL,
    Action,
    Change,
    Held,
    Route,
    Rule,
)
from pe_nfq.steering.plan import Path, Plan, make_plan

MAIN = 254
SETTINGS = Settings()
LAN = Path("eth0")
OWN = Path("", is_local=True, problem="it is an address of this machine")


def service(
    *servers: tuple[str, int], vip: str = "203.0.113.10:5060", first_id: int = 1
) -> VirtualService:
    """A service with (address and port, weight) of its servers, ids in their order."""
    dests = tuple(
        RealServer(first_id + n, Endpoint.parse(address), weight)
        for n, (address, weight) in enumerate(servers)
    )
    return VirtualService(1, Endpoint.parse(vip), dests)


def snapshot(*services: VirtualService) -> Snapshot:
    """These services at some moment."""
    return Snapshot(1, SETTINGS.mark_base, 1000, services)


def packed(address: str) -> bytes:
    """An address as paths are asked for."""
    return ip_address(address).packed


class Fib:
    """Rules (by family, in their order) and routes (by family and table) of a network namespace."""

    def __init__(self) -> None:
        self.rules = {
            family: [
                Rule(family, priority, Action.LOOKUP, table, protocol=KERNEL_PROTOCOL)
                for priority, table in ((0, LOCAL_TABLE), (32766, MAIN))
            ]
            for family in (4, 6)
        }
        self.routes: dict[tuple[int, int], dict[int, Route]] = {}

    def copy(self) -> "Fib":
        """Another one that holds the same."""
        other = Fib()
        other.rules = {family: list(rules) for family, rules in self.rules.items()}
        other.routes = {table: dict(routes) for table, routes in self.routes.items()}
        return other

    def held(self) -> Held:
        """What a dump would tell."""
        rules = frozenset(rule for rules in self.rules.values() for rule in rules)
        ours = frozenset(rule for rule in rules if rule.protocol == PROTOCOL)
        routes = frozenset(r for routes in self.routes.values() for r in routes.values())
        return Held(ours, routes, rules - ours)

    def make(self, change: Change) -> None:
        """One change; what the kernel would refuse is an error here."""
        thing = change.thing
        if isinstance(thing, Route):
            routes = self.routes.setdefault((thing.family, thing.table), {})
            if change.verb == "replace":
                routes[thing.metric] = thing
            else:
                assert routes.pop(thing.metric) == thing
                if not routes:
                    del self.routes[thing.family, thing.table]
            return
        rules = self.rules[thing.family]
        if change.verb == "add":
            assert thing not in rules
            # Behind all of its priority.
            rules.insert(bisect_right(rules, thing.priority, key=lambda r: r.priority), thing)
        else:
            rules.remove(thing)

    def converge(self, plan: Plan) -> tuple[Change, ...]:
        """Make all changes to a plan; what they were."""
        made = changes(plan.rules, plan.routes, self.held())
        for change in made:
            self.make(change)
        return made

    def walk(self, family: int, mark: int, *, is_local: bool = False) -> tuple[str, list[Rule]]:
        """Where a packet goes (``local``, ``main``, ``unreachable``, a server); rules looked at."""
        rules, at, seen = self.rules[family], 0, []
        while at < len(rules):
            rule, at = rules[at], at + 1
            seen.append(rule)
            if (mark & rule.mask == rule.mark) == rule.inverted:
                continue
            if rule.action is Action.GOTO:
                ahead = (n for n in range(at, len(rules)) if rules[n].priority == rule.target)
                at = next(ahead, at)
            elif rule.action is Action.LOOKUP and (way := self._look(rule, is_local)):
                return way, seen
        raise AssertionError("no rule matched")

    def way(self, family: int, mark: int, *, is_local: bool = False) -> str:
        """Where a packet goes."""
        return self.walk(family, mark, is_local=is_local)[0]

    def _look(self, rule: Rule, is_local: bool) -> str:
        if rule.target == LOCAL_TABLE:
            return "local" if is_local else ""
        if rule.target == MAIN:
            return "main"
        routes = self.routes.get((rule.family, rule.target))
        return (routes[min(routes)].gateway or "unreachable") if routes else ""


def plan_of(
    services: Iterable[VirtualService] = (),
    *,
    retired: tuple[RealServer, ...] = (),
    paths: dict[bytes, Path] | None = None,
    settings: Settings = SETTINGS,
    held: Held | None = None,
) -> Plan:
    """The plan where all addresses are on the LAN but those in `paths`."""
    known = paths or {}
    return make_plan(
        snapshot(*services),
        retired,
        settings,
        lambda address: known.get(address, LAN),
        Fib().held() if held is None else held,
    )


def marks_of(plan: Plan) -> set[tuple[int, int]]:
    """(family, mark) of everything that the plan gives a table."""
    return {(rule.family, rule.mark) for rule in plan.rules if rule.mask == EXACT}


def metrics_of(plan: Plan, table: int) -> list[int]:
    """The metrics of a table's routes."""
    return sorted(route.metric for route in plan.routes if route.table == table)
