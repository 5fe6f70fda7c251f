"""What the rules are filled in with: services, their servers, queues, marks. Pure."""

import enum
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from pe_nfq.errors import RulesError
from pe_nfq.heartbeat import MAX_WORKERS
from pe_nfq.marks import DEFAULT_MARK_BASE, Marks, is_valid_base
from pe_nfq.model import Endpoint, Method, service_name

DEFAULT_QUEUE: Final = 5060
#: A netfilter queue number has 16 bits.
_HIGHEST_QUEUE: Final = 0xFFFF


class Kind(enum.Enum):
    """Where datagrams to a service are queued: the name of the file in `rules/`."""

    PREROUTING = "prerouting"  # before the routing that follows their mark
    INPUT = "input"  # before IPVS, which follows their mark


class Dest(Protocol):
    """A real server, in a snapshot or in a configuration."""

    @property
    def endpoint(self) -> Endpoint: ...  # noqa: D102
    @property
    def method(self) -> Method: ...  # noqa: D102


class Server(NamedTuple):
    """A real server; its port is 0 where it is not known (a service of a mark)."""

    endpoint: Endpoint
    method: Method = Method.ROUTE


class Service(NamedTuple):
    """A virtual service, as far as rules are about it; `endpoint` as in `VirtualService`."""

    endpoint: Endpoint
    fwmark: int = 0
    servers: tuple[Server, ...] = ()

    @classmethod
    def of(cls, endpoint: Endpoint, fwmark: int, dests: Iterable[Dest]) -> "Service":
        """What rules need of a service; a dest of port 0 has the service's."""
        servers = (
            Server(Endpoint(d.endpoint.address, d.endpoint.port or endpoint.port), d.method)
            for d in dests
        )
        return cls(endpoint, fwmark, tuple(servers))

    def __str__(self) -> str:
        return service_name(self.endpoint, self.fwmark)

    @property
    def family(self) -> int:
        """4 or 6."""
        return self.endpoint.family

    @property
    def masq_servers(self) -> tuple[Endpoint, ...]:
        """Those whose datagrams leave with an address of their own, unless it is rewritten."""
        return tuple(s.endpoint for s in self.servers if s.method is Method.MASQ)


class Return(NamedTuple):
    """What leaves from `source` leaves in the name of `service`."""

    source: Endpoint
    service: Service


@dataclass(frozen=True, slots=True)
class RuleSet:
    """One set of rules; an instance that exists is consistent.

    `servers` (addresses, 4 or 16 bytes) are real servers whose replies, from
    addresses of their own, pass this director, beside the masq servers of
    `services`. `outbound`: queue what servers send through the director, too;
    None: for masq servers only. `rewrites`: masq servers' datagrams get their
    service's address from rules of ours. `asks`: this director checks servers'
    health, and their answers come to itself. Raises RulesError.
    """

    services: tuple[Service, ...]
    servers: tuple[bytes, ...] = ()
    kind: Kind = Kind.PREROUTING
    outbound: bool | None = None
    rewrites: bool = True
    asks: bool = False
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
    def addressed(self) -> tuple[Service, ...]:
        """The services that have an address."""
        return tuple(service for service in self.services if not service.fwmark)

    @property
    def server_endpoints(self) -> tuple[Endpoint, ...]:
        """Where servers answer from with an address of their own.

        Of `servers`, each with the port of every service of its family.
        """
        named = (
            Endpoint(server, service.endpoint.port)
            for server in self.servers
            for service in self.addressed
            if len(server) == len(service.endpoint.address)
        )
        masq = (server for service in self.services for server in service.masq_servers)
        return _with_port((*named, *masq))

    @property
    def senders(self) -> tuple[Endpoint, ...]:
        """Whose own datagrams are queued on their way out: servers, with the port they listen on.

        With `outbound` also the services, in whose names route and tunnel servers answer.
        """
        if self.outbound is False:
            return ()
        found = [end for service in self.services for end in service.masq_servers]
        if self.outbound:
            found += [server.endpoint for service in self.services for server in service.servers]
            found += [service.endpoint for service in self.addressed]
        return _with_port(found)

    @property
    def called_ports(self) -> tuple[int, ...]:
        """The services' ports: what a server sends there is SIP, whatever port it sends from."""
        return tuple(dict.fromkeys(service.endpoint.port for service in self.addressed))

    @property
    def returns(self) -> tuple[Return, ...]:
        """Every masq server of a service that has an address, in order of the services."""
        return tuple(
            Return(server, service) for service in self.addressed for server in service.masq_servers
        )

    @property
    def first_returns(self) -> tuple[Return, ...]:
        """Of each server the first of `returns`: what holds where no mark says more."""
        first: dict[Endpoint, Return] = {}
        for one in self.returns:
            first.setdefault(one.source, one)
        return tuple(first.values())

    def fallback(self, service: Service) -> int:
        """The first fallback mark of a service; the daemon computes the same."""
        return Marks(self.mark_base).fallback(str(service))

    def returning(self, service: Service) -> int:
        """The mark of a datagram that leaves in the name of a service."""
        return Marks(self.mark_base).returning(str(service))

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
        if self.kind is Kind.PREROUTING:
            for service in self.services:
                if service.fwmark:
                    what = "is marked after our rules, which route by a mark"
                    yield f'{service} {what}; name its address and port, or choose steering "ipvs"'

    def _collisions(self) -> Iterator[str]:
        seen: dict[int, Service] = {}
        for service in self.services:
            mark = self.fallback(service)
            if mark in seen and str(seen[mark]) == str(service):
                yield f"{service} is given twice"
            elif mark in seen:
                both = f"{seen[mark]} and {service}"
                yield f"{both} have the same fallback marks; change a port"
            seen[mark] = service


def _with_port(endpoints: Iterable[Endpoint]) -> tuple[Endpoint, ...]:
    """Once each; those whose port is not known cannot be told from other UDP."""
    return tuple(dict.fromkeys(endpoint for endpoint in endpoints if endpoint.port))
