"""Weighted fail-over (ip_vs_fo.c)."""

from collections.abc import Callable

import pytest

Choose = Callable[..., str]


@pytest.mark.parametrize(
    ("text", "loads", "chosen"),
    [
        ("A1 B5 C3", (0, 99, 0), "B"),
        ("A5 B5", (1, 0), "A"),
        ("A0 B1", (0, 9), "B"),
        ("A0", (0,), "-"),
        ("", (), "-"),
    ],
)
def test_the_heaviest_takes_all(
    choose: Choose, text: str, loads: tuple[int, ...], chosen: str
) -> None:
    """Whatever its load; the first in the list wins ties."""
    assert choose("fo", text, loads=dict(zip("ABC", loads, strict=False))) == chosen


def test_an_overloaded_dest_is_passed_over(choose: Choose) -> None:
    """The next heaviest takes over."""
    assert choose("fo", "A9 B1 C2", loads={}, overloaded="A") == "C"
    assert choose("fo", "A1 B1", overloaded="AB") == "-"
