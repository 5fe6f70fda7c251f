"""Memory of a template over all processes, with one and with two workers; and full listings.

The table is filled with calls, and every worker is shown more of them than it
remembers (`pe_nfq.persistence.MAX_DIALOGS`), so that its caches are as large
as they become. What the processes have beside the table's files is compared
with what they had before they knew any of the calls.
"""

from collections.abc import Callable
from typing import Final

from pe_nfq.persistence import MAX_DIALOGS
from tests.bench import fill, listing
from tests.bench.filled import Filled, filled
from tests.bench.results import Plan, Results
from tests.bench.rig import Traffic
from tests.lab.network import Family

_CALLS: Final = 1_000_000
_QUICK: Final = 20_000
#: Calls that a worker is shown: both generations of its cache, twice.
_SEEN: Final = 4 * MAX_DIALOGS
#: Of a run of the sender (s).
_SLICE: Final = 1.0


def measure(plan: Plan, results: Results, progress: Callable[[str], None]) -> None:
    """Measure with one worker, then two, on the same table. Raises RuntimeError and OSError."""
    calls = _QUICK if plan.quick else _CALLS
    family: Family = 6 if plan.family == 6 else 4
    with filled(family) as director:
        table = 0
        for workers in (1,) if plan.quick else (1, 2):
            progress(f"{calls:,} templates, {workers} workers")
            with director.running(workers):
                before = director.footprint()
                if workers == 1:
                    director.fill(calls)
                    table = director.footprint().table - before.table
                grown = _show(director, workers, calls) - before.processes
                name = f"{calls:,} templates, {workers} worker{'s' if workers > 1 else ''}"
                results.row(f"{name}: memory", "bytes/template", [(table + grown) / calls])
                results.row(f"{name}: of it processes", "bytes/template", [grown / calls])
                if workers == 1:
                    results.row(f"{calls:,} templates: table", "bytes/template", [table / calls])
                    listing.measure_on(director, results, progress, full=not plan.quick)


def _show(director: Filled, workers: int, calls: int) -> int:
    """Let each worker see calls, each once: they are dealt out to the workers in turn.

    The most memory (bytes) that all processes had meanwhile: a cache is emptied by halves.
    """
    made = fill.datagrams(calls)
    traffic = director.rig.traffic("shown", made)
    wanted, most = min(calls, _SEEN), 0
    for worker in range(workers):
        # By one further: what was the first worker's is the next one's now.
        traffic = Traffic(traffic.path, next=worker)
        while traffic.lap * len(made) + traffic.next < wanted:
            if not director.rig.send(traffic, _SLICE).received:
                raise RuntimeError("no datagram reached the server")
            most = max(most, director.footprint().processes)
    return most
