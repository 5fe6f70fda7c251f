"""What processes, queues and log say before and after a run."""

import time
from collections import Counter
from pathlib import Path
from typing import Final, NamedTuple

from pe_nfq.heartbeat import COUNTERS, worker_facts
from tests.bench import schedstat
from tests.bench.schedstat import Times
from tests.lab.namespace import Namespace

_QUEUES: Final = "/proc/net/netfilter/nfnetlink_queue"
_NEW_TEMPLATE: Final = b'"event": "template-created"'


class Losses(NamedTuple):
    """Datagrams of a run that went another way than to the server by a worker's verdict."""

    #: The queue was full, and not fail-open.
    queue: int
    #: The worker's socket was full.
    socket: int
    #: Passed on to the standby worker: the queue was full or had no listener.
    standby: int
    #: Sent, and never received.
    receiver: int

    @property
    def total(self) -> int:
        """Of all kinds; one that is dropped and therefore not received counts twice."""
        return sum(self)


class Queues(NamedTuple):
    """The kernel's counters (seq_show of nfnetlink_queue.c), of all queues."""

    dropped: int
    user_dropped: int
    standby: int

    def since(self, before: "Queues", lost: int) -> Losses:
        """What was lost between two readings; `lost`: not received."""
        dropped, user, standby = (now - then for now, then in zip(self, before, strict=True))
        return Losses(dropped, user, standby, lost)


class Readings(NamedTuple):
    """All of it, at one moment."""

    workers: list[Times]
    supervisor: Times
    queues: Queues
    counts: Counter[str]
    #: ns of the monotonic clock.
    at: int


def read(
    director: Namespace,
    workers: tuple[int, ...],
    supervisor: int | None,
    state_dir: Path | None,
    log: Path | None,
) -> Readings:
    """What they say now."""
    counts: Counter[str] = Counter()
    standby = -1
    for facts in worker_facts(state_dir) if state_dir else ():
        if facts["worker"] == "standby":
            standby = facts["queue"]
        counts.update({name: facts[name] for name in COUNTERS})
    if log:
        counts["logged"] = log.read_bytes().count(_NEW_TEMPLATE)
    return Readings(
        [schedstat.times(pid) for pid in workers],
        schedstat.times(supervisor) if supervisor else Times(0, 0),
        parse_queues(director.run(["cat", _QUEUES]).stdout, standby),
        counts,
        time.monotonic_ns(),
    )


def parse_queues(text: str, standby: int) -> Queues:
    """The kernel's table; `standby` is the number of a queue whose datagrams are counted.

    Fields: number, port, length, copy mode, copy range, dropped, user dropped, id of the last
    datagram, 1.
    """
    rows = [list(map(int, line.split())) for line in text.splitlines()]
    return Queues(
        sum(row[5] for row in rows),
        sum(row[6] for row in rows),
        sum(row[7] for row in rows if row[0] == standby),
    )
