"""The table of all matches that were played: a row comes with the report of its test.

So it does not matter where a match was played.
"""

from collections.abc import Iterable
from typing import Final

import pytest

from tests.vm.referee_differences import DIFFERENCES
from tests.vm.referee_verdict import PROPERTY, Row

_TITLES: Final = ("scenario", "Call-IDs", "datagrams", "equal", "moved", "nowhere", "difference")


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
