"""Weighted least connections, by live templates (ip_vs_wlc.c)."""

from collections.abc import Callable

import pytest

Choose = Callable[..., str]


@pytest.mark.parametrize(
    ("text", "loads", "chosen"),
    [
        ("A1 B1 C1", (2, 1, 3), "B"),
        ("A1 B1 C1", (1, 1, 1), "A"),  # of equals the first in the list
        ("A1 B1 C1", (2, 1, 1), "B"),
        ("A1 B3", (1, 2), "B"),  # 1/1 against 2/3
        ("A2 B3", (2, 3), "A"),  # equal fractions
        ("A65535 B65534", (65535, 65533), "B"),  # closer than a float's guess need be
        ("A5 B1", (0, 0), "A"),
        ("A1 B5", (0, 0), "A"),  # weights play no part at 0, as in the kernel
        ("A0 B1", (0, 9), "B"),
        ("A0 B0", (0, 0), "-"),
        ("", (), "-"),
    ],
)
def test_the_least_load_for_its_weight(
    choose: Choose, text: str, loads: tuple[int, ...], chosen: str
) -> None:
    """Compared by cross-multiplication; strictly less, so the first in the list wins ties."""
    assert choose("wlc", text, loads=dict(zip("ABC", loads, strict=False))) == chosen


def test_an_overloaded_dest_is_passed_over(choose: Choose) -> None:
    """However little it holds."""
    assert choose("wlc", "A1 B1 C1", loads={"B": 5, "C": 4}, overloaded="A") == "C"
