"""One open-loop run past a target, and what happened to its processes and datagrams meanwhile."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from tests.bench import counters
from tests.bench.counters import Losses
from tests.bench.delays import Trip
from tests.bench.pacer import Pacer
from tests.bench.rig import Rig, Target
from tests.bench.timetable import Line


class Paced(NamedTuple):
    """One run. `waited` as in `tests.bench.rig.Sample`."""

    trips: list[Trip]
    waited: float
    losses: Losses


def run(
    rig: Rig,
    pacer: Pacer,
    target: Target,
    lines: Sequence[Line],
    during: Callable[[], None] | None = None,
) -> Paced:
    """Play a timetable; see `Pacer.run`. Raises RuntimeError."""
    before = _read(rig, target)
    trips = pacer.run(lines, during)
    after = _read(rig, target)
    waits = [b.waiting - a.waiting for a, b in zip(before.workers, after.workers, strict=True)]
    lost = sum(not trip.arrived for trip in trips)
    return Paced(
        trips,
        max(waits, default=0) / max(1, lines[-1][0]),
        after.queues.since(before.queues, lost),
    )


def _read(rig: Rig, target: Target) -> counters.Readings:
    return counters.read(rig.lab.director, target.workers, None, target.state_dir, None)
