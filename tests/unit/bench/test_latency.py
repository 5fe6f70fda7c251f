"""The ratio of added latency is of rounds, and without the path's own share."""

from tests.bench import latency
from tests.bench.delays import Delays
from tests.bench.latency import Loads
from tests.bench.runner import Runs

NAMES = ("no queue", "C null verdict", "pe-nfq 1 worker, known dialogs")


def loads(p50: float, p99: float) -> Loads:
    """The same at each share of the maximum."""
    found = Delays(p50, p99, p999=p99, max=p99, gap=0, late=0, lost=0)
    return Loads(dict.fromkeys((0.25, 0.5, 0.75), found), waited=0)


def test_the_path_is_taken_off_both() -> None:
    """C adds 30 us and the worker 60: 0.5, in a slow round too."""
    runs: Runs[Loads] = Runs(NAMES)
    base, c, worker = (runs.of[name] for name in NAMES)
    base += [loads(5, 9), loads(50, 90)]
    c += [loads(20, 35), loads(200, 350)]
    worker += [loads(30, 65), loads(300, 650)]

    assert latency.ratios(runs) == [0.5, 0.5]


def test_less_than_the_path_is_no_division_by_zero() -> None:
    """Noise can make the path slower than what has more to do."""
    assert latency.added(4.0, 5.0) == latency.added(5.0, 5.0) == 1.0
    assert latency.added(8.0, 5.0) == 3.0
