"""The parts of the bench, in the order in which they run."""

import importlib
from collections.abc import Callable
from typing import Final, NamedTuple

from tests.bench.results import Plan, Results

Progress = Callable[[str], None]
#: Puts what it measures into `Results`; raises RuntimeError or OSError, with one line, where it
#: cannot measure.
Measure = Callable[[Plan, Results, Progress], None]


class Section(NamedTuple):
    """A module of this package; and about how many seconds it takes, which is for the ETA alone."""

    name: str
    full: float
    quick: float

    def load(self) -> Measure:
        """Its `measure`. Raises ImportError."""
        measure: Measure = importlib.import_module(f"tests.bench.{self.name}").measure
        return measure


#: By module.
SECTIONS: Final = {
    section.name: section
    for section in (
        Section("rows", 330, 40),
        Section("kamailio", 60, 10),
        Section("latency", 90, 10),
        Section("gaps", 30, 5),
        Section("startup", 15, 4),
        Section("growth", 120, 5),
        Section("memory", 60, 5),
        Section("services", 60, 5),
        Section("servers", 60, 5),
        Section("other_traffic", 40, 6),
        Section("vm", 240, 20),
    )
}
