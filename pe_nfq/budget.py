"""How much at most of what can be left undone. Pure: clocks are passed in."""

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Budget:
    """So many a second, by a clock that is passed in (ms)."""

    def __init__(self, per_second: int) -> None:
        self._per_second = per_second
        self._second = -1
        self._left = 0

    def take(self, now: int) -> bool:
        """Whether one more is within the budget at `now`."""
        if now // 1000 != self._second:
            self._second = now // 1000
            self._left = self._per_second
        self._left -= 1
        return self._left >= 0


class TimeBudget:
    """So much time (ns, by `clock`) in each `period` (ms), for work of unknown cost.

    What is short of a second holds up nobody for long when all is spent at once.
    """

    def __init__(self, time: int, period: int, clock: Callable[[], int]) -> None:
        self._time = time
        self._period = period
        self._clock = clock
        self._current = -1
        self._left = 0

    def within(self, now: int, work: Callable[[], T]) -> T | None:
        """What `work` returns; None when at `now` (ms) the time of this period is over.

        Work that was begun is done, whatever it takes. Raises what it raises.
        """
        if now // self._period != self._current:
            self._current = now // self._period
            self._left = self._time
        if self._left <= 0:
            return None
        began = self._clock()
        try:
            return work()
        finally:
            self._left -= self._clock() - began
