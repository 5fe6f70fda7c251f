"""Weighted round robin, by tables worked out by hand from ip_vs_wrr.c; newest dests first."""

from collections.abc import Callable
from typing import Any

import pytest

Rotate = Callable[[str, str], Any]


@pytest.mark.parametrize(
    ("dests", "sequence"),
    [
        # cw = 1, as the first dest was alone once; then 4, 3, 2, 1 and again
        ("A4 B3 C2", "ABC" "A" "AB" "ABC" "ABC" "A" "AB"),
        ("C2 B3 A4", "CBA" "A" "BA" "CBA" "CBA" "A" "BA"),
        # step 2: cw = 1, then 6 - 1, 3, 1
        ("A6 B4", "AB" "A" "AB" "AB" "A"),
        # equal weights are one round: cw = 1
        ("A7 B7 C7", "ABCABC"),
        ("A1", "AAA"),
        # the quiesced one counts for nothing: step 2, cw = 1, 3, 1
        ("A4 B0 C2", "AC" "A" "AC" "A" "AC"),
        ("A1 B5", "AB" "BBBB" "AB" "BBBB" "AB"),
        ("A0 B0", "---"),
        ("", "-"),
    ],
)  # fmt: skip
def test_the_sequence_of_uneven_weights(rotate: Rotate, dests: str, sequence: str) -> None:
    """Bursts and all: the order of the rounds is the kernel's."""
    assert rotate("wrr", dests).take(len(sequence)) == sequence


@pytest.mark.parametrize(
    ("before", "taken", "after", "sequence"),
    [
        # Pointer at A, cw 2. B quiesced: step 2, top 3, cw = 2 // 2 * 2 + 1 = 3, from the head.
        ("A4 B3 C2", "ABCAABA", "A4 B0 C2", "A" "AC" "A" "AC"),
        # Pointer at A, cw 2. Without C the step is 2, top 5, cw = 2 // 2 * 2 + 1 = 3.
        ("A6 B4 C1", "ABCAAABABA", "A6 B4", "AB" "AB" "A" "AB"),
        # cw 1 fits under the new top 3 and stays: first the round for weight 1, then 3, 2, 1.
        ("A1 B1", "A", "D3 A1 B1", "DAB" "D" "D" "DAB"),
        # Pointer at B, cw 3; the top of B3 C2 is 3: from the head at 3, then 2, 1.
        ("A4 B3 C2", "ABCAAB", "B3 C2", "B" "BC" "BC" "B"),
        # cw 3 is above the new top 2.
        ("A4 B2", "ABA", "A2 B1", "A" "AB" "A"),
        # A change that changes no weight still goes back to the head, as `ipvsadm -e` does.
        ("A1 B1 C1", "A", "A1 C1 B1", "ACB"),
        # All quiesced: cw 0, which the next change sets to the top.
        ("A2 B1", "A", "A0 B0", "--"),
        # All replaced at once is one change: A3 alone is one round, cw 1, which fits under 4.
        ("A3", "AA", "B4 C1", "BC" "B" "B" "B" "BC"),
    ],
)  # fmt: skip
def test_it_goes_on_after_a_change(
    rotate: Rotate, before: str, taken: str, after: str, sequence: str
) -> None:
    """What ip_vs_wrr_dest_changed does: back to the list head, current weight made to fit."""
    service = rotate("wrr", before)
    assert service.take(len(taken)) == taken

    service.change(after)

    assert service.take(len(sequence)) == sequence


def test_dests_that_come_back_from_zero_start_at_the_top(rotate: Rotate) -> None:
    """While all are quiesced the current weight is 0; the first weight sets it anew."""
    service = rotate("wrr", "A2 B1")
    service.take(2)
    service.change("A0 B0")
    service.change("A4 B2")

    assert service.take(4) == "AABA"


def test_the_same_dests_again_change_nothing(rotate: Rotate) -> None:
    """A snapshot that is new for another reason does not start the rotation afresh."""
    service = rotate("wrr", "A4 B3 C2")
    service.take(7)
    service.change("A4 B3 C2")

    assert service.take(5) == "BCABC"


def test_a_service_that_gets_this_scheduler_later_begins_at_the_top(rotate: Rotate) -> None:
    """`ipvsadm -E -s wrr`: all dests are there at once (ip_vs_wrr_init_svc)."""
    service = rotate("wrr", "")
    service.change("A4 B3 C2")

    assert service.take(6) == "AABABC"


def test_an_overloaded_dest_is_passed_over(rotate: Rotate) -> None:
    """Rounds that only it could serve are skipped: cw 1, 3, 2, 1 here."""
    service = rotate("wrr", "A4 B3 C2")

    assert service.take(8, overloaded="A") == "BCBBCBCB"
    # Step 2: the kernel's cw goes 1, 9, 7, 5, 3, 1, and B and C have their turns at 3 and 1.
    assert rotate("wrr", "A10 B4 C2").take(7, overloaded="A") == "BCBBCBB"


def test_a_search_in_vain_ends_where_the_kernels_does(rotate: Rotate) -> None:
    """Before the last round: at the head and the top weight. In the last round: where it was."""
    early = rotate("wrr", "A4 B3 C2")
    early.take(5)
    assert early.take(2, overloaded="ABC") == "--"
    assert early.take(3) == "AAB"

    late = rotate("wrr", "A4 B3 C2")
    assert late.take(10) == "ABCAABABCA"
    assert late.take(2, overloaded="ABC") == "--"
    assert late.take(3) == "BCA"


def test_a_huge_weight_out_of_reach_costs_no_walks(rotate: Rotate) -> None:
    """The kernel walks 65,534 times in vain here; the answer is the same."""
    assert rotate("wrr", "A65535 B1").take(3, overloaded="A") == "BBB"


DAMAGED = {
    "short": b"\x01",
    "long": b"\0" * 4097,
    "unknown dest": b"Z\0\0\0\x01\0\0\0",
    "weight 0": b"A\0\0\0\0\0\0\0",
    "weight too high": b"A\0\0\0\xff\xff\xff\xff",
    "weight between two rounds": b"A\0\0\0\x02\0\0\0",
}


@pytest.mark.parametrize("fault", DAMAGED)
def test_a_damaged_state_is_the_initial_one(rotate: Rotate, fault: str) -> None:
    """Nothing that the table may return raises, or makes the search long."""
    service = rotate("wrr", "A6 B4")
    service.state = DAMAGED[fault]
    assert service.take(7) == "ABAABAB"

    service.state = DAMAGED[fault]
    service.change("A6 B4 C2")
    assert service.take(9) == "ABCAABABC"


def test_the_state_is_eight_bytes(rotate: Rotate) -> None:
    """However many dests there are."""
    service = rotate("wrr", " ".join(f"{chr(code)}{code}" for code in range(0x21, 0x7F)))
    service.take(50)

    assert len(service.state) == 8
