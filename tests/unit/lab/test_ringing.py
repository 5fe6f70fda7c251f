"""What the ringing lab says of a run."""

import pytest

from tests.lab.ringing import Result


def test_the_last_line() -> None:
    """Its form is fixed: scripts read it."""
    line = (
        "ringing: 9 calls, 8 completed, 1 split, 2 lost; 50 requests beside them, 40 without room"
    )

    assert str(Result(9, 8, 1, 2, 50, 40)) == line


@pytest.mark.parametrize(
    ("result", "good"),
    [
        (Result(9, 9, 0, 0, 50, 40), True),
        (Result(9, 8, 0, 0, 50, 40), False),
        (Result(9, 9, 1, 0, 50, 40), False),
        (Result(9, 9, 0, 1, 50, 40), False),
        (Result(9, 9, 0, 0, 50, 25), False),
    ],
)
def test_a_run_is_good_when_nothing_is_split_in_a_full_table(result: Result, good: bool) -> None:
    """A table that had room for most of the flood proves nothing."""
    assert result.is_good == good
