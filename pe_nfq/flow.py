"""What all datagrams between the same two ends share: made once, then found by their addresses."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from pe_nfq.engines import Engine
from pe_nfq.events import Emit
from pe_nfq.model import Datagram, Endpoint, Reason, VirtualService
from pe_nfq.placement import Placement
from pe_nfq.templates import key_prefix

#: The engine of a datagram in which the service's own finds no key: plain persistence.
FALLBACK_ENGINE = "source"


class Queued(Protocol):
    """What the queue knows of a packet beside its bytes (NetfilterQueue's `Packet`)."""

    def get_mark(self) -> int:
        """Its mark, as the rules left it."""

    def get_hw(self) -> bytes | None:
        """The link-layer source address, filled up to 8 bytes; None where there is none."""


@dataclass(slots=True)
class Served:
    """A service with what the path needs of it."""

    service: VirtualService
    engine: Engine
    placement: Placement


@dataclass(slots=True)
class Flow:
    """`key` is the engine's; the prefixes are those of template keys."""

    key: Callable[[bytes, int, int], bytes | Reason]
    prefix: bytes
    fallback_prefix: bytes
    client: Endpoint
    vip: Endpoint
    served: Served


def flow_of(datagram: Datagram, served: Served) -> Flow:
    """The flow that a datagram to the service belongs to."""
    return Flow(
        key=served.engine.key,
        prefix=template_prefix(served.service, datagram.src),
        fallback_prefix=template_prefix(served.service, datagram.src, FALLBACK_ENGINE),
        client=datagram.src,
        vip=datagram.dst,
        served=served,
    )


def template_prefix(service: VirtualService, client: Endpoint, engine: str = "") -> bytes:
    """What the keys of a client's templates begin with; `engine`: the service's own by default."""
    masked = bytes(a & m for a, m in zip(client.address, service.mask, strict=True))
    return key_prefix(service.id, masked, engine or service.engine)


def ends_of(datagram: Datagram) -> bytes:
    """Addresses and ports as they stand in a packet without options: what flows are found by."""
    src, dst = datagram.src, datagram.dst
    return src.address + dst.address + src.port.to_bytes(2) + dst.port.to_bytes(2)


def pe_data_of(served: Served, packet: bytes, datagram: Datagram, emit: Emit) -> bytes | Reason:
    """What the engine finds. It may be a third party's: it cannot take the path down."""
    try:
        pe_data = served.engine.key(packet, datagram.at, datagram.end)
    except Exception as error:
        engine_error(served, error, emit)
        return Reason.ENGINE_ERROR
    if isinstance(pe_data, Reason) and datagram.cut:
        return Reason.KEY_BEYOND_COPY
    return pe_data


def engine_error(served: Served, error: Exception, emit: Emit) -> None:
    """Tell of an engine that raised."""
    emit("engine-error", {"engine": served.service.engine, "error": f"{error!r:.200}"})
