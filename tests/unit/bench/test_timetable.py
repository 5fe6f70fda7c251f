"""Times are set beforehand, and no rounding adds up."""

import itertools
import struct

from tests.bench import timetable
from tests.bench.timetable import SECOND


def test_a_steady_stream_keeps_its_rate() -> None:
    """Three a second have no whole number of nanoseconds between them; the last is in time."""
    lines = list(timetable.steady(3, 1000, range(2)))

    assert len(lines) == 3000
    assert lines[2999][0] == round(2999 * SECOND / 3)
    assert {b[0] - a[0] for a, b in itertools.pairwise(lines)} == {333333333, 333333334}


def test_datagrams_come_in_their_order_over_and_over() -> None:
    """A range that does not begin at 0 too."""
    lines = list(timetable.steady(10, 0.5, range(7, 9), begin=2.0))

    assert [which for _, which in lines] == [7, 8, 7, 8, 7]
    assert lines[0][0] == 2 * SECOND
    assert lines[4][0] == 2 * SECOND + round(0.4 * SECOND)


def test_new_dialogs_are_sent_once() -> None:
    """However long the run would be."""
    assert len(list(timetable.steady(10, 100, range(3), once=True))) == 3
    assert list(timetable.steady(10, 1, range(0), once=True)) == []


def test_streams_are_merged_by_time() -> None:
    """Each keeps its own pace."""
    merged = timetable.merge(
        timetable.steady(2, 1, range(1)), timetable.steady(2, 1, range(1, 2), begin=0.25)
    )

    assert merged == [(0, 0), (SECOND // 4, 1), (SECOND // 2, 0), (SECOND * 3 // 4, 1)]


def test_files_for_the_pacer() -> None:
    """Pairs of 8 bytes in the host's order; lengths in network order."""
    assert timetable.encode([(5, 1), (9, 0)]) == struct.pack("=4q", 5, 1, 9, 0)
    assert timetable.encode_payloads([b"ab", b"c" * 300]) == b"\0\2ab\1\x2c" + b"c" * 300
