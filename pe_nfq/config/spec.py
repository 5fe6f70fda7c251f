"""The configuration as values, and the snapshot of services that follows from it. Pure.

What a field means and may hold is said once, in `pe_nfq.config.tables`.
"""

import enum
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

from pe_nfq.config.metrics import is_loopback
from pe_nfq.lifetime import Lifetimes
from pe_nfq.model import (
    Endpoint,
    Method,
    OnDecline,
    OnDown,
    Panic,
    RealServer,
    Snapshot,
    VirtualService,
    service_name,
)


class Steering(enum.Enum):
    """What makes the kernel follow a decided mark."""

    IPVS = "ipvs"  # a fwmark virtual service of the kernel's a real server
    ROUTE = "route"  # policy routing: an `ip rule` and a table a real server
    MARK = "mark"  # nothing of ours; the operator's own rules use the mark


class Check(enum.Enum):
    """How the health of servers is found out."""

    OPTIONS = "options"  # they are asked
    EXTERNAL = "external"  # somebody says it, by `pe-nfq health`


class VirtualAddress(NamedTuple):
    """What tells one virtual service from all others; see `VirtualService` for a fwmark's."""

    endpoint: Endpoint
    fwmark: int = 0

    def __str__(self) -> str:
        return service_name(self.endpoint, self.fwmark)


@dataclass(frozen=True, slots=True)
class HealthSpec:
    """How servers of a service are checked; the rest is for `Check.OPTIONS` alone.

    `interval` and `timeout` in seconds, `rise` and `fall` in probes. `accept`
    are codes and their classes, like ``2xx``. `port` 0: the server's own;
    `source` empty: the address that the kernel chooses.
    """

    check: Check
    interval: float
    timeout: float
    rise: int
    fall: int
    accept: tuple[str, ...]
    port: int
    source: bytes


@dataclass(frozen=True, slots=True)
class ServerSpec:
    """A real server without its id."""

    endpoint: Endpoint
    weight: int
    upper_threshold: int
    lower_threshold: int
    method: Method = Method.ROUTE


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """A virtual service without its id; `servers` in the order of the file.

    `unused` are keys that the file gives and that have no effect.
    """

    endpoint: Endpoint
    servers: tuple[ServerSpec, ...]
    engine: str
    key: str
    scheduler: str
    timeout: int
    lifetimes: Lifetimes | None
    mask: bytes
    on_decline: OnDecline
    expire_quiescent: bool
    sched_flags: tuple[str, ...] = ()
    one_packet: bool = True
    fwmark: int = 0
    on_down: OnDown = OnDown.MOVE
    panic: Panic = Panic.ALL
    health: HealthSpec | None = None
    unused: tuple[str, ...] = field(default=(), compare=False)

    def __str__(self) -> str:
        return service_name(self.endpoint, self.fwmark)


@dataclass(frozen=True, slots=True)
class AdoptSpec:
    """A virtual service of the kernel's to take over; `service` None: all there are.

    The rest is what the kernel's service has no word for. `timeout` (s) is
    for one that is not persistent. `mask` None: the kernel's;
    `expire_quiescent` None: as its sysctl says. `unused` as in `ServiceSpec`.
    """

    service: VirtualAddress | None
    engine: str
    key: str
    timeout: int
    lifetimes: Lifetimes | None
    mask: bytes | None
    on_decline: OnDecline
    expire_quiescent: bool | None
    on_down: OnDown = OnDown.MOVE
    panic: Panic = Panic.ALL
    health: HealthSpec | None = None
    unused: tuple[str, ...] = field(default=(), compare=False)

    def __str__(self) -> str:
        return "all" if self.service is None else str(self.service)


@dataclass(frozen=True, slots=True)
class Config:
    """A whole configuration file, checked. `vip_local` None: find out; `outbound` None: of masq.

    `worker_cpus`: the processors that workers run on, in turn; none: any. `lifetimes` are
    those of services of which the file says nothing. `metrics`: where they are served; None: not.
    """

    workers: int
    worker_cpus: tuple[int, ...]
    queue: int
    standby_queue: int
    steering: Steering
    vip_local: bool | None
    outbound: bool | None
    mark_base: int
    table_base: int
    rule_priority: int
    allow_disk: bool
    state_dir: Path
    max_templates: int
    verbosity: int
    log_rate: int
    metrics: Endpoint | None
    lifetimes: Lifetimes | None
    adopt: tuple[AdoptSpec, ...]
    services: tuple[ServiceSpec, ...]

    @property
    def queues(self) -> range:
        """The workers' netfilter queues, one each."""
        return range(self.queue, self.queue + self.workers)


class Ids(Protocol):
    """Who gives stable numbers to services and dests, by their texts; the table does."""

    def service_id(self, service: str, /) -> int:
        """The number of ``udp VIP:PORT``."""
        ...

    def dest_id(self, service: str, dest: str, /) -> int:
        """The number of ``ADDRESS:PORT`` within a service."""
        ...


def to_snapshot(config: Config, number: int, ids: Ids) -> Snapshot:
    """The services as workers know them.

    Dests are in kernel list order, the file's last one first: `ip_vs_ctl.c`
    adds at the head, and an operator reads a file as a list of additions.
    """
    services = tuple(_service(spec, ids) for spec in config.services)
    return Snapshot(number, config.mark_base, config.max_templates, services)


def _service(spec: ServiceSpec, ids: Ids) -> VirtualService:
    # Numbered in the order of the file, so that marks read in that order too.
    dests = [
        RealServer(
            ids.dest_id(str(spec), str(server.endpoint)),
            server.endpoint,
            server.weight,
            server.upper_threshold,
            server.lower_threshold,
            server.method,
        )
        for server in spec.servers
    ]
    return VirtualService(
        id=ids.service_id(str(spec)),
        endpoint=spec.endpoint,
        dests=tuple(reversed(dests)),
        engine=spec.engine,
        key=spec.key,
        scheduler=spec.scheduler,
        timeout=spec.timeout,
        lifetimes=spec.lifetimes,
        mask=spec.mask,
        on_decline=spec.on_decline,
        expire_quiescent=spec.expire_quiescent,
        sched_flags=spec.sched_flags,
        one_packet=spec.one_packet,
        fwmark=spec.fwmark,
        on_down=spec.on_down,
        panic=spec.panic,
    )


def warnings(config: Config) -> Iterator[str]:
    """What is allowed but hardly meant, one line each."""
    if config.metrics is not None and not is_loopback(config.metrics):
        yield (
            f"metrics at {config.metrics}: other hosts may reach it, and the status page shows "
            "Call-IDs and addresses; let a firewall guard it"
        )
    for number, service in enumerate(config.services, 1):
        name = f"service[{number}] ({service})"
        if not service.servers:
            yield f"{name} has no server: it takes no calls"
        elif not any(server.weight for server in service.servers):
            yield f"{name} has only servers of weight 0: it takes no new calls"
        yield from _unused(name, service)
    for number, adopt in enumerate(config.adopt, 1):
        yield from _unused(f"adopt[{number}] ({adopt})", adopt)


def _unused(name: str, spec: ServiceSpec | AdoptSpec) -> Iterator[str]:
    if spec.unused:
        yield f'{name} has lifetime = "fixed", which leaves {", ".join(spec.unused)} without effect'
