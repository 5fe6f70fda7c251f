"""Does anything that pe-nfq does beside deciding hold up what it decides?

One stream of known dialogs at half the worker's maximum, again and again: in
quiet, and while one thing happens. The machine itself makes gaps, so each is
shown beside that of the quiet run before it, and the C program's.
"""

import contextlib
import os
import random
import shutil
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from pe_nfq.templates import boottime_ms
from tests.bench import datagrams, expiring, paced, subjects, timetable
from tests.bench.delays import Delays, delays, longest_gap
from tests.bench.latency import lap_before, maximum_of_worker, warm_up
from tests.bench.pacer import Pacer
from tests.bench.results import Plan, Results
from tests.bench.rig import CPUS, Rig, Target, listen, worker_cpus
from tests.lab.daemon import Options, PeNfq
from tests.lab.network import Lab

#: A gap is a maximum: of more rounds it is the machine's.
_MOST_ROUNDS: Final = 2
_LEAST_SECONDS: Final = 1.0
#: A burst begins so long (s) after the stream.
_AFTER: Final = 0.2
_EXPIRED: Final = 100_000
_EXPIRED_QUICK: Final = 20_000
_BURST: Final = 20_000
_BURST_RATE: Final = 10_000
#: Of the stream's rate while the burst comes: with more the worker would have more than it can
#: carry (a new dialog costs it seven known datagrams), and everything would wait for everything.
_BESIDE_BURST: Final = 0.5
_REFRESHED: Final = 10_000
#: With this timeout (s) a template that is met is written once a second, and cached no longer.
_SHORT: Final[Options] = {"timeout": 8, "lifetime": "fixed"}
_DUE_IN_MS: Final = 1200
#: The daemon's own default.
_TIMEOUT: Final = 360
_QUIET: Final = "in quiet"
_C: Final = "C null verdict, in quiet"
_US_IN_MS: Final = 1000


class Bench(NamedTuple):
    """What a run needs: `known` datagrams of dialogs that live; those behind them are new."""

    rig: Rig
    pacer: Pacer
    known: range
    rate: float
    seconds: float

    def run(
        self,
        target: Target,
        during: Callable[[], None] | None = None,
        *,
        new: range = range(0),
        due: bool = False,
    ) -> Delays:
        """The stream, and new dialogs in its middle. Delays are the stream's, the gap is of all.

        Each datagram is sent once before, slowly: what is cached is cached for
        8 s (`pe_nfq.templates.layout`), and the bench's pauses make it old. `due`: it is to be.
        """
        lap = [] if due else list(lap_before(len(self.known)))
        begin = lap[-1][0] / timetable.SECOND if lap else 0.0
        steady = timetable.steady(self.rate, self.seconds, self.known, begin=begin)
        begin += _AFTER
        burst = timetable.steady(_BURST_RATE, self.seconds, new, begin=begin, once=True)
        lines = timetable.merge(lap, steady, burst)

        def later() -> None:
            time.sleep(begin)
            if during is not None:
                during()

        run = paced.run(self.rig, self.pacer, target, lines, later)
        trips, lines = run.trips[len(lap) :], lines[len(lap) :]
        stream = [
            trip for trip, (_, which) in zip(trips, lines, strict=True) if which in self.known
        ]
        gap = longest_gap([trip for trip in trips if trip.arrived])
        return delays(stream)._replace(gap=gap / _US_IN_MS, lost=run.losses.total)


#: Runs by what happened in them at which rate, and of each the quiet run before it.
Found = dict[tuple[str, float], list[tuple[Delays, Delays]]]


def measure(plan: Plan, results: Results, progress: Callable[[str], None]) -> None:
    """Gaps and delays in quiet and otherwise. Raises RuntimeError."""
    found: Found = defaultdict(list)
    quiet: list[Delays] = []
    with (
        Lab(servers=1, family=6 if plan.family == 6 else 4, vip="routed") as lab,
        listen(lab),
        _off_the_worker(),
    ):
        rig = Rig(lab)
        progress("half of the worker's maximum")
        rate = maximum_of_worker(rig, plan) / 2
        for number in range(min(plan.rounds, _MOST_ROUNDS)):
            bench = _bench(rig, rate, plan, number)
            with _daemon(rig, {}) as (daemon, target):
                _with_known(bench, daemon, target, plan, found, progress)
            progress("refresh writes")
            _refresh(rig, rate, plan, found)
            progress("the C program")
            with subjects.c_null_verdict(rig) as target:
                rig.pin(target)
                quiet.append(bench.run(target))
    _report(found, quiet, rate, results)


