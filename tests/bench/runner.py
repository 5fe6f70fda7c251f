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
        self.failed: list[str] = []

    def pairs(self, first: str, second: str) -> list[tuple[R, R]]:
        """Runs of the same round; none where one of the two was not run."""
        return list(zip(self.of.get(first, ()), self.of.get(second, ()), strict=False))

    def notes(self) -> list[str]:
        """A sentence for each whose runs were marked, and for each run that failed."""
        return [*map(self._marked, self.marked), *self.failed]

    def _marked(self, name: str) -> str:
        marked, kept = self.marked[name], self.kept[name]
        return (
            f"{name}: in {marked} of {len(self.of[name]) + marked - kept} runs a worker waited for"
            f" a core more than {MOST_WAITING:.0%} of the time; {marked - kept} were measured"
            f" again, {kept} are in the figures"
        )


def in_turn(
    names: Sequence[str],
    rounds: int,
    run: Callable[[str], R],
    progress: Callable[[str], None],
    hopeless: Iterable[str] = (),
    runs: Runs[R] | None = None,
) -> Runs[R]:
    """Run each name once a round; every other round in turned order: drift hits both of a pair.

    A marked run is repeated at once, and one that raises RuntimeError: of each
    name at most as often as there are rounds. Of several that were marked the
    one that waited least counts; one that fails beyond that raises. `hopeless`:
    those whose workers cannot have a core each are marked and not repeated.
    `runs`: takes them as they come.
    """
    runs = Runs(names) if runs is None else runs
    turns = _Turns(runs, run, progress, dict.fromkeys(names, rounds), frozenset(hopeless))
    for number in range(rounds):
        for name in list(names) if number % 2 == 0 else list(reversed(names)):
            turns.take(name, f"round {number + 1}/{rounds}: {name}")
    return runs


class _Turns(Generic[R]):
    """Takes a turn, and again where that is of use. `left`: how often, of each name."""

    def __init__(
        self,
        runs: Runs[R],
        run: Callable[[str], R],
        progress: Callable[[str], None],
        left: dict[str, int],
        hopeless: frozenset[str],
    ) -> None:
        self._runs = runs
        self._run = run
        self._progress = progress
        self._left = left
        self._hopeless = hopeless

    def take(self, name: str, what: str) -> None:
        """One round's run of a name; `what` it is called while it runs."""
        runs = self._runs
        self._progress(what)
        best = self._measured(name, what)
        while best.waited > MOST_WAITING:
            runs.marked[name] += 1
            again = self._again(name, what, best.waited)
            if again is None:
                runs.kept[name] += 1
                break
            best = min(best, again, key=lambda one: one.waited)
        runs.of[name].append(best)

    def _again(self, name: str, what: str, waited: float) -> R | None:
        """Once more, where that is of use and still allowed; None: what there is has to do."""
        if name in self._hopeless or not self._left[name]:
            return None
        self._left[name] -= 1
        self._progress(f"{what}, again: no core was free for {waited:.0%} of the time")
        try:
            return self._measured(name, what)
        except RuntimeError as error:
            self._runs.failed.append(f"{name}: a repeated run failed: {error}")
            return None

    def _measured(self, name: str, what: str) -> R:
        """Raises RuntimeError: it failed too often."""
        while True:
            try:
                return self._run(name)
            except RuntimeError as error:
                if not self._left[name]:
                    raise
                self._left[name] -= 1
                self._runs.failed.append(f"{name}: a run was measured again: {error}")
                self._progress(f"{what}, again: {error}")
