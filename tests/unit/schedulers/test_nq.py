"""Never queue, by live templates (ip_vs_nq.c)."""

from collections.abc import Callable

import pytest

Choose = Callable[..., str]


@pytest.mark.parametrize(
    ("text", "loads", "chosen"),
    [
        ("A1 B5", (0, 0), "A"),  # unlike sed: idle is idle
        ("A5 B1", (1, 0), "B"),  # unlike sed: 2/5 would be less than 1/1
        ("A1 B2", (1, 2), "B"),
        ("A1 B2", (1, 3), "A"),
        ("A0 B1", (0, 9), "B"),
        ("A0", (0,), "-"),
        ("", (), "-"),
    ],
)
def test_an_idle_dest_else_the_least_delay(
    choose: Choose, text: str, loads: tuple[int, ...], chosen: str
) -> None:
    """The first idle one in the list; with none idle (load + 1) / weight."""
    assert choose("nq", text, loads=dict(zip("ABC", loads, strict=False))) == chosen


def test_an_overloaded_dest_is_passed_over(choose: Choose) -> None:
    """Also when it is idle."""
    assert choose("nq", "A9 B1 C2", loads={"B": 2, "C": 4}, overloaded="A") == "C"
    assert choose("nq", "A1 B1", overloaded="AB") == "-"
