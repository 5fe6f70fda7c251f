"""What all datagrams between the same two ends share: made once, then found by their addresses."""

from collections.abc import Callable
from dataclasses import dataclass

from pe_nfq.engines import Engine
from pe_nfq.model import Datagram, Endpoint, Reason, VirtualService
from pe_nfq.placement import Placement
from pe_nfq.templates import key_prefix

#: The engine of a datagram in which the service's own finds no key: plain persistence.
FALLBACK_ENGINE = "source"


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
    service = served.service
    client = datagram.src
    masked = bytes(a & m for a, m in zip(client.address, service.mask, strict=True))
    return Flow(
        key=served.engine.key,
        prefix=key_prefix(service.id, masked, service.engine),
        fallback_prefix=key_prefix(service.id, masked, FALLBACK_ENGINE),
        client=client,
        vip=datagram.dst,
        served=served,
    )


def ends_of(datagram: Datagram) -> bytes:
    """Addresses and ports as they stand in a packet without options: what flows are found by."""
    src, dst = datagram.src, datagram.dst
    return src.address + dst.address + src.port.to_bytes(2) + dst.port.to_bytes(2)
