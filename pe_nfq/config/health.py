"""Options of health checks, which a ``[[service]]`` and an ``[[adopt]]`` share. Pure.

They become `HealthSpec`; what a check does is said by `pe_nfq.health`.
"""

import ipaddress
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import fields
from typing import Any, Final, TypeVar

from pe_nfq.config.addresses import unfit_as_host
from pe_nfq.config.options import Option, OptionError, Seen, show
from pe_nfq.config.spec import Check, HealthSpec, VirtualAddress
from pe_nfq.config.values import Integer, Word

#: What a file says where nothing is checked.
NONE: Final = "none"
#: Below that a check costs more than the calls (s); above it nobody would call it one.
_SHORTEST: Final = 0.1
_LONGEST: Final = 3600.0
#: More in a row say nothing new.
_MOST_IN_A_ROW: Final = 100
_TIMEOUT: Final = 2.0
#: Codes of final answers (RFC 3261, section 21), and their classes.
_CODE: Final = re.compile("[2-6]([0-9]{2}|xx)", re.ASCII)

Built = TypeVar("Built")


def _seconds(value: Any, seen: Seen) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and math.isfinite(value) and _SHORTEST <= value <= _LONGEST:
        return float(value)
    raise OptionError(f"{show(value)} is not a number of seconds from {_SHORTEST} to {_LONGEST:g}")


def _timeout(value: Any, seen: Seen) -> float:
    timeout, interval = _seconds(value, seen), seen["health_interval"]
    if timeout > interval:
        raise OptionError(f"{timeout:g} is more than health_interval, {interval:g}; choose less")
    return timeout


def _accept(value: Any, seen: Seen) -> tuple[str, ...]:
    words = [word.strip().lower() for word in value.split(",")] if isinstance(value, str) else []
    if not words or not all(map(_CODE.fullmatch, words)):
        form = 'is not a list of codes from 200 to 699 and their classes, like "2xx,405"'
        raise OptionError(f"{show(value)} {form}")
    return tuple(dict.fromkeys(words))


def _port(value: Any, seen: Seen) -> int:
    port = Integer(0, 65535)(value, seen)
    service = _service(seen)
    if not port and seen["health"] is Check.OPTIONS and service is not None and service.fwmark:
        raise OptionError("a mark has no port; give the one on which its servers answer OPTIONS")
    return port


def _source(value: Any, seen: Seen) -> bytes:
    if value == "":
        return b""
    service = _service(seen)
    if service is None:
        raise OptionError('is of one family and "all" of both; name the service to give it one')
    try:
        if not isinstance(value, str):
            raise ValueError
        address = ipaddress.ip_address(value)
    except ValueError:
        what = 'is not an address of this director, like "192.0.2.1"; ""'
        raise OptionError(f"{show(value)} {what} is the kernel's choice") from None
    if kind := unfit_as_host(address):
        raise OptionError(f"{show(value)} is {kind}; give an address of this director")
    family = service.endpoint.family
    if address.version != family:
        raise OptionError(
            f"{show(value)} is IPv{address.version} and the servers IPv{family}; "
            f"give an IPv{family} address of this director"
        )
    return address.packed


def _service(seen: Seen) -> VirtualAddress | None:
    """The one that is checked; None: all of the kernel's."""
    named: VirtualAddress | None = seen["service" if "service" in seen.maps[0] else "address"]
    return named


HEALTH: Final = (
    Option(
        "health",
        Word({NONE: None, **{word.value: word for word in Check}}),
        NONE,
        "how servers are checked: none, options (SIP OPTIONS to each of them) or external (pe-nfq "
        "health says how they are)",
    ),
    Option("health_interval", _seconds, 5, "seconds from one OPTIONS to the next"),
    Option(
        "health_timeout",
        _timeout,
        lambda seen: min(_TIMEOUT, seen["health_interval"]),
        "seconds that a server has to answer, health_interval at most",
    ),
    Option(
        "health_rise", Integer(1, _MOST_IN_A_ROW), 2, "answers in a row after which it is up again"
    ),
    Option(
        "health_fall", Integer(1, _MOST_IN_A_ROW), 3, "failures in a row after which it is down"
    ),
    Option("health_accept", _accept, "2xx", 'answers that count, like "2xx,405"'),
    Option(
        "health_port",
        _port,
        0,
        "the port of the servers that is asked; 0: where they get their calls",
    ),
    Option(
        "health_source",
        _source,
        "",
        "the address of this director that asks; empty: as the kernel chooses",
    ),
)


def with_health(build: Callable[..., Built]) -> Callable[..., Built]:
    """`build`, given `health` for the values of the options above."""

    def built(*, health: Check | None, **given: Any) -> Built:
        facts = {name: given.pop(f"health_{name}") for name in _names()}
        return build(health=None if health is None else HealthSpec(health, **facts), **given)

    return built


def health_word(spec: HealthSpec | None) -> str:
    """What a file says of it: ``none``, ``options`` or ``external``."""
    return NONE if spec is None else spec.check.value


def health_changes(old: HealthSpec | None, new: HealthSpec | None) -> Iterator[str]:
    """A clause for each difference: ``health_interval 5 -> 1``."""
    if old is None or new is None or old.check is not new.check:
        if old != new:
            yield f"health {health_word(old)} -> {health_word(new)}"
        return
    for name in _names():
        before, now = getattr(old, name), getattr(new, name)
        if before != now:
            yield f"health_{name} {_text(before)} -> {_text(now)}"


def _names() -> Iterator[str]:
    return (field.name for field in fields(HealthSpec) if field.name != "check")


def _text(value: Any) -> str:
    match value:
        case bytes():
            return str(ipaddress.ip_address(value)) if value else "none"
        case tuple():
            return ",".join(value)
        case _:
            return f"{value:g}"
