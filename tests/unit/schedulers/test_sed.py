"""Shortest expected delay, by live templates (ip_vs_sed.c)."""

from collections.abc import Callable

import pytest

Choose = Callable[..., str]


@pytest.mark.parametrize(
    ("text", "loads", "chosen"),
    [
        ("A1 B5", (0, 0), "B"),  # unlike wlc: 1/1 against 1/5
        ("A1 B2", (0, 1), "A"),  # equal fractions
        ("A1 B2", (1, 2), "B"),  # 2/1 against 3/2
        ("A3 B2 C1", (2, 1, 0), "A"),
        ("A3 B2 C1", (3, 1, 0), "B"),
        ("A0 B1", (0, 9), "B"),
        ("A0", (0,), "-"),
        ("", (), "-"),
    ],
)
def test_the_least_delay_with_the_new_dialog(
    choose: Choose, text: str, loads: tuple[int, ...], chosen: str
) -> None:
    """(load + 1) / weight; the first in the list wins ties."""
    assert choose("sed", text, loads=dict(zip("ABC", loads, strict=False))) == chosen


def test_an_overloaded_dest_is_passed_over(choose: Choose) -> None:
    """However short its delay."""
    assert choose("sed", "A9 B1 C2", loads={"B": 2, "C": 4}, overloaded="A") == "C"
    assert choose("sed", "A1 B1", overloaded="AB") == "-"
