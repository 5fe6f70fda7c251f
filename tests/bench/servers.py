"""How cost grows with the number of real servers: one service and worker, steering "mark".

Known dialogs, whose templates say their servers, and new ones, for which the
scheduler chooses among all.
"""

from collections.abc import Callable, Sequence
from typing import Final

from tests.bench import datagrams
from tests.bench.many import Size, running
from tests.bench.results import Plan, Results
from tests.bench.rig import Rig, Sample, listen
from tests.bench.runner import Runs, in_turn
from tests.lab.network import Lab

_FEW: Final = 2
_MANY: Final = 100
#: Between them: one round, for the shape of the curve.
_BETWEEN: Final = (10,)
_MOST_ROUNDS: Final = 3
_KNOWN: Final = "known dialogs"
_NEW: Final = "new dialogs"


def measure(plan: Plan, results: Results, progress: Callable[[str], None]) -> None:
    """Measure all sizes. Raises RuntimeError and OSError."""
    if plan.family != 4:
        raise RuntimeError("many servers are measured over IPv4 only")
    with Lab(servers=1, vip="routed") as lab, listen(lab):
        rig = Rig(lab)
        mixes = {
            _KNOWN: rig.traffic("known", datagrams.dialogs()),
            _NEW: rig.traffic("new", datagrams.fresh_calls()),
        }

        def run(name: str) -> Sample:
            size = Size(servers=int(name.split()[0]))
            traffic = mixes[_KNOWN if _KNOWN in name else _NEW]
            traffic.to = size.first
            with running(rig, size) as now:
                return rig.measure(now.target, traffic, plan.seconds)

        rounds = min(plan.rounds, _MOST_ROUNDS)
        kinds = (_KNOWN,) if plan.quick else (_KNOWN, _NEW)
        compared = [*_names(_FEW, kinds), *_names(_MANY, kinds)]
        report(in_turn(compared, rounds, run, progress), results)
        if not plan.quick:
            between = [name for count in _BETWEEN for name in _names(count, kinds)]
            report(in_turn(between, 1, run, progress), results)


def _names(count: int, kinds: Sequence[str]) -> list[str]:
    return [f"{count} servers, {kind}" for kind in kinds]


def report(runs: Runs[Sample], results: Results) -> None:
    """Rows, ratios and notes."""
    for name, samples in runs.of.items():
        results.row(f"{name}: packets/s", "1/s", [one.packets_per_second for one in samples])
        results.row(f"{name}: CPU ns/datagram", "ns", [one.cpu_ns for one in samples])
        results.row(f"{name}: lost", "datagrams", [one.losses.total for one in samples])
    for kind, ratio in ((_KNOWN, "servers_100_vs_2"), (_NEW, "servers_100_vs_2_new")):
        pairs = runs.pairs(f"{_MANY} servers, {kind}", f"{_FEW} servers, {kind}")
        results.ratio(ratio, [b.cpu_ns / a.cpu_ns for a, b in pairs])
        rates = [a.packets_per_second / b.packets_per_second for a, b in pairs]
        results.ratio(f"{ratio}_by_packets", rates)
    for note in runs.notes():
        results.note(note)
