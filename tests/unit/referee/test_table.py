"""The referee's table."""

import pytest

from tests.vm.referee_differences import DIFFERENCES
from tests.vm.referee_table import rows, table
from tests.vm.referee_verdict import PROPERTY, Row


def report(**properties: object) -> pytest.TestReport:
    return pytest.TestReport(
        "test",
        ("file", 1, "test"),
        {},
        "passed",
        None,
        "call",
        user_properties=[*properties.items()],
    )


def test_rows_come_with_reports_of_guests() -> None:
    """As lists, since they went through JSON; other properties are not ours."""
    found = rows([report(other=1), report(**{PROPERTY: ["rr", 300, 900, 899, 1, 2]})])

    assert found == [Row("rr", 300, 900, 899, 1, 2)]


def test_the_table_has_sums_and_the_reasons_of_the_differences_met() -> None:
    """A column of numbers each; a scenario after a difference has its name behind."""
    text = table([Row("rr, expiry", 300, 900, 900, 150, 0), Row("decline", 20, 40, 38, 0, 2)])

    lines = [line.split() for line in text.splitlines()]
    assert lines[1] == ["rr,", "expiry", "300", "900", "900", "150", "0"]
    assert lines[2] == ["decline", "20", "40", "38", "0", "2", "decline"]
    assert lines[3] == ["sum", "320", "940", "938", "150", "2"]
    assert text.splitlines()[4:] == [f"decline: {DIFFERENCES['decline']}"]
