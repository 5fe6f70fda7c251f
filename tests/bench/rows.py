"""The comparison itself: a worker beside the least that a netfilter queue can cost.

All rows take one path in the lab, with datagrams of the same sizes, the same
rules and copy range; `tests.bench.datagrams` has the mixes. Each pe-nfq row
starts with an empty table of the default size, a million templates; a run of
seconds makes some hundred thousand at most, which its one-shots' 64 s outlast.
"""

import functools
import statistics
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from pe_nfq.verdicts import MAX_WAITING
from tests.bench import datagrams, subjects
from tests.bench.results import Plan, Progress, Results
from tests.bench.rig import CPUS, Rig, Sample, Traffic, listen
from tests.bench.runner import Runs, in_turn
from tests.bench.subjects import Subject
from tests.lab.network import Lab

_C: Final = "C null verdict"
_C_BLOCKS: Final = f"C null verdict, {MAX_WAITING} a send"
_KNOWN: Final = "pe-nfq 1 worker, known dialogs"
_TWO: Final = "pe-nfq 2 workers, known dialogs"
_NEW_THIRD: Final = "pe-nfq 1 worker, new dialog every third datagram"
_FRESH: Final = "pe-nfq 1 worker, fresh calls"
_ONE_SHOT: Final = "pe-nfq 1 worker, two thirds one-shot"
_ALL: Final = ", no budgets"


Mix = Callable[[], list[bytes]]


#: What a worker may spend on new dialogs is of a second: less of one would show all of it or none.
_WHOLE_SECOND: Final = 1.0


class Row(NamedTuple):
    """What decides, and what is sent."""

    subject: Subject
    mix: Mix
    workers: int = 0

    @property
    def is_new(self) -> bool:
        """Whether there are new dialogs all the time."""
        return self.mix is not datagrams.dialogs


def _worker(mix: Mix, *, budgets: bool = True) -> Row:
    return Row(subjects.pe_nfq(budgets=budgets), mix, 1)


ROWS: Final = {
    "no queue": Row(subjects.no_queue, datagrams.dialogs),
    _C: Row(subjects.c_null_verdict, datagrams.dialogs, 1),
    _C_BLOCKS: Row(subjects.c_null(MAX_WAITING), datagrams.dialogs, 1),
    _KNOWN: _worker(datagrams.dialogs),
    _TWO: Row(subjects.pe_nfq(workers=2), datagrams.dialogs, 2),
    _NEW_THIRD: _worker(datagrams.new_third),
    _NEW_THIRD + _ALL: _worker(datagrams.new_third, budgets=False),
    _FRESH: _worker(datagrams.fresh_calls),
    _ONE_SHOT: _worker(datagrams.one_shots),
}

#: (ratio, what is to be fast, what it is measured by)
_RATIOS: Final = (
    ("worker_vs_c_null", _KNOWN, _C),
    ("worker_vs_c_null_in_blocks", _KNOWN, _C_BLOCKS),
    ("new_third_vs_known", _NEW_THIRD, _KNOWN),
    ("new_third_no_budgets_vs_known", _NEW_THIRD + _ALL, _KNOWN),
    ("fresh_calls_vs_known", _FRESH, _KNOWN),
    ("one_shot_vs_known", _ONE_SHOT, _KNOWN),
)


def measure(plan: Plan, results: Results, progress: Progress) -> None:
    """All rows, and what they are to each other; a quick look is at those with budgets."""
    compare([name for name in ROWS if not (plan.quick and _ALL in name)], plan, results, progress)


