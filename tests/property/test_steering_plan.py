"""Steering converges from anywhere, and no step on the way misroutes: on a model of the kernel."""

from hypothesis import given, settings
from hypothesis import strategies as st

from pe_nfq.marks import Marks
from pe_nfq.model import Endpoint, RealServer, VirtualService
from pe_nfq.steering.contract import Settings
from pe_nfq.steering.diff import changes
from pe_nfq.steering.objects import Held
from pe_nfq.steering.plan import Path, Plan
from pe_nfq.steering.slots import assign
from tests.unit.steering.fib import OWN, Fib, marks_of, packed, plan_of

GONE = Path("", problem="its link is down")
PREFIXES = {4: ("203.0.113.{}:5060", "192.0.2.{}:5060"), 6: ("[2001:db8::{}]:5060",) * 2}
MARKS = Marks()


@st.composite
def services(draw: st.DrawFn) -> list[VirtualService]:
    """Up to three services with up to three servers each, of both families; ids far apart."""
    chosen = draw(
        st.lists(st.tuples(st.sampled_from((4, 6)), st.integers(1, 3)), max_size=3, unique=True)
    )
    return [draw(service(family, number)) for family, number in chosen]


@st.composite
def service(draw: st.DrawFn, family: int, number: int) -> VirtualService:
    vip, server = PREFIXES[family]
    ids = draw(st.lists(st.integers(1, 3), max_size=3, unique=True))
    dests = tuple(
        RealServer(
            # Spread over leaves, branches and both families.
            family * 1000 + number * 100 + id_ * 7,
            Endpoint.parse(server.format(id_ + 50)),
            draw(st.integers(0, 3)),
        )
        for id_ in ids
    )
    return VirtualService(number, Endpoint.parse(vip.format(number)), dests)


@st.composite
def situations(draw: st.DrawFn) -> Plan:
    """A plan for some services, servers out of reach, and VIPs that are local or not."""
    gone = draw(st.sets(st.sampled_from(("192.0.2.51", "2001:db8::52"))))
    own = draw(st.sets(st.sampled_from(("203.0.113.1", "2001:db8::2"))))
    paths = {packed(a): GONE for a in gone} | {packed(a): OWN for a in own}
    bases = draw(st.sampled_from((Settings(), Settings(rule_priority=5300, table_base=7000000))))
    return plan_of(draw(services()), paths=paths, settings=bases)


def ways(fib: Fib, marks: set[tuple[int, int]]) -> dict[tuple[int, int], str]:
    """Where packets that are not for this machine go."""
    return {(family, mark): fib.way(family, mark) for family, mark in marks}


@settings(max_examples=40)
@given(situations(), situations(), st.data())
def test_every_step_between_two_plans_is_safe(old: Plan, new: Plan, data: st.DataObject) -> None:
    """Other traffic never notices; a mark means the old or the new; any crash is repaired."""
    fib = Fib()
    fib.converge(old)
    # Every one costs a walk a step: all decided marks and a few fallback slots.
    both = {
        (f, mark)
        for f, mark in marks_of(old) & marks_of(new)
        if mark % 16 == 0 or MARKS.dest_id(mark)
    }
    before, steps = ways(fib, both), changes(new.rules, new.routes, fib.held())
    target = fib.copy()
    target.converge(new)
    after = ways(target, both)
    crash = data.draw(st.integers(0, len(steps)))

    for number, step in enumerate(steps):
        if number == crash:
            assert_repairable(fib.copy(), new, target.held())
        fib.make(step)
        for family in (4, 6):
            assert fib.way(family, 0) == "main"
            assert fib.way(family, 0, is_local=True) == "local"
        for key, way in ways(fib, both).items():
            assert way in (before[key], after[key])
    fresh = Fib()
    fresh.converge(new)
    assert fib.held() == fresh.held()


def assert_repairable(fib: Fib, plan: Plan, wanted: Held) -> None:
    """From here the plan is reached, and so is a machine without us."""
    cleared = fib.copy()
    cleared.converge(plan_of())
    fib.converge(plan)

    assert fib.held() == wanted
    assert (cleared.rules, cleared.routes) == (Fib().rules, {})


@settings(max_examples=40)
@given(situations())
def test_local_vips_are_steered_and_all_else_that_is_local_stays(plan: Plan) -> None:
    """Marks without a table, and no marks at all, are delivered as ever."""
    fib = Fib()
    fib.converge(plan)

    for family, mark in marks_of(plan):
        way = fib.way(family, mark, is_local=True)
        assert (way != "local") is (family in plan.vip_local)
    for family in (4, 6):
        assert fib.way(family, MARKS.decided(99), is_local=True) == "local"
        assert fib.way(family, 5, is_local=True) == "local"


@given(st.lists(st.integers(1, 65535), min_size=1, max_size=8))
def test_slots_are_shared_by_weight(weights: list[int]) -> None:
    """To one slot more or less, where the least and the most are wanted."""
    slots = assign("udp 203.0.113.10:5060", tuple((f"s{n}", w) for n, w in enumerate(weights)))

    for number, weight in enumerate(weights):
        assert abs(slots.count(number) - 64 * weight / sum(weights)) < 1 + len(weights) / 2
