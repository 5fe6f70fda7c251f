"""Medians, and the worker against the C program pair by pair."""

from tests.bench.__main__ import summarise
from tests.bench.rig import Sample


def test_a_row_is_median_lowest_highest() -> None:
    """One slow run does not move the median."""
    runs = [Sample(100.0, 5.0), Sample(10.0, 50.0), Sample(110.0, 4.0)]

    assert summarise({"no queue": runs}) == {
        "no queue": {"packets_per_second": (100.0, 10.0, 110.0), "cpu_ns": (5.0, 4.0, 50.0)}
    }


def test_the_ratio_is_of_pairs() -> None:
    """What slowed both sides of a pair down leaves their ratio alone; 1 is the C program's cost."""
    c = [Sample(200.0, 4.0), Sample(100.0, 8.0), Sample(200.0, 4.0)]
    worker = [Sample(100.0, 8.0), Sample(50.0, 16.0), Sample(100.0, 8.0)]

    assert summarise({"C null verdict": c, "pe-nfq worker": worker})["worker_vs_c_null"] == {
        "packets_per_second": (0.5, 0.5, 0.5),
        "cpu_ns": (0.5, 0.5, 0.5),
    }
