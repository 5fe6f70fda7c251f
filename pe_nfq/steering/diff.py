"""From what the kernel holds to what it should hold, in an order that is safe at every step. Pure.

A crash between any two changes leaves every mark with its old or its new
meaning, and the next comparison finds the rest: tables are filled before
rules point at them and emptied after the rules are gone; the local table is
looked up for other traffic at every moment.
"""

from collections.abc import Iterator

from pe_nfq.errors import SteeringError
from pe_nfq.steering.layout import SPAN
from pe_nfq.steering.objects import (
    KERNEL_PROTOCOL,
    LOCAL_TABLE,
    Action,
    Change,
    Held,
    Route,
    Rule,
)


def changes(rules: frozenset[Rule], routes: frozenset[Route], held: Held) -> tuple[Change, ...]:
    """All changes from `held` to `rules` and `routes`; none when they are the same."""
    used = {(rule.family, rule.target) for rule in rules if rule.action is Action.LOOKUP}
    wanted = {route.key for route in routes}
    gone = sorted(route for route in held.routes if route.key not in wanted)
    return (
        *(
            Change("replace", route)
            for route in sorted(routes - held.routes, key=_unreachable_first)
        ),
        *(Change("del", route) for route in gone if (route.family, route.table) in used),
        *_rules(rules, held),
        *(Change("del", route) for route in gone if (route.family, route.table) not in used),
    )


def _rules(rules: frozenset[Rule], held: Held) -> Iterator[Change]:
    """Add from the back, so that targets come before gotos; remove from the front."""
    for rule in sorted(rules - held.rules, key=_position, reverse=True):
        yield Change("add", rule)
    plain = {rule.family: rule for rule in held.foreign if _is_kernels_first(rule)}
    stand_ins = {rule.family for rule in rules if rule.priority == 0}
    for family in sorted(stand_ins & plain.keys()):
        yield Change("del", plain[family])
    # Either rule of ours tells that we took it; somebody may have removed the stand-in since.
    taken = {rule.family for rule in held.rules if rule.is_local}
    for family in sorted(taken - stand_ins - plain.keys()):
        yield Change("add", _kernels_first(family))
    for rule in sorted(held.rules - rules, key=_position):
        yield Change("del", rule)


def _is_kernels_first(rule: Rule) -> bool:
    return rule.is_plain_local and rule.priority == 0


def _kernels_first(family: int) -> Rule:
    """The first rule that a network namespace begins with (`fib_default_rules_init`)."""
    return Rule(family, 0, Action.LOOKUP, LOCAL_TABLE, protocol=KERNEL_PROTOCOL)


def _unreachable_first(route: Route) -> tuple[int, int, int]:
    return route.family, route.table, -route.metric


def _position(rule: Rule) -> tuple[int, int, int, int]:
    return rule.family, rule.priority, rule.mark, rule.target


def check_priorities(rules: frozenset[Rule], first: int, held: Held) -> None:
    """Refuse to mix our rules with others. Raises SteeringError."""
    families = {rule.family for rule in rules}
    for rule in sorted(held.foreign, key=_position):
        if rule.family in families and first <= rule.priority < first + SPAN:
            raise SteeringError(
                f"ip -{rule.family} rule: priority {rule.priority} is in use by others; ours are "
                f"{first} to {first + SPAN - 1}: choose another rule_priority"
            )
