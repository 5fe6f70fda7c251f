"""Least connections, by live templates (ip_vs_lc.c)."""

from collections.abc import Callable

import pytest

Choose = Callable[..., str]


@pytest.mark.parametrize(
    ("text", "loads", "chosen"),
    [
        ("A1 B1 C1", (2, 1, 3), "B"),
        ("A1 B1 C1", (1, 1, 1), "A"),
        ("A1 B9", (1, 2), "A"),  # 2/9 would be less
        ("A0 B1", (0, 9), "B"),
        ("A0", (0,), "-"),
        ("", (), "-"),
    ],
)
def test_the_least_load(choose: Choose, text: str, loads: tuple[int, ...], chosen: str) -> None:
    """Weights play no part, but for 0; the first in the list wins ties."""
    assert choose("lc", text, loads=dict(zip("ABC", loads, strict=False))) == chosen


def test_an_overloaded_dest_is_passed_over(choose: Choose) -> None:
    """However little it holds."""
    assert choose("lc", "A1 B1 C1", loads={"B": 5, "C": 4}, overloaded="A") == "C"
    assert choose("lc", "A1 B1", overloaded="AB") == "-"
