"""The parts of the bench, in the order in which they run."""

from collections.abc import Callable
from typing import Final, NamedTuple

from tests.bench import (
    gaps,
    growth,
    kamailio,
    latency,
    memory,
    other_traffic,
    rows,
    servers,
    services,
    startup,
    vm,
)
from tests.bench.results import Plan, Progress, Results

#: Puts what it measures into `Results`; raises RuntimeError or OSError, with one line, where it
#: cannot measure.
Measure = Callable[[Plan, Results, Progress], None]


class Section(NamedTuple):
    """What measures, and about how many seconds it takes, which is for the ETA alone."""

    measure: Measure
    full: float
    quick: float


SECTIONS: Final = {
    "rows": Section(rows.measure, 330, 40),
    "kamailio": Section(kamailio.measure, 60, 10),
    "latency": Section(latency.measure, 90, 10),
    "gaps": Section(gaps.measure, 30, 5),
    "startup": Section(startup.measure, 15, 4),
    "growth": Section(growth.measure, 180, 12),
    "memory": Section(memory.measure, 200, 8),
    "services": Section(services.measure, 110, 10),
    "servers": Section(servers.measure, 110, 10),
    "other_traffic": Section(other_traffic.measure, 90, 12),
    "vm": Section(vm.measure, 240, 20),
}
