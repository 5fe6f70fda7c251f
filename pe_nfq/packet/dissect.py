"""IP packet as queued -> where its UDP datagram is, or why there is none.

First step of a packet's path, on the raw bytes that NFQUEUE hands over.
IPv4 is RFC 791, IPv6 and its extension headers RFC 8200, the Authentication
Header RFC 4302, UDP RFC 768. Nothing is copied but the two addresses.

The order of doubt: what a header says is judged against the other headers
(INCONSISTENT), what is not at hand against the length that IP states: a
missing header is TRUNCATED, a missing rest of the payload sets `cut`.
"""

import struct
from typing import Final

from pe_nfq.model import Datagram, Endpoint, Reason

#: More extension headers than RFC 8200, section 4.1, knows (7 with both destination
#: options), and a bound on the walk.
MAX_EXTENSION_HEADERS: Final = 8

_UDP: Final = 17
FRAGMENT_HEADER: Final = 44
#: Extension headers that can stand before UDP, and the bytes that one unit of their length
#: field counts beyond the first 8. The Fragment header has no such field.
EXTENSIONS: Final = {
    0: 8,  # hop-by-hop options
    43: 8,  # routing
    FRAGMENT_HEADER: 0,
    51: 4,  # authentication header
    60: 8,  # destination options
}
#: The shortest extension header.
_EXTENSION_SIZE: Final = 8

# total length, fragment bits and offset, protocol, source, destination
_IPV4: Final = struct.Struct("!2xH2xHxB2x4s4s")
_V4_FRAGMENT: Final = 0x3FFF  # more fragments, offset
# payload length, next header, source, destination
_IPV6: Final = struct.Struct("!4xHBx16s16s")
_FRAGMENT_BITS: Final = struct.Struct("!2xH")
_V6_FRAGMENT: Final = 0xFFF9  # offset, more fragments
# source port, destination port, length, checksum
_UDP_HEADER: Final = struct.Struct("!HHH2x")


def dissect(packet: bytes) -> Datagram | Reason:
    """The UDP datagram in an IP packet. Never raises.

    Bytes beyond the IP packet's end (link padding) and beyond the UDP
    datagram's end do not belong to the datagram. An IPv6 "atomic" fragment
    (RFC 6946: the only one of its datagram) is whole.
    """
    if not packet:
        return Reason.TRUNCATED
    version = packet[0] >> 4
    if version == 4:
        return _ipv4(packet)
    if version == 6:
        return _ipv6(packet)
    return Reason.NOT_IP


def _ipv4(packet: bytes) -> Datagram | Reason:
    if len(packet) < _IPV4.size:
        return Reason.TRUNCATED
    total, fragment, protocol, src, dst = _IPV4.unpack_from(packet)
    header = (packet[0] & 0x0F) * 4
    if header < _IPV4.size or total < header:
        return Reason.INCONSISTENT
    if protocol != _UDP:
        return Reason.NOT_UDP
    if fragment & _V4_FRAGMENT:
        return Reason.FRAGMENT
    return _udp(packet, header, total, src, dst)


def _ipv6(packet: bytes) -> Datagram | Reason:
    if len(packet) < _IPV6.size:
        return Reason.TRUNCATED
    length, next_header, src, dst = _IPV6.unpack_from(packet)
    # A jumbogram (RFC 2675) says 0 here: then nothing fits and it is INCONSISTENT.
    at, total = _IPV6.size, _IPV6.size + length
    for _ in range(MAX_EXTENSION_HEADERS + 1):
        if next_header == _UDP:
            return _udp(packet, at, total, src, dst)
        unit = EXTENSIONS.get(next_header)
        if unit is None:
            return Reason.NOT_UDP
        if at + _EXTENSION_SIZE > total:
            return Reason.INCONSISTENT
        if at + _EXTENSION_SIZE > len(packet):
            return Reason.TRUNCATED
        if (
            next_header == FRAGMENT_HEADER
            and _FRAGMENT_BITS.unpack_from(packet, at)[0] & _V6_FRAGMENT
        ):
            return Reason.FRAGMENT
        next_header, at = packet[at], at + _EXTENSION_SIZE + unit * packet[at + 1]
    return Reason.INCONSISTENT


def _udp(packet: bytes, at: int, total: int, src: bytes, dst: bytes) -> Datagram | Reason:
    """The datagram whose UDP header is at `at`, in an IP packet of `total` bytes."""
    payload = at + _UDP_HEADER.size
    if payload > total:
        return Reason.INCONSISTENT
    if payload > len(packet):
        return Reason.TRUNCATED
    sport, dport, length = _UDP_HEADER.unpack_from(packet, at)
    end = at + length
    if length < _UDP_HEADER.size or end > total:
        return Reason.INCONSISTENT
    at_hand = min(end, len(packet))
    return Datagram(Endpoint(src, sport), Endpoint(dst, dport), payload, at_hand, at_hand < end)
