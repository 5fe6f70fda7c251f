"""`pe-nfq list --workers`: what the workers have done, and what passed them by."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

_TITLE: Final = "Worker   PID      Queue Verdicts     Created      PassedOn     Lost         Errors"


def worker_lines(workers: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """A line a worker (`pe_nfq.heartbeat.worker_facts`); a PID that lives no more is a dash."""
    yield _TITLE
    for worker in workers:
        pid = worker["pid"] if worker["lives"] else "-"
        counts = (worker[name] for name in ("verdicts", "created", "passed-on", "lost", "errors"))
        cells = " ".join(f"{count:<12}" for count in counts)
        yield f"{worker['worker']:<8} {pid:<8} {worker['queue']:<5} {cells}".rstrip()
