"""What is shown of a director: gauges as they are, counters as rates.

Every text in it is escaped (`pe_nfq.top.rates` makes it).
"""

from collections.abc import Iterable
from dataclasses import dataclass

#: Per second; None where one look alone cannot say it.
Rate = float | None


def total(rates: Iterable[Rate]) -> Rate:
    """The sum of what is known; None where nothing is."""
    known = [rate for rate in rates if rate is not None]
    return sum(known) if known else None


@dataclass(frozen=True, slots=True)
class Server:
    """A real server of a service.

    `since`: when its health became so (unix s). `drain_left` and `drain_ends` (unix s; None: no
    deadline) while it is drained.
    """

    dest: str
    standing: str
    health: str
    since: float
    why: str
    weight: int
    given_weight: int
    templates: int
    datagrams: Rate
    dialogs: Rate
    drain_left: int | None
    drain_ends: float | None


@dataclass(frozen=True, slots=True)
class Service:
    """A virtual service; `undecided` are its datagrams that got no decided mark."""

    name: str
    scheduler: str
    engine: str
    in_panic: bool
    undecided: Rate
    servers: tuple[Server, ...]

    @property
    def templates(self) -> int:
        """Those of all its servers."""
        return sum(server.templates for server in self.servers)

    @property
    def datagrams(self) -> Rate:
        """Those of all its servers."""
        return total(server.datagrams for server in self.servers)

    @property
    def dialogs(self) -> Rate:
        """Those of all its servers."""
        return total(server.dialogs for server in self.servers)


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker, by its heartbeat. `passed_on` and `lost` are totals."""

    name: str
    pid: int
    lives: bool
    verdicts: Rate
    waiting: int
    passed_on: int
    lost: int
    passed_on_rate: Rate


@dataclass(frozen=True, slots=True)
class Event:
    """A dialog that came or moved, or a server whose health changed; `at` in unix s."""

    at: float
    what: str
    dest: str
    service: str
    old_dest: str = ""
    why: str = ""
    client: str = ""
    kind: str = ""
    pe_data: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """All that is shown; `now` and `started` in unix s by the daemon's clock."""

    version: str
    steering: str
    now: float
    started: float
    templates: int
    max_templates: int
    services: tuple[Service, ...]
    workers: tuple[Worker, ...]
    #: Newest first.
    events: tuple[Event, ...]

    @property
    def datagrams(self) -> Rate:
        """Of all services, the undecided ones too."""
        return total(rate for each in self.services for rate in (each.datagrams, each.undecided))

    @property
    def dialogs(self) -> Rate:
        """Of all services."""
        return total(service.dialogs for service in self.services)
