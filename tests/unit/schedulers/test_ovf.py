"""Overflow by live templates (ip_vs_ovf.c)."""

from collections.abc import Callable

import pytest

Choose = Callable[..., str]


@pytest.mark.parametrize(
    ("text", "loads", "chosen"),
    [
        ("A3 B5", (0, 0), "B"),
        ("A3 B5", (0, 5), "B"),
        ("A3 B5", (0, 6), "A"),
        ("A5 B5", (5, 0), "A"),
        ("A5 B5", (6, 0), "B"),
        ("A3 B5", (4, 6), "-"),
        ("A0 B1", (0, 1), "B"),
        ("A0", (0,), "-"),
        ("", (), "-"),
    ],
)
def test_the_heaviest_until_it_holds_more_than_its_weight(
    choose: Choose, text: str, loads: tuple[int, ...], chosen: str
) -> None:
    """As many as its weight, and one more as in the kernel, then the next heaviest."""
    assert choose("ovf", text, loads=dict(zip("ABC", loads, strict=False))) == chosen


def test_an_overloaded_dest_is_passed_over(choose: Choose) -> None:
    """Overloaded by its threshold before it is full."""
    assert choose("ovf", "A9 B1 C2", loads={}, overloaded="A") == "C"
    assert choose("ovf", "A1 B1", overloaded="AB") == "-"
