"""Power of two choices, by live templates (ip_vs_twos.c)."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from pe_nfq.model import RealServer
from pe_nfq.schedulers import Dialog
from pe_nfq.schedulers.flags import SchedFlags
from pe_nfq.schedulers.twos import PowerOfTwoChoices

Rotate = Callable[[str, str], Any]
Dests = Callable[[str], tuple[RealServer, ...]]


def test_draws_follow_weights(rotate: Rotate) -> None:
    """With no load on any the first draw wins: shares of it are those of the weights."""
    counts = Counter(rotate("twos", "A1 B2 C5").take(4000))

    assert abs(counts["A"] / 4000 - 1 / 8) < 0.03
    assert abs(counts["B"] / 4000 - 2 / 8) < 0.03
    assert abs(counts["C"] / 4000 - 5 / 8) < 0.03


def test_the_less_loaded_of_two_wins(dests: Dests, dialog: Dialog) -> None:
    """Of three, the most loaded gets a dialog only when it is drawn twice: one in nine."""
    state, counts = b"", Counter[str]()
    for _ in range(3600):
        dest, state = PowerOfTwoChoices().choose(
            dests("A1 B1 C1"), dialog, SchedFlags(0), lambda id_: id_, lambda dest: True, state
        )
        counts[chr(dest.id) if dest else "-"] += 1

    assert abs(counts["C"] / 3600 - 1 / 9) < 0.03
    assert abs(counts["A"] / 3600 - 5 / 9) < 0.03


def test_load_is_taken_for_its_weight(dests: Dests, dialog: Dialog) -> None:
    """Four of weight 9 is less than one of weight 1: B wins unless A is drawn twice."""
    state, counts = b"", Counter[str]()
    loads = {"A": 1, "B": 4}
    for _ in range(1000):
        dest, state = PowerOfTwoChoices().choose(
            dests("A1 B9"),
            dialog,
            SchedFlags(0),
            lambda id_: loads[chr(id_)],
            lambda dest: True,
            state,
        )
        counts[chr(dest.id) if dest else "-"] += 1

    assert counts["A"] < 30
    assert counts["B"] > 970


def test_a_draw_is_of_the_key_and_of_the_count(rotate: Rotate) -> None:
    """The same again gives the same; the next count another."""
    one, two = rotate("twos", "A1 B1 C1"), rotate("twos", "A1 B1 C1")

    taken = one.take(30)
    assert taken == two.take(30)
    assert len(set(taken)) == 3
    assert one.state == (30).to_bytes(8, "little")
    one.change("A1 B1")
    assert one.state == two.state


def test_ineligible_dests_are_not_drawn(rotate: Rotate) -> None:
    """Nobody is where all are."""
    service = rotate("twos", "A1 B0 C1 D1")

    assert set(service.take(60, overloaded="C")) == {"A", "D"}
    assert service.take(2, overloaded="ACD") == "--"


@pytest.mark.parametrize("state", [b"x", b"\xff" * 8, b"\0" * 4097])
def test_any_state_serves(rotate: Rotate, state: bytes) -> None:
    """One that is damaged counts from 0, and after the last count comes 0."""
    service = rotate("twos", "A1")
    service.state = state

    assert service.take(2) == "AA"
    assert int.from_bytes(service.state, "little") in (1, 2)
