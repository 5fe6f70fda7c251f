"""When a worker looks for garbage: often for little, and for all only where there is any.

A full collection goes through all that the caches remember: some 70 ms of CPU
with 100,000 dialogs, in which no datagram gets a verdict; Python starts one
whenever these have grown by a quarter. It finds nothing: no datagram leaves a
cycle behind, known, new or without a template. What does is an error that the
table raises (its traceback), and what a reload replaces.

So only the young generations are collected by themselves, at most 5,000
objects at a time. Cycles that they find are the sign that some have become
old; then all is gone through when the worker idles, and under load only
where there are many.
"""

import gc
from typing import Final

#: New objects until a collection of the youngest generation; so many of these until one of the
#: middle generation. The oldest is left to `Garbage.look`.
_YOUNG: Final = 1000
_MIDDLE: Final = 4
_NEVER: Final = 1 << 30
#: Objects in cycles that the middle generation has found, from which a pause is the lesser evil:
#: a few hundred bytes each, and no more have become old.
MANY: Final = 100_000
#: How often is looked (ms).
LOOK_EVERY: Final = 1000


class Garbage:
    """The collector of this process."""

    def __init__(self) -> None:
        """Nothing of what lives now becomes garbage: it is never looked at again."""
        gc.collect()
        gc.freeze()
        gc.set_threshold(_YOUNG, _MIDDLE, _NEVER)
        self._seen = _found()
        self._next = 0

    def look(self, now: int, *, idle: bool) -> None:
        """Collect all if it is worth the pause at `now` (ms)."""
        if now < self._next:
            return
        self._next = now + LOOK_EVERY
        found = _found() - self._seen
        if found > MANY or (found and idle):
            gc.collect()
            self._seen = _found()


def _found() -> int:
    """Objects in cycles that the middle generation has found so far."""
    return int(gc.get_stats()[1]["collected"])
