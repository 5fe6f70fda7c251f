"""How cost grows with the table: one worker, 1,000 to 1,000,000 live templates.

Three kinds of traffic: over 2,000 dialogs, which the worker answers from its
cache; spread over all calls of the table, an INFO with a branch of its own in
each, of which note is to be taken, so that no cache helps and every datagram
is a read of the table; and new dialogs. Two directors take turns: one whose
table stays at 1,000, and one whose table grows.
"""

from collections.abc import Callable
from typing import Final

from tests.bench import datagrams, fill
from tests.bench.filled import Filled, filled
from tests.bench.results import Plan, Results
from tests.bench.rig import Sample, Traffic
from tests.bench.runner import Runs, in_turn
from tests.lab.network import Family

_SMALL: Final = 1_000
#: The last is the one that the ratios are about.
_SIZES: Final = (10_000, 100_000, 1_000_000)
_QUICK: Final = (10_000,)
_MOST_ROUNDS: Final = 3

_FEW: Final = "traffic over 2,000"
_SPREAD: Final = "traffic spread over all"
_NEW: Final = "new dialogs"
_RATIOS: Final = {
    _FEW: "templates_1m_vs_1k",
    _SPREAD: "templates_1m_spread_vs_1k",
    _NEW: "templates_1m_new_vs_1k",
}


def measure(plan: Plan, results: Results, progress: Callable[[str], None]) -> None:
    """Measure all sizes. Raises RuntimeError and OSError."""
    family: Family = 6 if plan.family == 6 else 4
    with filled(family) as small, small.running(), filled(family) as big, big.running():
        small.fill(_SMALL)
        for size in _QUICK if plan.quick else _SIZES:
            progress(f"{size:,} templates: filling the table")
            big.fill(size)
            is_last = size == _SIZES[-1]
            rounds = min(plan.rounds, _MOST_ROUNDS) if is_last else 1
            sides = {_SMALL: small, size: big} if is_last or plan.quick else {size: big}
            # New dialogs come last: each run of them makes both tables larger.
            for kinds in ((_FEW, _SPREAD), (_NEW,))[: 1 if plan.quick else 2]:
                _measure_at(sides, kinds, rounds, plan.seconds, results, progress)
            table = big.footprint().table
            results.row(f"{_size(size)}: the table's files", "bytes", [table])


def _measure_at(
    sides: dict[int, Filled],
    kinds: tuple[str, ...],
    rounds: int,
    seconds: float,
    results: Results,
    progress: Callable[[str], None],
) -> None:
    made = {
        (size, kind): side.rig.traffic(f"{size}-{kind}", _MIXES[kind](size))
        for size, side in sides.items()
        for kind in kinds
    }
    names = {f"{_size(size)}, {kind}": (size, kind) for size, kind in made}

    def run(name: str) -> Sample:
        size, kind = names[name]
        side = sides[size]
        return side.rig.measure(side.target, _begun(made[size, kind], kind), seconds)

    report(in_turn(list(names), rounds, run, progress), results)


def _begun(traffic: Traffic, kind: str) -> Traffic:
    """Over all calls of the table, not beyond: from the first of them again."""
    if kind == _SPREAD and traffic.lap >= _LAPS_A_RUN:
        traffic.lap = traffic.next = 0
    return traffic


_MIXES: Final[dict[str, Callable[[int], list[bytes]]]] = {
    _FEW: lambda size: datagrams.dialogs(),
    _SPREAD: fill.datagrams,
    _NEW: lambda size: datagrams.fresh_calls(),
}
#: Of the ten laps that a million calls are; the others are left for the run that begins then.
_LAPS_A_RUN: Final = 4


def report(runs: Runs[Sample], results: Results) -> None:
    """Rows, ratios and notes of one size."""
    for name, samples in runs.of.items():
        results.row(f"{name}: packets/s", "1/s", [one.packets_per_second for one in samples])
        results.row(f"{name}: CPU ns/datagram", "ns", [one.cpu_ns for one in samples])
        results.row(f"{name}: lost", "datagrams", [one.losses.total for one in samples])
    for kind, ratio in _RATIOS.items():
        pairs = runs.pairs(f"{_size(_SIZES[-1])}, {kind}", f"{_size(_SMALL)}, {kind}")
        results.ratio(ratio, [b.cpu_ns / a.cpu_ns for a, b in pairs])
        rates = [a.packets_per_second / b.packets_per_second for a, b in pairs]
        results.ratio(f"{ratio}_by_packets", rates)
    for note in runs.notes():
        results.note(note)


def _size(templates: int) -> str:
    return f"{templates:,} templates"
