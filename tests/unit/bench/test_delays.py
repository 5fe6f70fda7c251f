"""Percentiles, gaps and losses of an open-loop run."""

import struct

import pytest

from tests.bench.delays import Trip, decode, delays, longest_gap, percentile

US = 1000


def trips(*waited: int, apart: int = 100) -> list[Trip]:
    """Due `apart` us from each other, arrived `waited` us later; 0: never."""
    due = [US * apart * number for number in range(1, len(waited) + 1)]
    return [
        Trip(at, at, at + US * wait if wait else 0) for at, wait in zip(due, waited, strict=True)
    ]


@pytest.mark.parametrize(
    ("share", "expected"), [(0.5, 50), (0.99, 99), (0.999, 100), (1.0, 100), (0.0, 1)]
)
def test_percentiles_are_of_the_nearest_rank(share: float, expected: int) -> None:
    """Always a value that was measured; the 99.9th of a hundred is the largest."""
    assert percentile(range(1, 101), share) == expected


def test_a_percentile_of_one() -> None:
    """It is all there is."""
    assert [percentile([7], share) for share in (0.5, 0.99, 1.0)] == [7, 7, 7]


def test_delays_count_from_when_a_datagram_was_due() -> None:
    """One that could not be sent in time was delayed by that too; the sender's share is told."""
    found = delays([Trip(due=0, sent=40 * US, arrived=50 * US)])

    assert (found.p50, found.max, found.late) == (50.0, 50.0, 40.0)


def test_what_never_arrived_is_lost_and_has_no_delay() -> None:
    """It is no delay of 0, and the gap that it leaves is none of the others'."""
    found = delays(trips(10, 0, 20))

    assert (found.lost, found.p50, found.max) == (1, 10.0, 20.0)
    assert found.gap == 10.0


def test_a_gap_is_what_was_not_due() -> None:
    """They are due 100 us apart and once come 600 apart: 500 are a gap, the rush after it none."""
    assert longest_gap(trips(10, 10, 510, 410, 310)) == 500 * US
    assert longest_gap(trips(10, 10, 10)) == 0
    assert longest_gap(trips(10)) == 0


def test_two_workers_may_turn_datagrams_round() -> None:
    """What was due later and arrived first leaves no gap that nobody made."""
    assert longest_gap([Trip(0, 0, 30), Trip(10, 10, 20), Trip(20, 20, 40)]) == 10


def test_nothing_arrived() -> None:
    """No figure is made of it."""
    with pytest.raises(RuntimeError, match="no datagram arrived"):
        delays(trips(0, 0))


def test_the_record_of_the_pacer() -> None:
    """Three numbers a line of the timetable, in its order."""
    record = struct.pack("=6q", 1, 2, 3, 4, 5, 0)

    assert decode(record) == [Trip(1, 2, 3), Trip(4, 5, 0)]
