"""What all datagrams between the same two ends share: made once, then found by their addresses."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from pe_nfq.engines import ANY_BYTE, Engine
from pe_nfq.model import Datagram, Endpoint, Reason, VirtualService
from pe_nfq.placement import Placement
from pe_nfq.templates import Rules, Scope

#: The engine of a datagram in which the service's own finds no key: plain persistence.
FALLBACK_ENGINE = "source"


class Queued(Protocol):
    """What the queue knows of a packet beside its bytes (NetfilterQueue's `Packet`)."""

    def get_mark(self) -> int:
        """Its mark, as the rules left it."""

    def get_hw(self) -> bytes | None:
        """The link-layer source address, filled up to 8 bytes; None where there is none."""


class Unqueued:
    """A packet of which nothing is known beside its bytes; see `Queued`."""

    def get_mark(self) -> int:
        """None."""
        return 0

    def get_hw(self) -> bytes | None:
        """None."""
        return None


UNQUEUED = Unqueued()


@dataclass(slots=True)
class Served:
    """A service with what the path needs of it."""

    service: VirtualService
    engine: Engine
    placement: Placement
    #: What payloads begin with of which the engine need not take note.
    quiet: frozenset[int] = field(init=False)
    #: The longest timeout that a template of it can have (s).
    longest: int = field(init=False)

    def __post_init__(self) -> None:
        self.quiet = ANY_BYTE if self.service.lifetimes is None else self.engine.quiet
        self.longest = self.service.longest


@dataclass(slots=True)
class Flow:
    """`key` and `quiet` are the engine's; `prefix` is its scope's. `rules`: see `rules_of`."""

    key: Callable[[bytes, int, int], bytes | Reason]
    prefix: bytes
    quiet: frozenset[int]
    scope: Scope
    fallback: Scope
    client: Endpoint
    vip: Endpoint
    served: Served
    rules: Rules | None = None

    def rules_of(self) -> Rules:
        """By which its dialogs are placed; made when the first asks for a dest."""
        if self.rules is None:
            self.rules = self.served.placement.rules_for(self.client, self.vip)
        return self.rules


def flow_of(datagram: Datagram, served: Served) -> Flow:
    """The flow that a datagram to the service belongs to."""
    scope = scope_of(served.service, datagram.src)
    return Flow(
        key=served.engine.key,
        prefix=scope.prefix,
        quiet=served.quiet,
        scope=scope,
        fallback=scope_of(served.service, datagram.src, FALLBACK_ENGINE),
        client=datagram.src,
        vip=datagram.dst,
        served=served,
    )


def scope_of(service: VirtualService, client: Endpoint, engine: str = "") -> Scope:
    """What a client's templates share; `engine`: the service's own by default."""
    masked = bytes(a & m for a, m in zip(client.address, service.mask, strict=True))
    return Scope.of(service.id, masked, engine or service.engine)


def ends_of(datagram: Datagram) -> bytes:
    """Addresses and ports as they stand in a packet without options: what flows are found by."""
    src, dst = datagram.src, datagram.dst
    return src.address + dst.address + src.port.to_bytes(2) + dst.port.to_bytes(2)
