"""From the kernel's messages to values (kernel: ip_vs_genl_fill_service, ip_vs_genl_fill_dest).

By hand, since a director is listed every second: a dest costs 10 us here, as
pyroute2's objects fifty times that.
"""

import struct
import sys
from typing import Final

from pe_nfq.ipvs import numbers
from pe_nfq.ipvs.netlink import attributes
from pe_nfq.ipvs.objects import (
    HASHED,
    METHOD_NUMBERS,
    PERSISTENT,
    Info,
    KernelDest,
    KernelService,
    Stats,
    Timeouts,
    prefix_mask,
)
from pe_nfq.model import Method

_METHOD_OF: Final = {number: method for method, number in METHOD_NUMBERS.items()}
#: The family's number in the address family attributes.
_FAMILY_OF: Final = {2: 4, 10: 6}
_NOTHING: Final = memoryview(b"")
_COUNTERS: Final = range(1, 11)  # IPVS_STATS_ATTR_CONNS … OUTBPS


def service(message: memoryview) -> KernelService:
    """A service of a GET_SERVICE answer, without its dests."""
    found = attributes(attributes(message)[numbers.CMD_SERVICE])
    family = _FAMILY_OF[_number(found[numbers.SVC_AF])]
    size = 4 if family == 4 else 16
    flags, _ = struct.unpack_from("=II", found[numbers.SVC_FLAGS])
    netmask = bytes(found[numbers.SVC_NETMASK])
    # For IPv6 the field of four bytes holds the prefix length instead.
    mask = netmask if family == 4 else prefix_mask(min(128, int.from_bytes(netmask, sys.byteorder)))
    return KernelService(
        family,
        _number(found.get(numbers.SVC_PROTOCOL, _NOTHING)),
        bytes(found.get(numbers.SVC_ADDR, bytes(16))[:size]),
        int.from_bytes(found.get(numbers.SVC_PORT, _NOTHING), "big"),
        _number(found.get(numbers.SVC_FWMARK, _NOTHING)),
        _text(found[numbers.SVC_SCHED_NAME]),
        flags & ~HASHED,
        _number(found[numbers.SVC_TIMEOUT]) if flags & PERSISTENT else 0,
        mask,
        _text(found.get(numbers.SVC_PE_NAME, _NOTHING)),
        stats=_stats(found, numbers.SVC_STATS, numbers.SVC_STATS64),
    )


def dest(message: memoryview, family: int) -> KernelDest:
    """A dest of a GET_DEST answer about a service of `family`."""
    found = attributes(attributes(message)[numbers.CMD_DEST])
    own_family = found.get(numbers.DEST_ADDR_FAMILY)
    if own_family is not None:
        family = _FAMILY_OF[_number(own_family)]

    def number(attribute: int) -> int:
        return _number(found.get(attribute, _NOTHING))

    return KernelDest(
        bytes(found[numbers.DEST_ADDR][: 4 if family == 4 else 16]),
        int.from_bytes(found[numbers.DEST_PORT], "big"),
        # Only what no ipvsadm can ask for (IP_VS_CONN_F_LOCALNODE) is not here: unchanged as well.
        _METHOD_OF.get(number(numbers.DEST_FWD_METHOD), Method.ROUTE),
        number(numbers.DEST_WEIGHT),
        number(numbers.DEST_U_THRESH),
        number(numbers.DEST_L_THRESH),
        number(numbers.DEST_ACTIVE_CONNS),
        number(numbers.DEST_INACT_CONNS),
        number(numbers.DEST_PERSIST_CONNS),
        _stats(found, numbers.DEST_STATS, numbers.DEST_STATS64),
        number(numbers.DEST_TUN_TYPE),
        int.from_bytes(found.get(numbers.DEST_TUN_PORT, _NOTHING), "big"),
        number(numbers.DEST_TUN_FLAGS),
    )


def timeouts(message: memoryview) -> Timeouts:
    """A GET_CONFIG answer."""
    found = attributes(message)
    return Timeouts(*(_number(found.get(which, _NOTHING)) for which in numbers.TIMEOUTS))


def info(message: memoryview) -> Info:
    """A GET_INFO answer."""
    found = attributes(message)
    version = _number(found[numbers.INFO_VERSION])
    text = ".".join(str(version >> shift & 0xFF) for shift in (16, 8, 0))
    return Info(text, _number(found[numbers.INFO_TABLE_SIZE]))


def _stats(found: dict[int, memoryview], narrow: int, wide: int) -> Stats:
    """Of 64 bits where the kernel has them (since 4.1)."""
    nested = found.get(wide) or found.get(narrow)
    if nested is None:
        return Stats()
    counters = attributes(nested)
    return Stats(*(_number(counters.get(counter, _NOTHING)) for counter in _COUNTERS))


def _number(value: memoryview) -> int:
    """In this machine's byte order, whatever its size; nothing is 0."""
    return int.from_bytes(value, sys.byteorder)


def _text(value: memoryview) -> str:
    return bytes(value).partition(b"\0")[0].decode("ascii", "backslashreplace")
