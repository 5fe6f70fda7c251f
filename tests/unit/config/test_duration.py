"""Durations: what operators write, and what they read."""

import pytest

from pe_nfq.config.duration import parse_duration, show_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("30m", 1800), ("2h", 7200), ("1d", 86400), ("31d", 2678400)],
)
def test_a_number_and_its_unit(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "0", "-1", "1w", "1.5h", "h", "1h30m", "32d", "\uff19", "1 h"]
)
def test_all_else_is_refused_with_what_would_be_right(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration like 90, 90s, 30m, 2h or 1d"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(-3, "0s"), (0.9, "0s"), (9, "9s"), (250, "4m 10s"), (3600, "1h 0m"), (93784, "1d 2h")],
)
def test_two_units_are_shown(seconds: float, shown: str) -> None:
    """Rounded down."""
    assert show_duration(seconds) == shown
