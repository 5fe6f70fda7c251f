"""What has been read of a command line so far, and what each option adds to it. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from pe_nfq.adm.errors import WRONG, AdmError, OtherTransportError
from pe_nfq.adm.values import (
    MAX_THRESHOLD,
    MAX_WEIGHT,
    Address,
    parse_address,
    parse_fwmark,
    parse_mask,
    parse_number,
    parse_timeout,
)
from pe_nfq.config.spec import VirtualAddress
from pe_nfq.escape import show_text
from pe_nfq.model import Endpoint, Method

DEFAULT_SCHEDULER: Final = "wlc"
#: The engine of a service without `--pe`.
NO_ENGINE: Final = "source"

#: Where a tunnel of another kind is asked for.
ONLY_IPIP: Final = "only IP in IP is steered: use -i without it"


@dataclass(slots=True)
class Draft:
    """What has been read so far."""

    names: list[str] = field(default_factory=list)
    service: VirtualAddress | None = None
    scheduler: str = DEFAULT_SCHEDULER
    sched_flags: str = ""
    timeout: int = 0
    mask: bytes | None = None
    engine: str = NO_ENGINE
    one_packet: bool = False
    server: Address | None = None
    method: Method = Method.ROUTE
    weight: int = 1
    upper: int = 0
    lower: int = 0


def _service(draft: Draft, value: str | None) -> None:
    address = parse_address(value or "")
    draft.service = VirtualAddress(address.at(0))
    _mask_of_family(draft)


def _other_transport(word: str) -> Callable[[Draft, str | None], None]:
    def read(draft: Draft, value: str | None) -> None:
        raise OtherTransportError(f"{word} {show_text(value or '')}")

    return read


def _fwmark(draft: Draft, value: str | None) -> None:
    draft.service = VirtualAddress(Endpoint(bytes(4), 0), parse_fwmark(value or ""))


def _ipv6(draft: Draft, value: str | None) -> None:
    if draft.service is None or not draft.service.fwmark:
        raise AdmError(WRONG, "-6: it is for a mark and comes behind it, like -f 5 -6")
    draft.service = VirtualAddress(Endpoint(bytes(16), 0), draft.service.fwmark)
    _mask_of_family(draft)


def _mask(draft: Draft, value: str | None) -> None:
    draft.mask = parse_mask(value or "", draft.service.endpoint.family if draft.service else 4)


def _mask_of_family(draft: Draft) -> None:
    """Refuse what ipvsadm forgets without a word: a mask before an IPv6 address or -6."""
    family = draft.service.endpoint.family if draft.service else 4
    if family == 6 and draft.mask is not None and len(draft.mask) == 4:
        raise AdmError(WRONG, "-M: of IPv6 it comes behind the service, like -f 5 -6 -M 64")


def _tunnel_type(draft: Draft, value: str | None) -> None:
    if value != "ipip":
        raise AdmError(WRONG, f"--tun-type {show_text(value or '')}: {ONLY_IPIP}, or with ipip")


def _sets(attribute: str, read: Callable[[str], object]) -> Callable[[Draft, str | None], None]:
    def reader(draft: Draft, value: str | None) -> None:
        setattr(draft, attribute, read(value or ""))

    return reader


def _number(highest: int, what: str) -> Callable[[str], int]:
    return lambda value: parse_number(value, 0, highest, what)


def _nothing(draft: Draft, value: str | None) -> None:
    """Its name says it all."""


def _persistent(draft: Draft, value: str | None) -> None:
    draft.timeout = parse_timeout(value)


#: By long option; the commands are not among them.
READERS: Final[Mapping[str, Callable[[Draft, str | None], None]]] = {
    "tcp-service": _other_transport("-t"),
    "sctp-service": _other_transport("--sctp-service"),
    "udp-service": _service,
    "fwmark-service": _fwmark,
    "ipv6": _ipv6,
    "scheduler": _sets("scheduler", lambda value: value or DEFAULT_SCHEDULER),
    "sched-flags": _sets("sched_flags", str),
    "persistent": _persistent,
    "netmask": _mask,
    "pe": _sets("engine", lambda value: value or NO_ENGINE),
    "ops": _sets("one_packet", lambda value: True),
    "real-server": _sets("server", parse_address),
    "masquerading": _sets("method", lambda value: Method.MASQ),
    "ipip": _sets("method", lambda value: Method.TUNNEL),
    "gatewaying": _sets("method", lambda value: Method.ROUTE),
    "tun-type": _tunnel_type,
    "weight": _sets("weight", _number(MAX_WEIGHT, "a weight")),
    "u-threshold": _sets("upper", _number(MAX_THRESHOLD, "an upper threshold")),
    "l-threshold": _sets("lower", _number(MAX_THRESHOLD, "a lower threshold")),
    **dict.fromkeys(
        (
            *("numeric", "connection", "nosort", "sort", "exact"),
            *("stats", "rate", "thresholds", "persistent-conn", "tun-info"),
        ),
        _nothing,
    ),
}
