"""A capture file -> the UDP datagrams in it, IP fragments put together. Pure reading.

It shares no code with `pe_nfq.packet`, because it judges pe-nfq. It reads what
tcpdump writes on Ethernet and on tunnels (classic pcap of this machine's byte
order, also while tcpdump is still writing) and takes a well-formed LAN for granted.
"""

import ipaddress
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

_FILE_HEADER: Final = struct.Struct("=IHHIIII")
_RECORD: Final = struct.Struct("=IIII")
#: LINKTYPE_ETHERNET, _RAW, _LINUX_SLL (tcpdump.org/linktypes.html) -> bytes before the IP header;
#: the last two of them, where there are any, say what follows.
_LINK_HEADERS: Final = {1: 14, 101: 0, 113: 16}
_IP_ETHERTYPES: Final = (b"\x08\x00", b"\x86\xdd")
_UDP: Final = 17
_IPV6_FRAGMENT: Final = 44
#: RFC 3261 section 7.3.1 and 20.8: the name or its compact form, on a line of its own.
_CALL_ID: Final = re.compile(rb"(?im)^(?:call-id|i)[ \t]*:[ \t]*([^\r\n]*)")


class Seen(NamedTuple):
    """A UDP datagram that passed a capture; `time` is the capture's clock, in seconds."""

    time: float
    src: str
    dst: str
    payload: bytes

    @property
    def call_id(self) -> bytes | None:
        """The first Call-ID of a SIP message, None where there is none (keepalives)."""
        found = _CALL_ID.search(self.payload)
        return found[1] if found else None


class _Packet(NamedTuple):
    """What IP says of a packet; `at` is the offset of `body` in the whole datagram."""

    src: bytes
    dst: bytes
    ident: int
    at: int
    more: bool
    protocol: int
    body: bytes


def read(path: Path) -> list[Seen]:
    """The UDP datagrams of a capture in the order in which they were complete."""
    return [_seen(time, packet) for time, packet in _datagrams(path)]


def damaged(path: Path) -> list[Seen]:
    """Those whose UDP checksum is wrong, where senders compute it (`Lab(offload=False)`)."""
    return [_seen(time, packet) for time, packet in _datagrams(path) if not _is_intact(packet)]


def _datagrams(path: Path) -> Iterator[tuple[float, _Packet]]:
    pieces: dict[tuple[bytes, bytes, int], list[_Packet]] = {}
    for time, data in _frames(path.read_bytes()):
        piece = _ip(data)
        key = piece[:3]
        if not piece.more and not piece.at:
            packet: _Packet | None = piece
        else:
            pieces.setdefault(key, []).append(piece)
            packet = _joined(pieces[key])
        if packet is None:
            continue
        pieces.pop(key, None)
        if packet.protocol == _UDP:
            yield time, packet


def _frames(data: bytes) -> Iterator[tuple[float, bytes]]:
    """The IP packets that the frames carry."""
    at = _FILE_HEADER.size
    if len(data) < at:
        return
    link_header = _LINK_HEADERS[_FILE_HEADER.unpack_from(data)[-1]]
    while at + _RECORD.size <= len(data):
        seconds, micros, length, _ = _RECORD.unpack_from(data, at)
        at += _RECORD.size
        if at + length > len(data):
            return  # tcpdump is still writing this one
        frame = data[at : at + length]
        if not link_header or frame[link_header - 2 : link_header] in _IP_ETHERTYPES:
            yield seconds + micros / 1e6, frame[link_header:]
        at += length


def _ip(packet: bytes) -> _Packet:
    return _ipv4(packet) if packet[0] >> 4 == 4 else _ipv6(packet)


def _ipv4(packet: bytes) -> _Packet:
    header = (packet[0] & 0x0F) * 4
    total, ident, fragment = struct.unpack_from("!HHH", packet, 2)
    body = packet[header:total]
    at, more = (fragment & 0x1FFF) * 8, bool(fragment & 0x2000)
    return _Packet(packet[12:16], packet[16:20], ident, at, more, packet[9], body)


def _ipv6(packet: bytes) -> _Packet:
    length, protocol = struct.unpack_from("!HB", packet, 4)
    src, dst, body = packet[8:24], packet[24:40], packet[40 : 40 + length]
    if protocol != _IPV6_FRAGMENT:
        return _Packet(src, dst, 0, 0, False, protocol, body)
    protocol, fragment, ident = struct.unpack_from("!BxHI", body)
    return _Packet(src, dst, ident, fragment & 0xFFF8, bool(fragment & 1), protocol, body[8:])


def _joined(pieces: list[_Packet]) -> _Packet | None:
    """The whole packet when its fragments are there without a gap."""
    pieces.sort(key=lambda piece: piece.at)
    body = b""
    for piece in pieces:
        if piece.at > len(body):
            return None
        body = body[: piece.at] + piece.body
    if pieces[-1].more:
        return None
    return pieces[0]._replace(body=body, at=0, more=False)


def _seen(time: float, packet: _Packet) -> Seen:
    sport, dport, length = struct.unpack_from("!HHH", packet.body)
    src, dst = _endpoint(packet.src, sport), _endpoint(packet.dst, dport)
    return Seen(time, src, dst, packet.body[8:length])


def _is_intact(packet: _Packet) -> bool:
    """RFC 768, RFC 8200 section 8.1: the sum over pseudo header and datagram is all ones."""
    if packet.body[6:8] == b"\0\0":
        return len(packet.src) == 4  # not computed, which IPv6 does not allow
    length = int.from_bytes(packet.body[4:6])
    pseudo = packet.src + packet.dst + struct.pack("!II", length, _UDP)
    data = pseudo + packet.body[: length + length % 2].ljust(length + length % 2, b"\0")
    # all ones is 0 modulo 2^16 - 1, and folding the carries is that modulo
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    return total % 0xFFFF == 0


def _endpoint(address: bytes, port: int) -> str:
    host = ipaddress.ip_address(address)
    return f"[{host}]:{port}" if host.version == 6 else f"{host}:{port}"
