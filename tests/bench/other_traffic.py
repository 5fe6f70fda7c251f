"""What is no service's passes the director: packets/s with pe-nfq's rules over without.

Small UDP of another port between two other hosts. Labs stand side by side and
take turns within a round (`tests.lab.forwarding`): a director without a single
rule; one with a foreign rule of each kind that pe-nfq has, none of which
matches; and for each steering two with the daemon running, of which one has
the netfilter rules loaded. Half way those two change places, so that what
differs between two labs falls out.

The kernel passes over policy routing where there is no rule
(`fib_has_custom_rules`) and over hooks where there is none: the first of each
costs more than all others together. Hence the second director.
"""

import contextlib
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path as SysPath
from typing import Final

from tests.bench.results import Plan, Results
from tests.lab.daemon import PeNfq
from tests.lab.forwarding import Path, Sent, add_rules
from tests.lab.network import Family, Lab

#: What marks mean in the labs with pe-nfq; "mark": netfilter rules alone, no ip rules of ours.
_STEERINGS: Final = ("route", "mark")
#: Of a turn (s). Short: what the machine does besides is to hit all sides of a round.
_TURN: Final = 0.05
#: A turn of one side for each round of the plan, twice: before and after rules change places.
_TURNS_A_ROUND: Final = 16
#: A turn in which the sender waited for a core longer than this share of it is repeated.
_MOST_DELAY: Final = 0.1
_TRIES: Final = 6
_SERVERS: Final = 3

_BARE: Final = "bare director"
_FOREIGN: Final = "one foreign rule of each kind"


@dataclass
class _Side:
    """A director with pe-nfq; `is_loaded`: with the netfilter rules."""

    path: Path
    daemon: PeNfq
    is_loaded: bool = False

    def turn_over(self) -> None:
        """Load the rules, or unload them."""
        self.daemon.rules("unload" if self.is_loaded else "load")
        self.is_loaded = not self.is_loaded


#: The turns of each side of each round, by the side's name.
Rounds = list[dict[str, Sent]]


def measure(plan: Plan, results: Results, progress: Callable[[str], None]) -> None:
    """Measure all sides. Raises RuntimeError and OSError."""
    steerings = _STEERINGS[:1] if plan.quick else _STEERINGS
    with contextlib.ExitStack() as stack:
        family: Family = 6 if plan.family == 6 else 4
        plain = {
            _BARE: stack.enter_context(_path(family)),
            _FOREIGN: stack.enter_context(_path(family, foreign=True)),
        }
        steered = {
            steering: [stack.enter_context(_steered(family, steering)) for _ in range(2)]
            for steering in steerings
        }
        for sides in steered.values():
            sides[0].turn_over()
        rounds: Rounds = []
        for half in range(2):
            progress(f"other traffic: half {half + 1}/2")
            rounds += _half(plan.rounds * _TURNS_A_ROUND // 2, plain, steered)
            for sides in steered.values():
                for side in sides:
                    side.turn_over()
    report(rounds, steerings, results)


def _half(turns: int, plain: dict[str, Path], steered: dict[str, list[_Side]]) -> Rounds:
    """The rounds between two changes of place. The first of all warms up and does not count."""
    paths = dict(plain)
    for steering, sides in steered.items():
        for side in sides:
            paths[_name(steering, loaded=side.is_loaded)] = side.path
    rounds = []
    for number in range(turns + 1):
        order = sorted(paths, reverse=bool(number % 2))
        rounds.append({name: _turn(paths[name]) for name in order})
    return rounds[1:]


def _turn(path: Path) -> Sent:
    """A turn in which the sender had its core, or the one that came closest."""
    turns = []
    for _ in range(_TRIES):
        delay, start = _run_delay(), time.monotonic_ns()
        sent = path.send(_TURN)
        turns.append(((_run_delay() - delay) / (time.monotonic_ns() - start), sent))
        if turns[-1][0] <= _MOST_DELAY:
            break
    return min(turns)[1]


def _run_delay() -> int:
    """How long this thread, which sends, has waited for a core (ns; kernel: sched-stats.rst)."""
    return int(SysPath("/proc/thread-self/schedstat").read_text().split()[1])


def report(rounds: Rounds, steerings: tuple[str, ...], results: Results) -> None:
    """Rows of all sides, and the ratios of sides that were measured within one round."""
    for name in rounds[0]:
        sent = [turn[name] for turn in rounds]
        results.row(f"other traffic, {name}: packets/s", "packets/s", [s[0] for s in sent])
        results.row(f"other traffic, {name}: CPU ns/packet", "ns", [s.cpu_ns for s in sent])

    def pairs(one: str, other: str) -> list[float]:
        return [turn[other].cpu_ns / turn[one].cpu_ns for turn in rounds]

    def ratio(name: str, one: str, other: str) -> None:
        results.ratio(name, pairs(one, other))
        rates = [turn[one].packets_per_second / turn[other].packets_per_second for turn in rounds]
        results.ratio(f"{name}_by_packets", rates)

    for steering in steerings:
        loaded, without = (_name(steering, loaded=is_loaded) for is_loaded in (True, False))
        suffix = "" if steering == _STEERINGS[0] else f"_{steering}"
        ratio(f"other_traffic_with_rules_vs_without{suffix}", loaded, without)
        ratio(f"other_traffic_vs_bare_director{suffix}", loaded, _BARE)
        ratio(f"other_traffic_vs_foreign_rules{suffix}", loaded, _FOREIGN)
    first = statistics.median(pairs(_FOREIGN, _BARE))
    ratio("other_traffic_foreign_rules_vs_bare", _FOREIGN, _BARE)
    results.note(
        "other traffic: with and without netfilter rules the daemon runs and steers; the first "
        f"rule of each kind, whoever's, leaves {first:.2f} of a director without any"
    )


def _name(steering: str, *, loaded: bool) -> str:
    return f"steering {steering}, rules {'loaded' if loaded else 'not loaded'}"


@contextlib.contextmanager
def _path(family: Family, *, foreign: bool = False) -> Iterator[Path]:
    with Lab(family=family, servers=1) as lab, contextlib.closing(Path(lab)) as path:
        if foreign:
            add_rules(lab)
        yield path


@contextlib.contextmanager
def _steered(family: Family, steering: str) -> Iterator[_Side]:
    """A director whose daemon runs; the rules are not loaded."""
    with Lab(family=family, servers=_SERVERS) as lab, contextlib.closing(Path(lab)) as path:
        daemon = PeNfq(lab, top={"steering": steering, "verbosity": 0})
        daemon.start()
        side = _Side(path, daemon)
        try:
            yield side
        finally:
            if side.is_loaded:
                side.turn_over()
            daemon.stop()
