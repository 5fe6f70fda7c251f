"""What a run of the bench has measured: rows and ratios, as its JSON shows them. Pure.

A row is one quantity with all its values; a ratio is made of pairs, each of
which was measured side by side within one round, so that what the machine
does besides hits both halves. What was not measured is null, never a guess.
"""

import statistics
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

#: The ratios that every result names, measured or not.
RATIOS: Final = (
    "worker_vs_c_null",
    "worker_vs_kamailio",
    "new_third_vs_known",
    "fresh_calls_vs_known",
    "one_shot_vs_known",
    "workers_2_vs_1",
    "templates_1m_vs_1k",
    "services_1000_vs_1",
    "servers_100_vs_2",
    "other_traffic_with_rules_vs_without",
    "latency_p99_vs_c_null",
    "vm_route_vs_kernel",
    "vm_ipvs_vs_kernel",
)


#: Is told what is being measured.
Progress = Callable[[str], None]


class Plan(NamedTuple):
    """How much to measure: `rounds` pairs of runs of `seconds` each; `quick`: the least of all."""

    rounds: int
    seconds: float
    quick: bool
    family: int = 4


class Spread(NamedTuple):
    """Median, lowest and highest of the values."""

    median: float
    min: float
    max: float


class Results:
    """Collects; `as_json` is the whole of it."""

    def __init__(self) -> None:
        self._rows: dict[str, tuple[str, list[float]]] = {}
        self._ratios: dict[str, list[float]] = {}
        self._notes: list[str] = []

    def row(self, name: str, unit: str, values: Sequence[float]) -> None:
        """A quantity and its values, one a round. None at all: it is not shown."""
        if values:
            self._rows[name] = unit, list(values)

    def ratio(self, name: str, pairs: Sequence[float]) -> None:
        """A ratio, one value a pair of runs; a name beyond `RATIOS` is shown too."""
        if pairs:
            self._ratios[name] = list(pairs)

    def note(self, text: str) -> None:
        """What a reader has to know of the figures: marked runs, a core that was not free."""
        if text not in self._notes:
            self._notes.append(text)

    def as_json(self, machine: dict[str, Any]) -> dict[str, Any]:
        """`machine` is the caller's; `ratios` are medians, their spread and pairs beside them."""
        names = [*RATIOS, *(name for name in self._ratios if name not in RATIOS)]
        return {
            "machine": machine,
            "rows": [
                {"name": name, "unit": unit, **spread(values)._asdict(), "values": values}
                for name, (unit, values) in self._rows.items()
            ],
            "ratios": {
                name: spread(self._ratios[name]).median if name in self._ratios else None
                for name in names
            },
            "pairs": self._ratios,
            "notes": self._notes,
        }


def spread(values: Sequence[float]) -> Spread:
    """Of one or more values."""
    return Spread(statistics.median(values), min(values), max(values))