def compare(names: Sequence[str], plan: Plan, results: Results, progress: Progress) -> None:
    """These of `ROWS`. Raises RuntimeError when datagrams of known dialogs got lost."""
    with Lab(servers=1, family=6 if plan.family == 6 else 4, vip="routed") as lab, listen(lab):
        rig = Rig(lab)

        @functools.cache
        def traffic(mix: Mix) -> Traffic:
            return rig.traffic(mix.__name__, mix())

        def run(name: str) -> Sample:
            row = ROWS[name]
            seconds = max(plan.seconds, _WHOLE_SECOND) if row.is_new else plan.seconds
            known = None if row.mix is datagrams.fresh_calls else traffic(datagrams.dialogs)
            with row.subject(rig) as target:
                return checked(name, rig.measure(target, traffic(row.mix), seconds, known))

        crowded = [name for name in names if ROWS[name].workers >= len(CPUS)]
        runs: Runs[Sample] = Runs(names)
        try:
            in_turn(names, plan.rounds, run, progress, crowded, runs)
        finally:
            report(runs, results)
            _tell_cores(runs, crowded, results)


def checked(name: str, sample: Sample) -> Sample:
    """A sample that may stand for its row. Raises RuntimeError."""
    if not ROWS[name].is_new and sample.losses.total:
        raise RuntimeError(f"{name}: not a measurement: {sample.losses}")
    if sample.counts.get("unrecorded"):
        raise RuntimeError(f"{name}: the table is full: fewer --seconds")
    return sample


def report(runs: Runs[Sample], results: Results) -> None:
    """Rows, ratios and notes of all runs."""
    for name, samples in runs.of.items():
        _report_row(name, samples, results)
    for ratio, first, second in _RATIOS:
        pairs = runs.pairs(first, second)
        results.ratio(ratio, [b.cpu_ns / a.cpu_ns for a, b in pairs])
        results.ratio(f"{ratio}_by_packets", _by_packets(pairs))
    results.ratio("workers_2_vs_1", _by_packets(runs.pairs(_TWO, _KNOWN)))
    for note in runs.notes():
        results.note(note)


def _by_packets(pairs: Sequence[tuple[Sample, Sample]]) -> list[float]:
    return [a.packets_per_second / b.packets_per_second for a, b in pairs]


def _report_row(name: str, samples: Sequence[Sample], results: Results) -> None:
    row = ROWS[name]
    results.row(f"{name}: packets/s", "1/s", [one.packets_per_second for one in samples])
    if row.workers:
        cpu = [one.cpu_ns for one in samples]
        results.row(f"{name}: CPU ns/datagram", "ns", cpu)
        results.row(f"{name}: CPU s/million datagrams", "s", [ns / 1000 for ns in cpu])
        results.row(f"{name}: waited for a core", "share", [one.waited for one in samples])
        results.row(f"{name}: lost", "datagrams", [one.losses.total for one in samples])
    sender = [one.sender_waited for one in samples]
    results.row(f"{name}: sender could have sent more", "share", sender)
    if row.is_new:
        supervisor = [one.supervisor_ns for one in samples]
        results.row(f"{name}: supervisor CPU ns/datagram", "ns", supervisor)
        for what, counter in (("dissected by scapy", "dissected"), ("logged", "logged")):
            shares = [_share(one.counts, counter) for one in samples]
            results.row(f"{name}: new dialogs {what}", "share", shares)


def _share(counts: dict[str, int], counter: str) -> float:
    """Of the new dialogs, give or take a batch: what is told late counts in the next run."""
    return min(1.0, counts[counter] / max(1, counts["created"]))


def _tell_cores(runs: Runs[Sample], crowded: Sequence[str], results: Results) -> None:
    """Whether a second worker had anything to gain."""
    if not (runs.of.get(_KNOWN) and runs.of.get(_TWO)):
        return
    one, two = (
        statistics.median(sample.sender_waited for sample in runs.of[name])
        for name in (_KNOWN, _TWO)
    )
    if _TWO in crowded:
        waited = statistics.median(sample.waited for sample in runs.of[_TWO])
        results.note(
            f"workers_2_vs_1: no core was free for a second worker: {len(CPUS)} cores, of which"
            f" the sender and the kernel's half of the path take one; a worker waited {waited:.0%}"
            f" of the time for a core, and the sender {one:.0%} of it for one worker, {two:.0%} for"
            " two"
        )
