"""What a queue adds to the way of a datagram: an open loop at shares of the worker's own maximum.

The worker and the C program get the same datagrams at the same times. What is
added is counted from the median of the path without a queue in the same round.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from tests.bench import datagrams, paced, subjects, timetable
from tests.bench.delays import Delays, delays
from tests.bench.pacer import Pacer
from tests.bench.results import Plan, Results
from tests.bench.rig import CPUS, Rig, Target, listen
from tests.bench.runner import Runs, in_turn
from tests.bench.subjects import Subject
from tests.bench.timetable import Line
from tests.lab.network import Lab

_BASE: Final = "no queue"
_C: Final = "C null verdict"
_WORKER: Final = "pe-nfq 1 worker, known dialogs"
_SUBJECTS: Final[dict[str, Subject]] = {
    _BASE: subjects.no_queue,
    _C: subjects.c_null_verdict,
    _WORKER: subjects.pe_nfq(),
}
_SHARES: Final = (0.25, 0.5, 0.75)
_HALF: Final = 0.5
_PERCENTILES: Final = ("p50", "p99", "p999")
#: Every datagram once, slowly: each dialog gets its template, and the caches their fill.
_WARM_UP_RATE: Final = 10_000
#: Less than this (us) the clock's own noise does not tell from nothing.
_LEAST: Final = 1.0
_HOW: Final = (
    f"latency: an open loop, counted from when a datagram was due until the server's link had it;"
    f" {len(CPUS)} cores, one of which the sender keeps busy; it is the receiver too, but what"
    " arrives is stamped by the kernel, on the worker's core"
)


class Loads(NamedTuple):
    """One subject in one round, by share of the maximum."""

    at: dict[float, Delays]
    waited: float


def measure(plan: Plan, results: Results, progress: Callable[[str], None]) -> None:
    """Percentiles of added latency. Raises RuntimeError."""
    with Lab(servers=1, family=6 if plan.family == 6 else 4, vip="routed") as lab, listen(lab):
        rig, known = Rig(lab), datagrams.dialogs()
        pacer = Pacer(rig, known)
        progress("the worker's own maximum")
        maximum = maximum_of_worker(rig, plan)

        def run(name: str) -> Loads:
            with _SUBJECTS[name](rig) as target:
                return _loads(rig, pacer, target, maximum, plan.seconds / 2)

        runs = in_turn(list(_SUBJECTS), plan.rounds, run, progress)
    _report(runs, maximum, results)


def maximum_of_worker(rig: Rig, plan: Plan) -> float:
    """Datagrams of known dialogs that one worker decides a second."""
    traffic = rig.traffic("known", datagrams.dialogs())
    with subjects.pe_nfq()(rig) as target:
        return rig.measure(target, traffic, plan.seconds).packets_per_second


def lap_before(count: int) -> Iterator[Line]:
    """The first `count` datagrams once, slowly."""
    return timetable.steady(_WARM_UP_RATE, count / _WARM_UP_RATE, range(count))


def warm_up(rig: Rig, pacer: Pacer, target: Target, count: int) -> None:
    """Send them."""
    paced.run(rig, pacer, target, list(lap_before(count)))


def _loads(rig: Rig, pacer: Pacer, target: Target, maximum: float, seconds: float) -> Loads:
    count = datagrams.DIALOGS * 3
    rig.pin(target)
    warm_up(rig, pacer, target, count)
    at: dict[float, Delays] = {}
    waited = 0.0
    for share in _SHARES:
        lines = list(timetable.steady(maximum * share, seconds, range(count)))
        run = paced.run(rig, pacer, target, lines)
        at[share] = delays(run.trips)._replace(lost=run.losses.total)
        waited = max(waited, run.waited)
    return Loads(at, waited)


def _report(runs: Runs[Loads], maximum: float, results: Results) -> None:
    for share in _SHARES:
        where = f"at {share:.0%} of {maximum:,.0f} packets/s"
        base = [loads.at[share] for loads in runs.of[_BASE]]
        _report_row(f"{_BASE}, {where}: latency", base, [0.0] * len(base), results)
        results.row(f"sender late, {where}: p99", "us", [one.late for one in base])
        paths = [one.p50 for one in base]
        for name in (_C, _WORKER):
            at = [loads.at[share] for loads in runs.of[name]]
            _report_row(f"{name}, {where}: added latency", at, paths, results)
            results.row(f"{name}, {where}: lost", "datagrams", [one.lost for one in at])
    results.ratio("latency_p99_vs_c_null", ratios(runs))
    for note in (*runs.notes(), _HOW):
        results.note(note)


def _report_row(name: str, at: Sequence[Delays], paths: Sequence[float], results: Results) -> None:
    for percentile in _PERCENTILES:
        values = [getattr(one, percentile) for one in at]
        results.row(f"{name} {percentile}", "us", list(map(added, values, paths)))


def ratios(runs: Runs[Loads]) -> list[float]:
    """The C program's p99 over the worker's, at half load, round by round."""
    rounds = zip(*(runs.of[name] for name in (_C, _WORKER, _BASE)), strict=True)
    halves = [tuple(loads.at[_HALF] for loads in one) for one in rounds]
    return [added(c.p99, base.p50) / added(worker.p99, base.p50) for c, worker, base in halves]


def added(delay: float, path: float) -> float:
    """What is left of a delay without the path's (us)."""
    return max(delay - path, _LEAST)
