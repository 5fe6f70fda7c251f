"""How cost grows with the number of services: one worker, known dialogs, steering "mark".

Traffic to the first of the services, and spread over all of them, datagram by
datagram. CPU is the worker's; what the netfilter rules cost the kernel in
front of the queue shows in packets/s alone.
"""

from collections.abc import Callable, Sequence
from typing import Final

from tests.bench import datagrams
from tests.bench.many import Size, running
from tests.bench.results import Plan, Results
from tests.bench.rig import Rig, Sample, listen
from tests.bench.runner import Runs, in_turn
from tests.lab.network import Lab

_FEW: Final = 1
_MANY: Final = 1000
#: Between them: one round, for the shape of the curve.
_BETWEEN: Final = (10, 100)
#: Pairs: each is two starts of the daemon, whose worth the ratio's spread does not show.
_MOST_ROUNDS: Final = 3
_SPREAD: Final = "spread over all"
_ONE: Final = "traffic to one"


def measure(plan: Plan, results: Results, progress: Callable[[str], None]) -> None:
    """Measure all sizes. Raises RuntimeError and OSError."""
    if plan.family != 4:
        raise RuntimeError("many services are measured over IPv4 only")
    started: dict[int, list[float]] = {}
    reloaded: dict[int, list[float]] = {}
    with Lab(servers=1, vip="routed") as lab, listen(lab):
        rig = Rig(lab)
        traffic = rig.traffic("services", datagrams.dialogs())

        def run(name: str) -> Sample:
            count = int(name.split()[0])
            size = Size(services=count)
            traffic.to = size.all if _SPREAD in name else size.first
            with running(rig, size) as now:
                started.setdefault(count, []).append(now.started)
                sample = rig.measure(now.target, traffic, plan.seconds)
                reloaded.setdefault(count, []).append(now.reload())
            return sample

        rounds = min(plan.rounds, _MOST_ROUNDS)
        compared = names((_FEW, _MANY), (_ONE,) if plan.quick else (_ONE, _SPREAD))
        report(in_turn(compared, rounds, run, progress), results)
        if not plan.quick:
            report(in_turn(names(_BETWEEN, (_ONE, _SPREAD)), 1, run, progress), results)
    for what, values in (("start", started), ("reload", reloaded)):
        for count in sorted(values):
            results.row(f"{_services(count)}: time to {what}", "s", values[count])


def names(counts: Sequence[int], kinds: Sequence[str]) -> list[str]:
    """What is run at these sizes, of these kinds; spread over one service is to one."""
    return [
        f"{_services(count)}, {kind}"
        for count in counts
        for kind in kinds
        if count > 1 or kind == _ONE
    ]


def report(runs: Runs[Sample], results: Results) -> None:
    """Rows, ratios and notes."""
    few, many = _services(_FEW), _services(_MANY)
    for name, samples in runs.of.items():
        results.row(f"{name}: packets/s", "1/s", [one.packets_per_second for one in samples])
        results.row(f"{name}: CPU ns/datagram", "ns", [one.cpu_ns for one in samples])
        results.row(f"{name}: lost", "datagrams", [one.losses.total for one in samples])
    for kind, ratio in ((_ONE, "services_1000_vs_1"), (_SPREAD, "services_1000_spread_vs_1")):
        pairs = runs.pairs(f"{many}, {kind}", f"{few}, {_ONE}")
        results.ratio(ratio, [b.cpu_ns / a.cpu_ns for a, b in pairs])
        rates = [a.packets_per_second / b.packets_per_second for a, b in pairs]
        results.ratio(f"{ratio}_by_packets", rates)
    for note in runs.notes():
        results.note(note)


def _services(count: int) -> str:
    return f"{count:d} service{'s' if count > 1 else ''}"
