"""Readers of addresses and masks: virtual services, real servers, the persistence mask. Pure.

Names are never looked up: a director must come up without DNS, and a name
that changes its mind would move dialogs.
"""

import ipaddress
import re
from collections.abc import Callable
from typing import Any, Final

from pe_nfq.config.options import OptionError, Seen, show
from pe_nfq.config.spec import Steering, VirtualAddress
from pe_nfq.config.values import Word
from pe_nfq.marks import OURS_MASK
from pe_nfq.model import Endpoint, Method

_IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

#: An IPv4 address, or an IPv6 address in brackets, each with or without a port.
#: What does not match is looked at as an IPv6 address without brackets.
_WITH_PORT: Final = re.compile(r"(?:\[([^]]*)]|([^:[\]]*))(?::([0-9]{1,9}))?", re.ASCII)

#: Addresses that no single host has, or that cannot be told without an interface.
_UNFIT: Final[tuple[tuple[str, Callable[[_IPAddress], bool]], ...]] = (
    ("a multicast address", lambda address: address.is_multicast),
    ("the unspecified address", lambda address: address.is_unspecified),
    ("the broadcast address", lambda address: str(address) == "255.255.255.255"),
    (
        "an IPv4 address in IPv6 form",
        lambda address: address.version == 6 and address.ipv4_mapped is not None,
    ),
    (
        "a link-local address, which says nothing without its interface",
        lambda address: address.version == 6 and address.is_link_local,
    ),
)

_METHODS: Final = Word({word.value: word for word in Method})

_NO_TCP: Final = (
    "is not UDP: datagrams are steered one by one, and one TCP connection carries many dialogs; "
    "give a udp address"
)


#: A mark, decimal or hexadecimal, and its family where that is not IPv4.
_FWMARK: Final = re.compile(r"fwmark +(0x[0-9a-f]{1,8}|[0-9]{1,10})( +ipv6)?", re.ASCII | re.I)


def virtual_address(value: Any, seen: Seen) -> VirtualAddress:
    """``203.0.113.10:5060``, ``udp [2001:db8::1]:5060``, ``fwmark 5`` or ``fwmark 5 ipv6``."""
    form = 'is not ADDRESS:PORT, like "203.0.113.10:5060" or "[2001:db8::1]:5060"'
    if not isinstance(value, str):
        raise OptionError(f"{show(value)} {form}")
    protocol, _, rest = value.strip().partition(" ")
    if protocol.lower() == "fwmark":
        return _fwmark(value, seen)
    if protocol.lower() in ("tcp", "tls", "sctp"):
        raise OptionError(f"{show(value)} {_NO_TCP}")
    text = rest.strip() if protocol.lower() == "udp" else value.strip()
    address, port = _address(text, form)
    if port is None:
        raise OptionError(f"{show(value)} {form}")
    return VirtualAddress(Endpoint(address, port))


def _fwmark(value: str, seen: Seen) -> VirtualAddress:
    found = _FWMARK.fullmatch(value.strip())
    mark = int(found[1], 0 if found[1][:2].lower() == "0x" else 10) if found else 0
    if not found or not 0 < mark <= 0xFFFFFFFF:
        raise OptionError(
            f'{show(value)} is not a mark from 1 to 4294967295, like "fwmark 5" or "fwmark 5 ipv6"'
        )
    if mark & OURS_MASK == seen["mark_base"]:
        raise OptionError(
            f"{show(value)} is one of pe-nfq's own marks; choose one outside of its block"
        )
    return VirtualAddress(Endpoint(bytes(16 if found[2] else 4), 0), mark)


def real_server_address(value: Any, seen: Seen) -> Endpoint:
    """``192.0.2.11`` or ``192.0.2.11:5060``; the port is the service's where it is not given."""
    form = 'is not an IP address, like "192.0.2.11" or "[2001:db8::11]:5060"'
    vip: Endpoint = seen.parents["address"].endpoint
    if not isinstance(value, str):
        raise OptionError(f"{show(value)} {form}")
    address, port = _address(value.strip(), form)
    server = Endpoint(address, vip.port if port is None else port)
    if server.family != vip.family:
        raise OptionError(
            f"{show(value)} is IPv{server.family} and the service IPv{vip.family}; "
            f"a datagram keeps its family, so give an IPv{vip.family} server"
        )
    if server.port != vip.port:
        _check_other_port(server.port, vip.port, seen)
    return server


