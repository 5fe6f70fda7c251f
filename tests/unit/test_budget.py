"""Budgets of calls and of time."""

import pytest

from pe_nfq.budget import Budget, TimeBudget


def test_a_budget_is_so_many_a_second() -> None:
    budget = Budget(2)
    assert [budget.take(now) for now in (5000, 5500, 5999, 6000, 6000, 6000)] == [
        True,
        True,
        False,
        True,
        True,
        False,
    ]


class Clock:
    """Stands still but for work."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        return self.now

    def pass_(self, ns: int) -> str:
        self.now += ns
        return "done"


def test_time_that_is_used_up_comes_back_with_the_next_period() -> None:
    """By what the work took; the last piece that was begun is finished."""
    clock = Clock()
    budget = TimeBudget(100, 20, clock)
    done = [budget.within(now, lambda: clock.pass_(40)) for now in (5000, 5010, 5018, 5019, 5020)]
    assert done == ["done", "done", "done", None, "done"]


def test_work_that_raises_has_taken_its_time() -> None:
    clock = Clock()
    budget = TimeBudget(100, 20, clock)

    def fail() -> None:
        clock.pass_(100)
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        budget.within(0, fail)
    assert budget.within(0, lambda: clock.pass_(1)) is None
