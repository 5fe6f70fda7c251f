"""Rows, ratios of pairs, and null for what was not measured."""

from tests.bench.results import RATIOS, Results


def test_a_row_is_median_lowest_highest() -> None:
    """One slow run does not move the median; all values stay."""
    results = Results()
    results.row("no queue: packets/s", "1/s", [100.0, 10.0, 110.0])

    assert results.as_json({})["rows"] == [
        {
            "name": "no queue: packets/s",
            "unit": "1/s",
            "median": 100.0,
            "min": 10.0,
            "max": 110.0,
            "values": [100.0, 10.0, 110.0],
        }
    ]


def test_a_row_without_a_value_is_not_shown() -> None:
    """Nothing was measured, so there is nothing to show; the same of ratios."""
    results = Results()
    results.row("no queue: packets/s", "1/s", [])
    results.ratio("worker_vs_c_null", [])

    assert results.as_json({})["rows"] == []
    assert results.as_json({})["pairs"] == {}


def test_ratios_are_medians_of_pairs_or_null() -> None:
    """Every name is there; beyond those that are promised, what a section adds."""
    results = Results()
    results.ratio("worker_vs_c_null", [0.5, 0.7, 0.6])
    results.ratio("worker_vs_c_null_by_packets", [0.4])
    found = results.as_json({})

    assert found["ratios"] == {
        **dict.fromkeys(RATIOS),
        "worker_vs_c_null": 0.6,
        "worker_vs_c_null_by_packets": 0.4,
    }
    assert found["pairs"]["worker_vs_c_null"] == [0.5, 0.7, 0.6]


def test_a_note_is_there_once() -> None:
    """Several sections may have the same to say."""
    results = Results()
    for text in ("a", "b", "a"):
        results.note(text)

    assert results.as_json({})["notes"] == ["a", "b"]
