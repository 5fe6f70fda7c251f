"""Services as JSON, for what is remembered. Pure."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from pe_nfq.config import Check, HealthSpec, ServerSpec, ServiceSpec
from pe_nfq.lifetime import Lifetimes
from pe_nfq.model import Endpoint, Method, OnDecline, OnDown, Panic


def encode(service: ServiceSpec) -> dict[str, Any]:
    """What JSON can hold; `decode` is the inverse."""
    return {
        "address": _end(service.endpoint),
        "fwmark": service.fwmark,
        "engine": service.engine,
        "key": service.key,
        "scheduler": service.scheduler,
        "sched_flags": service.sched_flags,
        "one_packet": service.one_packet,
        "timeout": service.timeout,
        "lifetimes": None if service.lifetimes is None else asdict(service.lifetimes),
        "mask": service.mask.hex(),
        "on_decline": service.on_decline.value,
        "expire_quiescent": service.expire_quiescent,
        "on_down": service.on_down.value,
        "panic": service.panic.value,
        "health": None if service.health is None else _health_facts(service.health),
        "servers": [
            [_end(s.endpoint), s.weight, s.upper_threshold, s.lower_threshold, s.method.value]
            for s in service.servers
        ],
    }


def decode(facts: Mapping[str, Any]) -> ServiceSpec:
    """What `encode` was given. Raises KeyError, TypeError or ValueError."""
    return ServiceSpec(
        endpoint=_endpoint(facts["address"]),
        fwmark=facts["fwmark"],
        engine=facts["engine"],
        key=facts["key"],
        scheduler=facts["scheduler"],
        sched_flags=tuple(facts["sched_flags"]),
        one_packet=facts["one_packet"],
        timeout=facts["timeout"],
        lifetimes=None if facts["lifetimes"] is None else Lifetimes(**facts["lifetimes"]),
        mask=bytes.fromhex(facts["mask"]),
        on_decline=OnDecline(facts["on_decline"]),
        expire_quiescent=facts["expire_quiescent"],
        on_down=OnDown(facts["on_down"]),
        panic=Panic(facts["panic"]),
        health=None if facts["health"] is None else _health(facts["health"]),
        servers=tuple(
            ServerSpec(_endpoint(end), weight, upper, lower, Method(method))
            for end, weight, upper, lower, method in facts["servers"]
        ),
    )


def _health_facts(spec: HealthSpec) -> dict[str, Any]:
    return asdict(spec) | {"check": spec.check.value, "source": spec.source.hex()}


def _health(facts: Mapping[str, Any]) -> HealthSpec:
    decoded = {
        "check": Check(facts["check"]),
        "accept": tuple(facts["accept"]),
        "source": bytes.fromhex(facts["source"]),
    }
    return HealthSpec(**{**facts, **decoded})


def _end(endpoint: Endpoint) -> list[str | int]:
    return [endpoint.address.hex(), endpoint.port]


def _endpoint(facts: list[Any]) -> Endpoint:
    address, port = facts
    return Endpoint(bytes.fromhex(address), port)
