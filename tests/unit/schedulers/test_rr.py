"""Round robin, by tables worked out by hand from ip_vs_rr.c; newest dests first."""

from collections.abc import Callable
from typing import Any

import pytest

Rotate = Callable[[str, str], Any]


@pytest.mark.parametrize(
    ("dests", "sequence"),
    [
        ("A1", "AAA"),
        ("A1 B1 C1", "ABCABCA"),
        ("A9 B1", "ABABAB"),  # weights play no part
        ("A1 B0 C1", "ACACAC"),  # but for 0, which is quiesced
        ("A0 B0", "---"),
        ("", "-"),
    ],
)
def test_it_goes_round_the_list(rotate: Rotate, dests: str, sequence: str) -> None:
    """From the list head on, one after the other, and round again."""
    assert rotate("rr", dests).take(len(sequence)) == sequence


@pytest.mark.parametrize(
    ("before", "taken", "after", "sequence"),
    [
        # Added at the head, so behind the pointer: its turn comes after the wrap.
        ("A1 B1 C1", "AB", "D1 A1 B1 C1", "CDABC"),
        # The last chosen is removed: the pointer steps back, so that none is passed over.
        ("A1 B1 C1", "AB", "A1 C1", "CACA"),
        ("A1 B1 C1", "A", "B1 C1", "BCBC"),
        # Another is removed: the pointer stays.
        ("A1 B1 C1", "AB", "B1 C1", "CBC"),
        # Several at once, as if one after the other.
        ("A1 B1 C1 D1", "ABC", "A1 D1", "DAD"),
        ("A1 B1 C1", "ABC", "D1", "DD"),
        # Removed and added again, it stands at the head.
        ("A1 B1 C1", "ABC", "B1 A1 C1", "BACB"),
        # Quiesced, the pointer stays on it.
        ("A1 B1 C1", "AB", "A1 B0 C1", "CACA"),
    ],
)
def test_it_goes_on_after_a_change(
    rotate: Rotate, before: str, taken: str, after: str, sequence: str
) -> None:
    """What ip_vs_rr_del_dest does to the pointer; other changes leave it."""
    service = rotate("rr", before)
    assert service.take(len(taken)) == taken

    service.change(after)

    assert service.take(len(sequence)) == sequence


def test_an_overloaded_dest_is_passed_over(rotate: Rotate) -> None:
    """It keeps its place; when none is left the rotation waits where it is."""
    service = rotate("rr", "A1 B1 C1")

    assert service.take(3, overloaded="B") == "ACA"
    assert service.take(2, overloaded="ABC") == "--"
    assert service.take(3) == "BCA"


@pytest.mark.parametrize("state", [b"\x01", b"\xff" * 4, b"A\0\0", b"\0" * 4097])
def test_a_damaged_state_is_the_initial_one(rotate: Rotate, state: bytes) -> None:
    """Nothing that the table may return raises."""
    service = rotate("rr", "A1 B1 C1")
    service.state = state

    assert service.take(4) == "ABCA"
    service.state = state
    service.change("D1 A1 B1 C1")
    assert service.take(2) == "DA"


def test_the_state_is_four_bytes(rotate: Rotate) -> None:
    """However many dests there are."""
    service = rotate("rr", " ".join(f"{chr(code)}1" for code in range(0x21, 0x7F)))
    service.take(50)

    assert len(service.state) == 4
