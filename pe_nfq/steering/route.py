"""Steering by policy routing: a rule and a table for every mark, kept as they should be."""

from pe_nfq.errors import SteeringError
from pe_nfq.model import RealServer, Snapshot
from pe_nfq.steering import diff, sysctls
from pe_nfq.steering.contract import Report, Settings, Steered
from pe_nfq.steering.events import Events
from pe_nfq.steering.kernel import Kernel, NoWayError
from pe_nfq.steering.objects import EXACT, LAST_METRIC, Change, Held
from pe_nfq.steering.plan import Plan, make_plan


class RouteSteering:
    """Keeps ip rules and routes at what the last snapshot asks for; remembers nothing itself.

    What is ours is read from the kernel every time, by its protocol number, so
    a crash at any moment is repaired by the next `apply`.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._events = Events()

    def apply(self, snapshot: Snapshot, retired: tuple[RealServer, ...] = ()) -> Report:
        """See `Steering.apply`."""
        with Kernel() as kernel:
            plan, changes = self._compare(kernel, snapshot, retired)
            made, failed = _make(kernel, changes)
        return Report(made, (*self._warnings(plan), *failed))

    def plan_changes(self, snapshot: Snapshot, retired: tuple[RealServer, ...] = ()) -> Report:
        """See `Steering.plan_changes`."""
        with Kernel() as kernel:
            plan, changes = self._compare(kernel, snapshot, retired)
        return Report(_texts(changes), self._warnings(plan))

    def clear(self, *, dry_run: bool = False) -> Report:
        """See `Steering.clear`."""
        with Kernel() as kernel:
            changes = diff.changes(frozenset(), frozenset(), kernel.held())
            if not dry_run:
                _make(kernel, changes)
        return Report(_texts(changes))

    def show(self) -> tuple[Steered, ...]:
        """See `Steering.show`."""
        with Kernel() as kernel:
            held = kernel.held()
        ways = {(r.family, r.table): r for r in held.routes if r.metric != LAST_METRIC}
        found = []
        for rule in held.rules:
            if rule.mask == EXACT:
                way = ways.get((rule.family, rule.target))
                server, device = (way.gateway, way.device) if way else ("", "")
                found.append(Steered(rule.family, rule.mark, rule.target, server, device))
        return tuple(sorted(found))

    def wait_event(self, timeout: float) -> bool:
        """See `Steering.wait_event`. A change of our own wakes once, and changes nothing more."""
        return self._events.wait(timeout)

    def close(self) -> None:
        """See `Steering.close`."""
        self._events.close()

    def _compare(
        self, kernel: Kernel, snapshot: Snapshot, retired: tuple[RealServer, ...]
    ) -> tuple[Plan, tuple[Change, ...]]:
        held = kernel.held()
        plan = make_plan(snapshot, retired, self._settings, kernel.look, held)
        diff.check_priorities(plan.rules, self._settings.rule_priority, held)
        _check_tables(kernel, plan, held)
        return plan, diff.changes(plan.rules, plan.routes, held)

    def _warnings(self, plan: Plan) -> tuple[str, ...]:
        return (*plan.warnings, *sysctls.check(plan.routes, plan.vip_local))


def _check_tables(kernel: Kernel, plan: Plan, held: Held) -> None:
    """Refuse tables that others use, when they are to become ours. Raises SteeringError."""
    ours = {(route.family, route.table) for route in held.routes}
    new = {(route.family, route.table) for route in plan.routes} - ours
    found = kernel.foreign_table(sorted(new))
    if found is not None:
        raise SteeringError(
            f"ip -{found[0]} route: table {found[1]} is in use by others; choose another table_base"
        )


def _make(kernel: Kernel, changes: tuple[Change, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Make all changes but those to servers that just went. Raises SteeringError.

    Returns what was made, and what could not be and why.
    """
    made, failed = [], []
    for change in changes:
        try:
            kernel.make(change)
            made.append(str(change))
        except NoWayError as error:
            failed.append(str(error))
    return tuple(made), tuple(failed)


def _texts(changes: tuple[Change, ...]) -> tuple[str, ...]:
    return tuple(map(str, changes))