def _check_other_port(port: int, vip_port: int, seen: Seen) -> None:
    """A port of the server's own needs somebody who rewrites datagrams."""
    what = f"port {port} is not the service's {vip_port}"
    if not vip_port:
        what = f"port {port} is a server's own, and a mark leaves every datagram its port"
    if seen["steering"] is Steering.ROUTE:
        raise OptionError(
            f"{what}; policy routing delivers the datagram unchanged, so leave the port out or "
            f'choose steering = "ipvs" with method = "masq", or steering = "mark"'
        )
    if seen["steering"] is Steering.IPVS and seen["method"] is not Method.MASQ:
        raise OptionError(
            f'{what}; method = "{seen["method"].value}" delivers the datagram unchanged, so '
            f'leave the port out or choose method = "masq"'
        )


def method(value: Any, seen: Seen) -> Method:
    """A forwarding method that the steering can do."""
    chosen: Method = _METHODS(value, seen)
    if chosen is not Method.ROUTE and seen["steering"] is Steering.ROUTE:
        raise OptionError(f'{show(value)} is a method of IPVS; choose steering = "ipvs"')
    return chosen


def _address(text: str, form: str) -> tuple[bytes, int | None]:
    """(packed address, port if there is one); `form` is what to say of a malformed one."""
    found = _WITH_PORT.fullmatch(text)
    bracketed, bare, port = found.groups() if found else (None, text, None)
    if "%" in text:
        raise OptionError(f"{show(text)} names an interface; give an address that needs none")
    try:
        address: _IPAddress = (
            ipaddress.ip_address(bare) if bracketed is None else ipaddress.IPv6Address(bracketed)
        )
    except ValueError:
        raise OptionError(f"{show(text)} {form}; names are not looked up") from None
    if kind := unfit_as_host(address):
        raise OptionError(f"{show(text)} is {kind}; give the address of one host")
    if port is not None and not 0 < int(port) <= 65535:
        raise OptionError(f"port {int(port)} is not a port from 1 to 65535")
    return address.packed, None if port is None else int(port)


def unfit_as_host(address: _IPAddress) -> str:
    """What kind of address it is that no single host has; "" for one that a host can have."""
    return next((kind for kind, is_unfit in _UNFIT if is_unfit(address)), "")


def full_mask(seen: Seen) -> int:
    """The prefix length that keeps the whole client address."""
    return 8 * len(seen["address"].endpoint.address)


def mask(value: Any, seen: Seen) -> bytes:
    """The mask of a service; see `mask_of_bits`."""
    return mask_of_bits(value, full_mask(seen))


def mask_of_bits(value: Any, bits: int) -> bytes:
    """``24``, ``"24"`` or ``"255.255.255.0"`` as 4 bytes, or an IPv6 prefix length as 16."""
    if bits == 32 and isinstance(value, str) and "." in value:
        return _dotted_mask(value)
    digits = value if isinstance(value, str) else show(value)
    if not re.fullmatch("[0-9]{1,3}", digits) or int(digits) > bits:
        dotted = ' or a mask like "255.255.255.0"' if bits == 32 else ""
        raise OptionError(f"{show(value)} is not a prefix length from 0 to {bits}{dotted}")
    prefix = int(digits)
    return ((1 << bits) - (1 << (bits - prefix))).to_bytes(bits // 8)


def _dotted_mask(text: str) -> bytes:
    try:
        number = int(ipaddress.IPv4Address(text))
    except ValueError:
        raise OptionError(f'{show(text)} is not a mask like "255.255.255.0"') from None
    # The zeros must be the low bits: their complement is one less than a power of two.
    zeros = number ^ 0xFFFFFFFF
    if zeros & (zeros + 1):
        raise OptionError(
            f'{show(text)} has a gap; a mask is ones, then zeros, like "255.255.255.0"'
        )
    return number.to_bytes(4)
