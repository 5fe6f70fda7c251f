"""The tree of rules: other packets pass by, ours find their leaf in few steps."""

from pe_nfq.marks import DECIDED_COUNT, FALLBACK_SLOTS, Marks
from pe_nfq.steering import layout
from pe_nfq.steering.objects import Action, Change, Route
from tests.unit.steering.fib import Fib

MARKS = Marks()


def fib_with(marks: list[int]) -> Fib:
    """The rules of these marks, each to a table of its own that leads somewhere."""
    rules = set(layout.frame(4, 5060, MARKS.base))
    fib = Fib()
    for mark in marks:
        table = table_of(mark)
        rules |= set(layout.lookups(4, 5060, mark, table))
        fib.make(Change("replace", Route.via(4, table, f"server {table}", "eth0")))
    for rule in sorted(rules, key=lambda rule: -rule.priority):
        fib.make(Change("add", rule))
    return fib


def table_of(mark: int) -> int:
    """A table for a mark."""
    return 1000 + mark - MARKS.base


def test_other_packets_look_at_two_rules_more() -> None:
    """However many are ours: the first, and the end that it leads to."""
    fib = fib_with([MARKS.decided(n) for n in range(1, 200)])

    for mark in (0, 1, 5, MARKS.base - 1, MARKS.base + 2 * DECIDED_COUNT, 0xFFFFFFFF):
        way, looked_at = fib.walk(4, mark)
        assert way == "main"
        assert len(looked_at) == 4


def test_a_mark_meets_few_rules_where_there_are_thousands() -> None:
    """5,000 servers, 100 services: at most 16 on each of three levels, and its leaf."""
    decided = [MARKS.decided(n) for n in range(1, 5001)]
    slots = [MARKS.fallback_base + n for n in range(100 * FALLBACK_SLOTS)]
    fib = fib_with(decided + slots)

    assert len(fib.rules[4]) > 11_000
    for mark in decided[::97] + slots[::97]:
        way, looked_at = fib.walk(4, mark)
        assert way == f"server {table_of(mark)}"
        assert len(looked_at) <= 2 + 3 * 16 + 32


def test_all_priorities_lie_in_our_range_and_gotos_lead_onwards() -> None:
    """The kernel refuses a goto backwards; SPAN is what we claim."""
    marks = [MARKS.base + 1, MARKS.base + DECIDED_COUNT - 1]
    marks += [MARKS.fallback_base, MARKS.fallback_base + DECIDED_COUNT - 1]
    rules = fib_with(marks).held().rules | {layout.local_behind(4, 5060, MARKS.base)}

    assert min(rule.priority for rule in rules) == 5060
    assert max(rule.priority for rule in rules) == 5060 + layout.SPAN - 1
    assert all(rule.target > rule.priority for rule in rules if rule.action is Action.GOTO)


def test_the_rules_of_a_mark_depend_on_nothing_else() -> None:
    """Adding a server adds rules and changes none."""
    few = fib_with([MARKS.decided(1)]).held().rules
    many = fib_with([MARKS.decided(n) for n in range(1, 40)]).held().rules

    assert few < many


def test_without_gotos_every_mark_still_finds_its_table() -> None:
    """They only save time, so that no order of changes can misroute."""
    fib = fib_with([MARKS.decided(n) for n in range(1, 200)])
    fib.rules[4] = [rule for rule in fib.rules[4] if rule.action is not Action.GOTO]

    for dest in (1, 100, 199):
        assert fib.way(4, MARKS.decided(dest)) == f"server {table_of(MARKS.decided(dest))}"
    assert fib.way(4, 0) == "main"
