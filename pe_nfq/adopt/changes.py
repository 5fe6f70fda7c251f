"""What differs between two versions of a service, in words for the log. Pure."""

from collections.abc import Iterator
from typing import Any

from pe_nfq.config import ServerSpec, ServiceSpec
from pe_nfq.config.health import health_changes
from pe_nfq.config.lifetime import lifetime_changes
from pe_nfq.model import OnDecline

_FIELDS = (
    "scheduler",
    "sched_flags",
    "engine",
    "key",
    "timeout",
    "mask",
    "on_decline",
    "expire_quiescent",
    "one_packet",
    "on_down",
    "panic",
)
_SERVER_FIELDS = ("weight", "method", "upper_threshold", "lower_threshold")


def changes(old: ServiceSpec, new: ServiceSpec) -> Iterator[str]:
    """A clause for each difference; none where they are equal."""
    yield from _fields(old, new, _FIELDS)
    yield from lifetime_changes(old.lifetimes, new.lifetimes)
    yield from health_changes(old.health, new.health)
    before = {server.endpoint: server for server in old.servers}
    for server in new.servers:
        known = before.pop(server.endpoint, None)
        if known is None:
            yield f"{server.endpoint} added, weight {server.weight}"
        else:
            yield from (f"{server.endpoint} {text}" for text in _fields(known, server))
    yield from (f"{endpoint} removed" for endpoint in before)
    if _order(old) != _order(new) and set(_order(old)) == set(_order(new)):
        yield "order of the servers"


def _fields(
    old: ServiceSpec | ServerSpec,
    new: ServiceSpec | ServerSpec,
    names: tuple[str, ...] = _SERVER_FIELDS,
) -> Iterator[str]:
    for name in names:
        before, now = getattr(old, name), getattr(new, name)
        if before != now:
            yield f"{name} {_text(before)} -> {_text(now)}"


def _order(service: ServiceSpec) -> list[object]:
    return [server.endpoint for server in service.servers]


def _text(value: Any) -> str:
    match value:
        case bytes():
            return value.hex()
        case tuple():
            return ",".join(value) or "none"
        case "":
            return "none"
        case OnDecline():
            return value.value
        case _:
            return str(getattr(value, "value", value))
