"""On which processor a worker runs (``worker_cpus``), by sched_setaffinity(2)."""

import os
from collections.abc import Callable, Sequence

from pe_nfq.heartbeat import STANDBY
from pe_nfq.supervisor.member import Member


def place(member: Member, cpus: Sequence[int], tell: Callable[..., None]) -> None:
    """Have a worker's process run where it should; where it cannot, it runs anywhere.

    Without a processor of its own it runs wherever we may ourselves: one that we have
    adopted may come from another configuration.
    """
    cpu = cpu_of(member.slot, cpus)
    try:
        os.sched_setaffinity(member.pid, os.sched_getaffinity(0) if cpu is None else {cpu})
    except ProcessLookupError:  # it has just died
        pass
    except OSError as error:  # offline, or not of our cpuset: nothing has changed
        why = f"{error.strerror}: it runs on any; bring CPU {cpu} online, or allow it to pe-nfq"
        tell("worker-unpinned", worker=member.name, pid=member.pid, cpu=cpu, why=why)


def cpu_of(slot: int, cpus: Sequence[int]) -> int | None:
    """Worker 1's is the first of `cpus`, and so on in turn; None: no particular one.

    The standby has none: it must run just when another is stuck on its own.
    """
    return None if slot == STANDBY or not cpus else cpus[(slot - 1) % len(cpus)]
