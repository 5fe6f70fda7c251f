"""How outcomes of probes become a state, and when the next probe is due."""

import random

import pytest

from pe_nfq.config import Check, HealthSpec
from pe_nfq.health import Judge, first_probe, next_probe, passes, worst_case


def states(outcomes: str, judge: Judge) -> str:
    """The state behind each outcome (+ or -): up, down or ? while nothing is known."""
    told = ""
    for outcome in outcomes:
        judge.take(passed=outcome == "+")
        told += {None: "?", True: "u", False: "d"}[judge.is_up]
    return told


@pytest.mark.parametrize(
    ("is_up", "outcomes", "told"),
    [
        (None, "+", "u"),
        (None, "--+", "??u"),
        (None, "---", "??d"),
        (None, "--+---", "??uuud"),
        (True, "--+--+---", "uuuuuuuud"),
        (False, "+-++", "dddu"),
        (False, "----++", "dddddu"),
        (True, "---++---", "uuddu" + "uud"),
        # flapping at every probe changes nothing
        (True, "-+-+-+-+", "u" * 8),
        (False, "+-+-+-+-", "d" * 8),
    ],
)
def test_only_so_many_in_a_row_count(is_up: bool | None, outcomes: str, told: str) -> None:
    """Rise 2, fall 3; one that passes is enough where nothing is known."""
    assert states(outcomes, Judge(2, 3, is_up)) == told


def test_it_says_when_it_changes() -> None:
    judge = Judge(1, 2)
    assert [judge.take(passed=passed) for passed in (True, True, False, False, False, True)] == [
        True,
        False,
        False,
        True,
        False,
        True,
    ]


@pytest.mark.parametrize(
    ("accept", "code", "counts"),
    [
        (("2xx",), 200, True),
        (("2xx",), 299, True),
        (("2xx",), 302, False),
        (("2xx", "405"), 405, True),
        (("2xx", "405"), 404, False),
        (("6xx",), 603, True),
        # none came: in no list
        (("2xx", "3xx", "4xx", "5xx", "6xx"), 0, False),
    ],
)
def test_codes_and_classes(accept: tuple[str, ...], code: int, counts: bool) -> None:
    assert passes(accept, code) is counts


def test_probes_are_spread_and_never_far_from_their_interval() -> None:
    """Many servers are not asked at once, and none drifts to the others' step."""
    chance = random.Random(1)
    firsts = [first_probe(100.0, 5.0, chance) for _ in range(1000)]
    nexts = [next_probe(100.0, 5.0, chance) for _ in range(1000)]
    assert 100 <= min(firsts) < 100.1
    assert 104.9 < max(firsts) < 105
    assert 104.5 <= min(nexts) < 104.55
    assert 105.45 < max(nexts) <= 105.5
    busiest = max(sum(int(10 * first) == slot for first in firsts) for slot in range(1000, 1050))
    assert busiest < 50


def test_the_worst_case_covers_every_history() -> None:
    """Simulated: a server that dies at any moment is known to be down within it."""
    spec = HealthSpec(Check.OPTIONS, 5.0, 2.0, 2, 3, ("2xx",), 0, b"")
    chance, longest = random.Random(2), 0.0
    for _ in range(2000):
        judge, due, dead = Judge(spec.rise, spec.fall, is_up=True), 0.0, chance.uniform(0, 5)
        while judge.is_up:
            passed = due < dead
            judge.take(passed=passed)
            known = due if passed else due + spec.timeout
            due = max(known, next_probe(due, spec.interval, chance))
        longest = max(longest, known - dead)
    assert worst_case(spec) == 3 * 5 * 1.1 + 2 + 1
    assert longest <= worst_case(spec) - 1
    assert longest > 0.8 * (worst_case(spec) - 1)


def test_what_others_say_takes_a_publication() -> None:
    assert worst_case(HealthSpec(Check.EXTERNAL, 5.0, 2.0, 2, 3, ("2xx",), 0, b"")) == 1
