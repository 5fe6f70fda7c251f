"""A pytest plug-in: the table of all matches that were played, at the end of the run.

A match may be played in a guest: its row travels as a property of the test's report.
"""

from collections.abc import Iterable
from typing import Final

import pytest

from tests.vm.referee_differences import DIFFERENCES
from tests.vm.referee_verdict import PROPERTY, Row

_TITLES: Final = ("scenario", "Call-IDs", "datagrams", "equal", "moved", "nowhere", "difference")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table, below the failures."""
    reports = [
        report
        for outcome in ("passed", "failed")
        for report in terminalreporter.stats.get(outcome, [])
        if isinstance(report, pytest.TestReport) and report.when == "call"
    ]
    if found := rows(reports):
        terminalreporter.section("the kernel's engine and pe-nfq")
        terminalreporter.write_line(table(found))


def rows(reports: Iterable[pytest.TestReport]) -> list[Row]:
    """The rows that reports carry."""
    properties = (item for report in reports for item in report.user_properties)
    return [Row(*value) for name, value in properties if name == PROPERTY]  # type: ignore[misc]


def table(rows: Iterable[Row]) -> str:
    """The rows under their titles, the sums below; then the differences that were met."""
    rows = list(rows)
    sums = (sum(column) for column in list(zip(*rows, strict=True))[1:])
    lines = [_TITLES, *((*row, _difference(row)) for row in rows), ("sum", *sums, "")]
    text = [_line(*line) for line in lines]
    met = {_difference(row) for row in rows}
    return "\n".join(
        [*text, *(f"{name}: {DIFFERENCES[name]}" for name in DIFFERENCES if name in met)]
    )


def _difference(row: Row) -> str:
    name = row.scenario.partition(",")[0]
    return name if name in DIFFERENCES else ""


def _line(scenario: object, *cells: object) -> str:
    *numbers, difference = cells
    line = f"{scenario:<26}" + "".join(f"{number:>10}" for number in numbers)
    return f"{line}  {difference}".rstrip()
