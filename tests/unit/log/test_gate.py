"""Which events become lines, by a clock that the tests turn."""

from pe_nfq.log.gate import NOT_TAKEN, OVER_BUDGET, Gate
from pe_nfq.log.table import DIALOGS, EVENTS, FEW


def admitted(gate: Gate, event: str, times: int, now: int) -> int:
    """How many of `times` events at one moment become lines."""
    return sum(gate.admits(event, now) for _ in range(times))


def test_verbosity_chooses_by_level_and_counts_nothing() -> None:
    """What is not wanted is not suppressed either: nobody asked for it."""
    for verbosity in range(10):
        gate = Gate(verbosity, rate=1000)
        seen = {event for event in EVENTS if gate.admits(event, now=1000)}
        assert seen == {event for event, row in EVENTS.items() if row.level <= verbosity}
        assert gate.report(1000, last=True) == {}


def test_beyond_the_budget_of_a_second_events_are_counted() -> None:
    """The next second has a budget of its own; the report tells each event's lines once."""
    gate = Gate(DIALOGS, rate=3)
    assert admitted(gate, "template-created", 5, now=1000) == 3
    assert admitted(gate, "template-created", 4, now=2000) == 3
    counts = {"template-created": 3}
    assert gate.report(2000) == {OVER_BUDGET: counts}
    gate.reported(OVER_BUDGET, counts)
    assert gate.report(3000) == {}


def test_a_report_that_was_not_written_is_repeated() -> None:
    """With what came since."""
    gate = Gate(DIALOGS, rate=1)
    admitted(gate, "expired", 2, now=1000)
    assert gate.report(1000) == {OVER_BUDGET: {"expired": 1}}
    admitted(gate, "expired", 2, now=1001)
    assert gate.report(1999) == {}
    assert gate.report(2000) == {OVER_BUDGET: {"expired": 3}}


def test_a_flood_of_declines_leaves_room_for_others() -> None:
    """An event that a sender causes at will has a small budget of its own."""
    gate = Gate(DIALOGS, rate=20)
    assert admitted(gate, "declined", 1000, now=1000) == FEW
    assert admitted(gate, "template-created", 100, now=1000) == 20 - FEW


def test_dialogs_do_not_use_up_the_budget_of_trouble() -> None:
    """A worker's death is told however many calls arrive."""
    gate = Gate(DIALOGS, rate=5)
    admitted(gate, "template-created", 1000, now=1000)
    assert gate.admits("worker-died", now=1000)


def test_a_thousand_services_do_not_silence_that_all_is_ready() -> None:
    """Each has a line at the start, in one second with the rest of it."""
    gate = Gate(DIALOGS, rate=1000)
    assert admitted(gate, "service", 1000, now=1000) == 1000
    assert gate.admits("ready", now=1000)


def test_lines_that_nobody_took_are_counted_apart() -> None:
    """A slow output is another matter than a busy director."""
    gate = Gate(DIALOGS, rate=5)
    gate.lost("match")
    assert gate.report(1000, last=True) == {NOT_TAKEN: {"match": 1}}


def test_unlisted_events_share_one_counter_and_one_budget() -> None:
    """Names from elsewhere cannot grow anything."""
    gate = Gate(DIALOGS, rate=1000)
    assert sum(gate.admits(f"event-{n}", now=1000) for n in range(100)) == FEW
    assert gate.report(1000, last=True) == {OVER_BUDGET: {"unlisted": 100 - FEW}}


def test_limits_can_change() -> None:
    """At once, and what was kept back before is still reported."""
    gate = Gate(DIALOGS, rate=1)
    assert admitted(gate, "expired", 2, now=1000) == 1
    gate.limit(DIALOGS, 3)
    assert admitted(gate, "expired", 4, now=1000) == 3
    gate.limit(0, 3)
    assert not gate.admits("expired", now=3000)
    assert gate.report(3000) == {OVER_BUDGET: {"expired": 2}}
