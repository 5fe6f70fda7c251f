"""From values to the attributes of a request, by pyroute2's message classes.

Two of its declarations are set right: an IPv6 service's netmask is a prefix
length in this machine's byte order, not an IPv4 address, and timeouts are
numbers. Addresses go in as bytes, as they are.
"""

import functools
import socket
import sys
from typing import Any, Final

from pyroute2.netlink.generic.ipvs import ipvsmsg

from pe_nfq.ipvs.objects import METHOD_NUMBERS, KernelDest, KernelService, Timeouts

_AF: Final = {4: socket.AF_INET, 6: socket.AF_INET6}
_ALL_FLAGS: Final = 0xFFFFFFFF
_AS_BYTES: Final = ("IPVS_SVC_ATTR_ADDR", "IPVS_SVC_ATTR_NETMASK", "IPVS_DEST_ATTR_ADDR")
#: nlmsghdr and genlmsghdr: the socket writes its own.
_HEADERS: Final = 20

_Attributes = list[tuple[str, Any]]
_Map = tuple[tuple[str, str], ...]


def _corrected(nla_map: _Map) -> _Map:
    return tuple((name, "cdata" if name in _AS_BYTES else kind) for name, kind in nla_map)


class _Service(ipvsmsg.service):  # type: ignore[misc]  # pyroute2 has no types
    nla_map = _corrected(ipvsmsg.service.nla_map)


class _Dest(ipvsmsg.dest):  # type: ignore[misc]
    nla_map = _corrected(ipvsmsg.dest.nla_map)


class _Message(ipvsmsg):  # type: ignore[misc]
    service, dest = _Service, _Dest
    nla_map = tuple(
        (name, "uint32" if name.startswith("IPVS_CMD_ATTR_TIMEOUT_") else kind)
        for name, kind in ipvsmsg.nla_map
    )


@functools.lru_cache(4096)
def which_service(family: int, protocol: int, address: bytes, port: int, fwmark: int) -> bytes:
    """What names a service (`KernelService.key`): for listing its dests, and for removing it."""
    return _encode([_service(_identity(family, protocol, address, port, fwmark))])


def whole_service(service: KernelService) -> bytes:
    """A service with all that it is, its dests excepted."""
    family, mask = service.family, service.mask
    attributes: _Attributes = [
        *_identity(*service.key),
        ("IPVS_SVC_ATTR_SCHED_NAME", service.scheduler),
        ("IPVS_SVC_ATTR_FLAGS", {"flags": service.flags, "mask": _ALL_FLAGS}),
        ("IPVS_SVC_ATTR_TIMEOUT", service.timeout),
        ("IPVS_SVC_ATTR_NETMASK", mask if family == 4 else _prefix_length(mask)),
    ]
    if service.pe_name:
        attributes.append(("IPVS_SVC_ATTR_PE_NAME", service.pe_name))
    return _encode([_service(attributes)])


def which_dest(service: KernelService, dest: KernelDest) -> bytes:
    """What names a dest of a service."""
    return _encode([_service(_identity(*service.key)), _dest(_dest_identity(dest))])


def whole_dest(service: KernelService, dest: KernelDest) -> bytes:
    """A dest of a service with all that it is."""
    attributes = [
        *_dest_identity(dest),
        ("IPVS_DEST_ATTR_FWD_METHOD", METHOD_NUMBERS[dest.method]),
        ("IPVS_DEST_ATTR_WEIGHT", dest.weight),
        ("IPVS_DEST_ATTR_U_THRESH", dest.upper_threshold),
        ("IPVS_DEST_ATTR_L_THRESH", dest.lower_threshold),
    ]
    return _encode([_service(_identity(*service.key)), _dest(attributes)])


def all_timeouts(timeouts: Timeouts) -> bytes:
    """Timeouts of connections."""
    tcp, tcp_fin, udp = timeouts
    return _encode(
        [
            ("IPVS_CMD_ATTR_TIMEOUT_TCP", tcp),
            ("IPVS_CMD_ATTR_TIMEOUT_TCP_FIN", tcp_fin),
            ("IPVS_CMD_ATTR_TIMEOUT_UDP", udp),
        ]
    )


def _identity(family: int, protocol: int, address: bytes, port: int, fwmark: int) -> _Attributes:
    """A mark is given alone: beside it the kernel would ignore an address."""
    head: _Attributes = [("IPVS_SVC_ATTR_AF", _AF[family])]
    if fwmark:
        return [*head, ("IPVS_SVC_ATTR_FWMARK", fwmark)]
    return [
        *head,
        ("IPVS_SVC_ATTR_PROTOCOL", protocol),
        ("IPVS_SVC_ATTR_ADDR", address),
        ("IPVS_SVC_ATTR_PORT", port),
    ]


def _dest_identity(dest: KernelDest) -> _Attributes:
    return [
        ("IPVS_DEST_ATTR_ADDR_FAMILY", _AF[4 if len(dest.address) == 4 else 6]),
        ("IPVS_DEST_ATTR_ADDR", dest.address),
        ("IPVS_DEST_ATTR_PORT", dest.port),
    ]


def _prefix_length(mask: bytes) -> bytes:
    return int.from_bytes(mask).bit_count().to_bytes(4, sys.byteorder)


def _service(attributes: _Attributes) -> tuple[str, Any]:
    return "IPVS_CMD_ATTR_SERVICE", {"attrs": attributes}


def _dest(attributes: _Attributes) -> tuple[str, Any]:
    return "IPVS_CMD_ATTR_DEST", {"attrs": attributes}


def _encode(attributes: _Attributes) -> bytes:
    message = _Message()
    message["attrs"] = attributes
    message.encode()
    return bytes(message.data[_HEADERS:])
