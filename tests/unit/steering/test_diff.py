"""What changes, in what order, and what is refused."""

import pytest

from pe_nfq.errors import SteeringError
from pe_nfq.marks import Marks
from pe_nfq.steering.diff import check_priorities
from pe_nfq.steering.layout import SPAN
from pe_nfq.steering.objects import Action, Change, Held, Route, Rule
from pe_nfq.steering.plan import Path
from tests.unit.steering.fib import OWN, Fib, packed, plan_of, service

SERVERS = [("192.0.2.1:5060", 1), ("192.0.2.2:5060", 1), ("192.0.2.3:5060", 1)]


def test_the_same_plan_again_changes_nothing() -> None:
    """The second time there is nothing to do."""
    fib, plan = Fib(), plan_of([service(*SERVERS)])

    assert fib.converge(plan)
    assert fib.converge(plan) == ()


def test_weight_0_replaces_routes_and_touches_no_rule() -> None:
    """The netfilter rules, the ip rules and the tables stay: only defaults are re-pointed."""
    fib = Fib()
    fib.converge(plan_of([service(*SERVERS)]))
    quiet = [*SERVERS[:2], ("192.0.2.3:5060", 0)]

    made = fib.converge(plan_of([service(*quiet)]))

    assert made
    assert {(change.verb, type(change.thing)) for change in made} == {("replace", Route)}


def test_the_way_to_a_server_that_cannot_be_reached_is_removed() -> None:
    """Its table stays, and refuses; the way comes back with the server."""
    fib, services = Fib(), [service(*SERVERS)]
    gone = Path("", problem="its link is down")
    mark = Marks().decided(1)
    fib.converge(plan_of(services))

    made = fib.converge(plan_of(services, paths={packed("192.0.2.1"): gone}))
    assert Change("del", Route.via(4, 506000001, "192.0.2.1", "eth0")) in made
    assert fib.way(4, mark) == "unreachable"

    fib.converge(plan_of(services))
    assert fib.way(4, mark) == "192.0.2.1"


def test_tables_are_filled_before_rules_and_emptied_after_them() -> None:
    """So that no rule ever points at an empty table."""
    fib = Fib()
    up = fib.converge(plan_of([service(*SERVERS)]))
    down = fib.converge(plan_of())

    for made, first in ((up, Route), (down, Rule)):
        kinds = [type(change.thing) for change in made]
        assert kinds == sorted(kinds, key=lambda kind: kind is not first)


def test_the_local_rule_is_never_missing() -> None:
    """The stand-in comes before the kernel's own goes, and the other way round."""
    fib, services = Fib(), [service(*SERVERS)]
    local = plan_of(services, paths={packed("203.0.113.10"): OWN})

    to_local = [str(change) for change in fib.converge(local)]
    back = [str(change) for change in fib.converge(plan_of(services))]

    stand_in = "priority 0 not fwmark 0x50600000/0xffe00000 lookup local protocol 163"
    kernels = "priority 0 lookup local protocol 2"
    assert to_local[-2:] == [f"ip -4 rule add {stand_in}", f"ip -4 rule del {kernels}"]
    assert back[:2] == [f"ip -4 rule add {kernels}", f"ip -4 rule del {stand_in}"]


def test_a_local_rule_that_others_removed_comes_back() -> None:
    """Without any, no VIP looks local: first the kernel's own returns, then our stand-in."""
    fib, local = Fib(), plan_of([service(*SERVERS)], paths={packed("203.0.113.10"): OWN})
    fib.converge(local)
    wanted = fib.held()
    del fib.rules[4][0]

    fib.converge(plan_of([service(*SERVERS)]))
    assert fib.way(4, 0, is_local=True) == "local"

    fib.converge(local)
    assert fib.held() == wanted


@pytest.mark.parametrize("priority", [5060, 5100, 5060 + SPAN - 1])
def test_foreign_rules_among_ours_are_refused(priority: int) -> None:
    """One line that says where, and what would be right."""
    plan = plan_of([service(*SERVERS)])
    foreign = Rule(4, priority, Action.NOP, protocol=3)

    with pytest.raises(SteeringError, match=rf"priority {priority} is in use .* rule_priority$"):
        check_priorities(plan.rules, 5060, Held(foreign=frozenset({foreign})))


@pytest.mark.parametrize(("family", "priority"), [(4, 5059), (4, 5060 + SPAN), (6, 5060)])
def test_foreign_rules_elsewhere_are_none_of_our_business(family: int, priority: int) -> None:
    """Before, behind, and in a family that we do not use."""
    plan = plan_of([service(*SERVERS)])
    foreign = Rule(family, priority, Action.NOP, protocol=3)

    check_priorities(plan.rules, 5060, Held(foreign=frozenset({foreign})))
