"""Runs what is to be compared in turn, and measures again where the machine was in the way."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Generic, Protocol, TypeVar

#: Of its time a worker may wait for a core; a run in which it waited longer is marked.
MOST_WAITING: Final = 0.10


class Run(Protocol):
    """What one run has measured."""

    @property
    def waited(self) -> float:
        """Share of the time in which a worker was runnable and had no core."""


R = TypeVar("R", bound=Run)


class Runs(Generic[R]):
    """All runs, by what was run: one a round. `marked` and `kept` count those that waited."""

    def __init__(self, names: Sequence[str]) -> None:
        self.of: dict[str, list[R]] = {name: [] for name in names}
        self.marked: Counter[str] = Counter()
        self.kept: Counter[str] = Counter()

    def pairs(self, first: str, second: str) -> list[tuple[R, R]]:
        """Runs of the same round; none where one of the two was not run."""
        return list(zip(self.of.get(first, ()), self.of.get(second, ()), strict=False))

    def notes(self) -> list[str]:
        """A sentence for each whose runs were marked."""
        return [
            f"{name}: in {marked} of {len(self.of[name]) + marked - self.kept[name]} runs a worker"
            f" waited for a core more than {MOST_WAITING:.0%} of the time;"
            f" {marked - self.kept[name]} were measured again, {self.kept[name]} are in the figures"
            for name, marked in self.marked.items()
        ]


def in_turn(
    names: Sequence[str],
    rounds: int,
    run: Callable[[str], R],
    progress: Callable[[str], None],
    hopeless: Iterable[str] = (),
) -> Runs[R]:
    """Run each name once a round; every other round in turned order: drift hits both of a pair.

    A marked run is repeated at once, of each name at most as often as there are
    rounds; of several the one that waited least counts. `hopeless`: those whose
    workers cannot have a core each are marked and not repeated.
    """
    runs: Runs[R] = Runs(names)
    left = {name: 0 if name in set(hopeless) else rounds for name in names}
    for number in range(rounds):
        for name in list(names) if number % 2 == 0 else list(reversed(names)):
            progress(f"round {number + 1}/{rounds}: {name}")
            best = run(name)
            while best.waited > MOST_WAITING:
                runs.marked[name] += 1
                if not left[name]:
                    runs.kept[name] += 1
                    break
                left[name] -= 1
                progress(f"round {number + 1}/{rounds}: {name}, again: no core was free")
                again = run(name)
                best = min(best, again, key=lambda one: one.waited)
            runs.of[name].append(best)
    return runs
