"""A dest from the key alone, for dialogs without a record."""

import math
from collections import Counter
from collections.abc import Callable

import pytest

from pe_nfq.model import RealServer
from pe_nfq.schedulers.spread import SLOTS, Ranking, deterministic_choice

Dests = Callable[[str], tuple[RealServer, ...]]

KEYS = [b"client\0call-%d" % number for number in range(600)]


def choose(dests: tuple[RealServer, ...], ineligible: str = "") -> str:
    """The letter of the dest of each of KEYS."""
    chosen = [
        deterministic_choice(dests, key, lambda dest: chr(dest.id) not in ineligible)
        for key in KEYS
    ]
    return "".join(chr(dest.id) if dest else "-" for dest in chosen)


def moves(old: str, new: str) -> set[str]:
    """From and to, of the keys that moved."""
    return {a + b for a, b in zip(old, new, strict=True) if a != b}


@pytest.mark.parametrize("weights", [(1, 1, 1), (4, 3, 2), (1,) * 20])
def test_shares_follow_weights(weights: tuple[int, ...]) -> None:
    """Over all slots, within four sigma of a fair draw."""
    ranking = Ranking(tuple((b"192.0.2.%d:5060" % n, w) for n, w in enumerate(weights)))
    owned = Counter(ranking.first(slot) for slot in range(SLOTS))

    for index, weight in enumerate(weights):
        p = weight / sum(weights)
        assert abs(owned[index] - SLOTS * p) <= 4 * math.sqrt(SLOTS * p * (1 - p))


def test_only_keys_of_a_removed_dest_move(dests: Dests) -> None:
    """And they go to all the others."""
    assert moves(choose(dests("A1 B2 C3")), choose(dests("A1 C3"))) == {"BA", "BC"}


def test_keys_move_only_to_an_added_dest(dests: Dests) -> None:
    """No dialog moves between two dests that were there."""
    assert moves(choose(dests("A1 B2")), choose(dests("D2 A1 B2"))) == {"AD", "BD"}


def test_keys_move_only_to_a_dest_that_gained_weight(dests: Dests) -> None:
    """Weights of the others are not looked at."""
    assert moves(choose(dests("A1 B2 C2")), choose(dests("A3 B2 C2"))) == {"BA", "CA"}


def test_ineligible_and_quiesced_are_as_removed(dests: Dests) -> None:
    """It makes no difference why a dest takes nothing."""
    removed = choose(dests("A1 C3"))

    assert choose(dests("A1 B2 C3"), ineligible="B") == removed
    assert choose(dests("A1 B0 C3")) == removed


@pytest.mark.parametrize(("text", "ineligible"), [("", ""), ("A0 B0", ""), ("A1 B1", "AB")])
def test_none_where_none_is_eligible(dests: Dests, text: str, ineligible: str) -> None:
    """No dests, all quiesced, all ineligible."""
    assert set(choose(dests(text), ineligible)) == {"-"}


def test_the_answers_are_pinned(dests: Dests) -> None:
    """Directors of different releases agree: another hash would split what has no record."""
    assert choose(dests("A1 B2 C3"))[:40] == "CCCCCACBCCAACCCCBCBCCCACCCBACCCBBCCBCBBB"
