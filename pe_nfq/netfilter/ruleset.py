"""What the rules are filled in with: services, queues, marks. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from pe_nfq.errors import RulesError
from pe_nfq.heartbeat import MAX_WORKERS
from pe_nfq.marks import DEFAULT_MARK_BASE, Marks, is_valid_base
from pe_nfq.model import Endpoint

DEFAULT_QUEUE: Final = 5060
#: A netfilter queue number has 16 bits.
_HIGHEST_QUEUE: Final = 0xFFFF


@dataclass(frozen=True, slots=True)
class RuleSet:
    """One set of rules; an instance that exists is consistent.

    `servers` (addresses, 4 or 16 bytes) are real servers whose replies, from
    addresses of their own, pass this director. Raises RulesError.
    """

    services: tuple[Endpoint, ...]
    servers: tuple[bytes, ...] = ()
    queue: int = DEFAULT_QUEUE
    workers: int = 1
    standby_queue: int = DEFAULT_QUEUE - 1
    mark_base: int = DEFAULT_MARK_BASE

    def __post_init__(self) -> None:
        """Refuse what cannot work, in one line."""
        for problem in self._problems():
            raise RulesError(problem)

    @property
    def queues(self) -> range:
        """The workers' queues, one each."""
        return range(self.queue, self.queue + self.workers)

    @property
    def families(self) -> tuple[int, ...]:
        """The families that have a service: of 4 and 6."""
        return tuple(sorted({service.family for service in self.services}))

    @property
    def server_endpoints(self) -> tuple[Endpoint, ...]:
        """Where `servers` answer from: each with the port of every service of its family."""
        wanted = (
            Endpoint(server, service.port)
            for server in self.servers
            for service in self.services
            if len(server) == len(service.address)
        )
        return tuple(dict.fromkeys(wanted))

    def fallback(self, service: Endpoint) -> int:
        """The first fallback mark of a service; the daemon computes the same."""
        return Marks(self.mark_base).fallback(f"udp {service}")

    def _problems(self) -> Iterator[str]:
        if not self.services:
            yield "no service is given; name one by --vip, --service or -c"
        if not 1 <= self.workers <= MAX_WORKERS:
            yield f"--workers {self.workers} is not a number from 1 to {MAX_WORKERS}"
        if self.queue < 0 or self.queues[-1] > _HIGHEST_QUEUE:
            yield f"--queue {self.queue}: the workers' queues must lie within 0 to {_HIGHEST_QUEUE}"
        if not 0 <= self.standby_queue <= _HIGHEST_QUEUE:
            yield f"--standby-queue {self.standby_queue} is not within 0 to {_HIGHEST_QUEUE}"
        if self.standby_queue in self.queues:
            yield f"--standby-queue {self.standby_queue} is a worker's; give one outside of theirs"
        if not is_valid_base(self.mark_base):
            yield f"--mark-base {self.mark_base:#x} is not a multiple of 0x200000 above 0"
        else:
            yield from self._collisions()

    def _collisions(self) -> Iterator[str]:
        seen: dict[int, Endpoint] = {}
        for service in self.services:
            mark = self.fallback(service)
            if seen.get(mark) == service:
                yield f"udp {service} is given twice"
            elif mark in seen:
                both = f"udp {seen[mark]} and udp {service}"
                yield f"{both} have the same fallback marks; change a port"
            seen[mark] = service