def _bench(rig: Rig, rate: float, plan: Plan, seed: int) -> Bench:
    known = datagrams.dialogs()
    word = random.Random(seed)
    new = [datagrams.call(f"n{seed}{word.getrandbits(64):016x}")[0] for _ in range(_BURST)]
    seconds = max(plan.seconds, _LEAST_SECONDS)
    return Bench(rig, Pacer(rig, known + new), range(len(known)), rate, seconds)


def _with_known(
    bench: Bench,
    daemon: PeNfq,
    target: Target,
    plan: Plan,
    found: Found,
    progress: Callable[[str], None],
) -> None:
    """All that happens to a worker which knows the stream's dialogs."""
    warm_up(bench.rig, bench.pacer, target, len(bench.known))

    def pair(
        what: str,
        during: Callable[[], None] | None = None,
        bench: Bench = bench,
        new: range = range(0),
        end: int = 0,
    ) -> None:
        progress(what)
        before = bench.run(target)
        expiring.sleep_until(end)
        found[what, bench.rate].append((before, bench.run(target, during, new=new)))

    count = _EXPIRED_QUICK if plan.quick else _EXPIRED
    end = expiring.fill(bench.rig.lab.directory / "state", count, bench.seconds * 4)
    pair(f"{count:,} templates are listed", lambda: _list(daemon))
    pair(f"{count:,} templates expire", end=end)
    pair("the file is read again", lambda: _reload(daemon))
    first = bench.known.stop
    beside = bench._replace(rate=bench.rate * _BESIDE_BURST)
    pair(f"{_BURST_RATE:,} new dialogs/s", bench=beside, new=range(first, first + _BURST))


def _list(daemon: PeNfq) -> None:
    daemon.listing("--templates", "--json")


def _reload(daemon: PeNfq) -> None:
    daemon.configure([2])
    daemon.reload()


def _refresh(rig: Rig, rate: float, plan: Plan, found: Found) -> None:
    """All templates of the stream fall due at once."""
    known = datagrams.dialogs(_REFRESHED)[:_REFRESHED]
    seconds = max(plan.seconds, _LEAST_SECONDS)
    bench = Bench(rig, Pacer(rig, known), range(_REFRESHED), rate, seconds)
    with _daemon(rig, _SHORT) as (_, target):
        warm_up(rig, bench.pacer, target, _REFRESHED)
        before = bench.run(target)
        expiring.sleep_until(boottime_ms() + _DUE_IN_MS)
        due = bench.run(target, due=True)
        found[f"{_REFRESHED:,} templates are refreshed", rate].append((before, due))


@contextlib.contextmanager
def _daemon(rig: Rig, service: Options) -> Iterator[tuple[PeNfq, Target]]:
    state_dir = rig.lab.directory / "state"
    shutil.rmtree(state_dir, ignore_errors=True)
    top: Options = {"workers": 1, "queue": subjects.QUEUE, "steering": "mark"}
    with PeNfq(rig.lab, top=top, service={"timeout": _TIMEOUT, **service}) as daemon:
        worker = daemon.worker_pid(subjects.QUEUE)
        target = Target((worker,), daemon.process.pid, state_dir)
        rig.pin(target)
        yield daemon, target


@contextlib.contextmanager
def _off_the_worker() -> Iterator[None]:
    """What we start, a listing too, has the cores that the worker does not have."""
    others = CPUS - set(worker_cpus(1))
    if others:
        os.sched_setaffinity(0, others)
    try:
        yield
    finally:
        os.sched_setaffinity(0, CPUS)


def _report(found: Found, c: list[Delays], rate: float, results: Results) -> None:
    where = f", at {rate:,.0f} packets/s"
    quiet = [before for (_, at), pairs in found.items() if at == rate for before, _ in pairs]
    _rows(_C + where, c, results)
    _rows(f"pe-nfq 1 worker, {_QUIET}{where}", quiet, results)
    for (what, at), pairs in found.items():
        name = f"pe-nfq 1 worker, while {what}, at {at:,.0f} packets/s"
        _rows(name, [after for _, after in pairs], results)
        excess = [max(0.0, after.gap - before.gap) for before, after in pairs]
        results.row(f"{name}: gap beyond that in quiet", "us", excess)


def _rows(name: str, runs: list[Delays], results: Results) -> None:
    for what in ("gap", "p99", "max"):
        label = "longest gap between verdicts" if what == "gap" else f"delay {what}"
        results.row(f"{name}: {label}", "us", [getattr(one, what) for one in runs])
    results.row(f"{name}: lost", "datagrams", [one.lost for one in runs])
