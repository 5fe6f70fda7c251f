"""Readers of the values of single options, as strict as ipvsadm's or stricter. Pure.

Names are never looked up (`pe_nfq.config.addresses` says why), and forms that
mean something else than they look like (``-M 24`` is 0.0.0.24 to inet_aton,
``203.0.113`` is 203.0.0.113) are refused.
"""

import ipaddress
import re
from typing import Final, NamedTuple

from pe_nfq.adm.errors import REFUSED, WRONG, AdmError
from pe_nfq.config.addresses import unfit_as_host
from pe_nfq.config.persistence import MAX_TIMEOUT
from pe_nfq.escape import show_text
from pe_nfq.ipvs.objects import prefix_mask
from pe_nfq.model import Endpoint
from pe_nfq.schedulers.flags import SchedFlags

#: IPVS_SVC_PERSISTENT_TIMEOUT: `-p` without a value (s); the man page's 300 is not what happens.
DEFAULT_TIMEOUT: Final = 360
#: The most a weight may be in a configuration file too; ipvsadm takes up to 2147483647.
MAX_WEIGHT: Final = 65535
#: INT_MAX, as for ipvsadm.
MAX_THRESHOLD: Final = 0x7FFFFFFF
#: The kernel's marks have 32 bits, and 0 is none.
MAX_FWMARK: Final = 0xFFFFFFFF

#: What strtol takes.
_NUMBER: Final = re.compile(r"[ \t\n\v\f\r]*[+-]?[0-9]{1,19}", re.ASCII)
_IPV4: Final = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,3}){3})(?::(.*))?", re.ASCII | re.DOTALL)
_V6: Final = r"([0-9A-Fa-f]*:[0-9A-Fa-f:.]*)"
_IPV6: Final = re.compile(rf"\[{_V6}]:(.*)|{_V6}", re.ASCII | re.DOTALL)
#: What `ipvsadm -S` without -n writes for our ports (IANA; Debian's /etc/services).
_PORT_NAMES: Final = {"sip": 5060, "sip-tls": 5061}
_FLAGS: Final = {
    "flag-1": (SchedFlags.FIRST, ""),
    "flag-2": (SchedFlags.SECOND, ""),
    "flag-3": (SchedFlags.THIRD, ""),
    "sh-fallback": (SchedFlags.FIRST, "sh"),
    "sh-port": (SchedFlags.SECOND, "sh"),
    "mh-fallback": (SchedFlags.FIRST, "mh"),
    "mh-port": (SchedFlags.SECOND, "mh"),
}


class Address(NamedTuple):
    """An address as it was given; `port` None where it was not."""

    address: bytes
    port: int | None

    def at(self, port: int) -> Endpoint:
        """With `port` where none was given."""
        return Endpoint(self.address, port if self.port is None else self.port)


def parse_number(text: str, lowest: int, highest: int, what: str) -> int:
    """A whole number within bounds, both included; `what` it is. Raises AdmError."""
    if _NUMBER.fullmatch(text) and lowest <= int(text) <= highest:
        return int(text)
    raise AdmError(WRONG, f"{show_text(text)!r} is not {what} from {lowest} to {highest}")


def parse_timeout(text: str | None) -> int:
    """Seconds of `-p`. Raises AdmError."""
    if text is None:
        return DEFAULT_TIMEOUT
    return parse_number(text, 1, MAX_TIMEOUT, "a persistence timeout in seconds")


def parse_fwmark(text: str) -> int:
    """A mark. Raises AdmError."""
    return parse_number(text, 1, MAX_FWMARK, "a firewall mark, decimal,")


def parse_address(text: str) -> Address:
    """``192.0.2.1``, ``192.0.2.1:5060``, ``2001:db8::1``, ``[2001:db8::1]:5060``.

    Raises AdmError, REFUSED for what no single host has: the kernel refuses it, as a server's.
    """
    if found := _IPV4.fullmatch(text):
        host, port = found.groups()
    elif found := _IPV6.fullmatch(text):
        bracketed, port, bare = found.groups()
        host = bare if bracketed is None else bracketed
    else:
        raise _no_address(text)
    try:
        address = (ipaddress.IPv6Address if ":" in host else ipaddress.IPv4Address)(host)
    except ValueError:
        raise _no_address(text) from None
    if kind := unfit_as_host(address):
        raise AdmError(REFUSED, f"{show_text(text)} is {kind}; give the address of one host")
    return Address(address.packed, None if port is None else _port(port, text))


def _no_address(text: str) -> AdmError:
    return AdmError(
        WRONG,
        f"{show_text(text)!r} is not ADDRESS[:PORT] in numbers, like 203.0.113.10:5060 or "
        "[2001:db8::10]:5060; names are not looked up (ipvsadm -Sn saves numbers)",
    )


def _port(text: str, where: str) -> int:
    if text in _PORT_NAMES:
        return _PORT_NAMES[text]
    if not re.fullmatch("[0-9]{1,5}", text, re.ASCII) or int(text) > 65535:
        raise AdmError(WRONG, f"{show_text(where)!r} has no port from 1 to 65535 in numbers")
    return int(text)


def parse_mask(text: str, family: int) -> bytes:
    """`-M`: ``255.255.255.0`` as 4 bytes, or a prefix length of IPv6 as 16. Raises AdmError.

    0 is a prefix length here, and not in the kernel: clients of all addresses share templates.
    """
    if family == 6:
        return prefix_mask(parse_number(text, 0, 128, "a prefix length"))
    try:
        return ipaddress.IPv4Address(text).packed
    except ValueError:
        raise AdmError(
            WRONG, f"{show_text(text)!r} is not a mask like 255.255.255.0 (of IPv6: a length)"
        ) from None


def parse_sched_flags(text: str, scheduler: str) -> SchedFlags:
    """`-b`: names between commas; empty ones say nothing. Raises AdmError."""
    flags = SchedFlags(0)
    for word in filter(None, text.split(",")):
        flag, owner = _FLAGS.get(word, (None, ""))
        if flag is None:
            raise AdmError(
                WRONG,
                f"{show_text(word)!r} is no flag of a scheduler: known are {', '.join(_FLAGS)}",
            )
        if owner and owner != scheduler:
            raise AdmError(
                WRONG, f"{word} is a flag of {owner}, and the scheduler is {show_text(scheduler)}"
            )
        flags |= flag
    return flags
