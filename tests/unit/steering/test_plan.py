"""What the kernel should hold for a snapshot."""

from pe_nfq.marks import FALLBACK_SLOTS, Marks
from pe_nfq.model import Endpoint, RealServer
from pe_nfq.steering.contract import Settings
from pe_nfq.steering.layout import local_behind, local_first
from pe_nfq.steering.objects import LAST_METRIC, LOCAL_TABLE, Action, Held, Rule
from pe_nfq.steering.plan import Path, Plan
from tests.unit.steering.fib import (
    OWN,
    SETTINGS,
    Fib,
    marks_of,
    metrics_of,
    packed,
    plan_of,
    service,
)

ONE, TWO = ("192.0.2.1:5060", 1), ("192.0.2.2:5060", 1)
VIP = packed("203.0.113.10")
GONE = Path("", problem="no route to it (Network is unreachable)")
MARKS = Marks()


def slots_of(plan: Plan) -> list[str]:
    """Where the fallback slots of the VIP's service lead."""
    fib = Fib()
    fib.converge(plan)
    first = MARKS.fallback("udp 203.0.113.10:5060")
    return [fib.way(4, first + slot) for slot in range(FALLBACK_SLOTS)]


def way_to(plan: Plan, dest_id: int, family: int = 4) -> str:
    """Where the decided mark of a dest leads."""
    fib = Fib()
    fib.converge(plan)
    return fib.way(family, MARKS.decided(dest_id))


def test_a_decided_mark_leads_to_its_server() -> None:
    """Each by a table of its own, numbered as the mark is, with a last resort."""
    plan = plan_of([service(ONE, TWO)])

    assert way_to(plan, 1) == "192.0.2.1"
    assert way_to(plan, 2) == "192.0.2.2"
    assert metrics_of(plan, SETTINGS.table_base + 2) == [0, LAST_METRIC]


def test_ipv6_is_steered_as_ipv4_is() -> None:
    """With its own metric, and nothing in the other family."""
    plan = plan_of([service(("[2001:db8::1]:5060", 1), vip="[2001:db8::10]:5060")])

    assert way_to(plan, 1, family=6) == "2001:db8::1"
    assert metrics_of(plan, SETTINGS.table_base + 1) == [1024, LAST_METRIC]
    assert {rule.family for rule in plan.rules} == {6}


def test_a_server_of_weight_0_is_steered_to_but_takes_no_fallback() -> None:
    """Weight 0 drains: its dialogs stay, nothing new comes."""
    plan = plan_of([service(ONE, ("192.0.2.2:5060", 0))])

    assert way_to(plan, 2) == "192.0.2.2"
    assert set(slots_of(plan)) == {"192.0.2.1"}


def test_fallback_slots_follow_the_weights_of_servers_that_can_be_reached() -> None:
    """The slots of one whose link is down go to the others until it is back."""
    servers = [ONE, TWO, ("192.0.2.3:5060", 2)]
    slots = slots_of(plan_of([service(*servers)]))
    without = slots_of(plan_of([service(*servers)], paths={packed("192.0.2.3"): GONE}))

    assert [slots.count(f"192.0.2.{n}") for n in (1, 2, 3)] == [16, 16, 32]
    assert [without.count(f"192.0.2.{n}") for n in (1, 2, 3)] == [32, 32, 0]


def test_a_server_that_cannot_be_reached_is_named_and_the_others_are_steered() -> None:
    """Its mark is refused and never goes by the main table."""
    plan = plan_of([service(ONE, TWO)], paths={packed("192.0.2.2"): GONE})

    assert plan.warnings == (
        "cannot steer to 192.0.2.2 (udp 203.0.113.10:5060): "
        "no route to it (Network is unreachable)",
    )
    assert way_to(plan, 1) == "192.0.2.1"
    assert way_to(plan, 2) == "unreachable"


def test_when_no_server_takes_fallback_it_is_refused_and_said_why() -> None:
    """All at weight 0, none reachable, none at all: three reasons."""
    quiet = plan_of([service(("192.0.2.1:5060", 0))])
    gone = plan_of([service(ONE)], paths={packed("192.0.2.1"): GONE})
    empty = plan_of([service()])

    for plan, why in (
        (quiet, "every server has weight 0"),
        (gone, "no server can be reached"),
        (empty, "it has no server"),
    ):
        assert set(slots_of(plan)) == {"unreachable"}
        assert why in plan.warnings[-1]


def test_a_retired_server_is_steered_to_without_a_service() -> None:
    """Templates may still name it."""
    plan = plan_of(retired=(RealServer(7, Endpoint.parse("192.0.2.7:5060")),))

    assert marks_of(plan) == {(4, MARKS.decided(7))}
    assert way_to(plan, 7) == "192.0.2.7"


def test_nothing_to_steer_needs_nothing() -> None:
    """No services: no rule, not even the frame."""
    assert plan_of() == Plan(frozenset(), frozenset(), frozenset(), ())


def test_a_local_vip_moves_the_local_rule_of_its_family() -> None:
    """By default when it is an address of this machine; as told otherwise."""
    first, behind = local_first(4, SETTINGS.mark_base), local_behind(4, 5060, SETTINGS.mark_base)
    services = [service(ONE), service(("[2001:db8::1]:5060", 1), vip="[2001:db8::10]:5060")]

    def moved(settings: Settings, paths: dict[bytes, Path]) -> set[Rule]:
        plan = plan_of(services, paths=paths, settings=settings)
        return {rule for rule in plan.rules if rule.target == LOCAL_TABLE}

    assert moved(Settings(), {}) == set()
    assert moved(Settings(), {VIP: OWN}) == {first, behind}
    assert moved(Settings(vip_local=False), {VIP: OWN}) == set()
    assert {rule.family for rule in moved(Settings(vip_local=True), {})} == {4, 6}


def test_a_local_rule_that_the_operator_moved_stays_where_it_is() -> None:
    """As VRF set-ups do; too early for us is said."""
    late, early = (
        Held(foreign=frozenset({Rule(4, priority, Action.LOOKUP, LOCAL_TABLE, protocol=3)}))
        for priority in (32765, 100)
    )
    paths = {VIP: OWN}
    calm, warned = (plan_of([service(ONE)], paths=paths, held=held) for held in (late, early))

    assert not any(rule.priority == 0 for rule in calm.rules | warned.rules)
    assert calm.warnings == ()
    assert "choose a lower rule_priority" in warned.warnings[0]
