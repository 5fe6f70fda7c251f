"""How long a run still takes: by what its sections usually take, and by the clock so far. Pure."""

from collections.abc import Sequence


class Eta:
    """`usual`: seconds of each section, in order. Times are passed in (s)."""

    def __init__(self, usual: Sequence[float]) -> None:
        self._usual = usual
        self._current = -1
        self._began = self._first = 0.0

    def begin(self, now: float) -> None:
        """The next section begins."""
        self._current += 1
        self._began = now
        if self._current == 0:
            self._first = now

    def left(self, now: float) -> float:
        """Seconds until the end of the last section, as slow or fast as the ones before were."""
        before = sum(self._usual[: self._current])
        pace = (self._began - self._first) / before if before else 1.0
        this, *others = (usual * pace for usual in self._usual[self._current :])
        return max(0.0, this - (now - self._began)) + sum(others)
