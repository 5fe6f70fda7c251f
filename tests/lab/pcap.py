"""A capture file -> the UDP datagrams in it, IP fragments put together. Pure reading.

It shares no code with `pe_nfq.packet`, because it judges pe-nfq. It reads what
tcpdump writes on Ethernet (classic pcap of this machine's byte order, also
while tcpdump is still writing) and takes a well-formed LAN for granted.
"""

import ipaddress
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

_FILE_HEADER: Final = 24
_RECORD: Final = struct.Struct("=IIII")
_ETHERNET: Final = 14
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
    pieces: dict[tuple[bytes, bytes, int], list[_Packet]] = {}
    datagrams = []
    for time, frame in _frames(path.read_bytes()):
        packet = _ip(frame)
        if packet is None:
            continue
        if packet.more or packet.at:
            key = packet[:3]
            pieces.setdefault(key, []).append(packet)
            packet = _joined(pieces[key])
            if packet is None:
                continue
            del pieces[key]
        if packet.protocol == _UDP:
            datagrams.append(_seen(time, packet))
    return datagrams


def _frames(data: bytes) -> Iterator[tuple[float, bytes]]:
    at = _FILE_HEADER
    while at + _RECORD.size <= len(data):
        seconds, micros, length, _ = _RECORD.unpack_from(data, at)
        at += _RECORD.size
        if at + length > len(data):
            return  # tcpdump is still writing this one
        yield seconds + micros / 1e6, data[at : at + length]
        at += length


def _ip(frame: bytes) -> _Packet | None:
    ethertype = frame[12:14]
    packet = frame[_ETHERNET:]
    if ethertype == b"\x08\x00":
        return _ipv4(packet)
    return _ipv6(packet) if ethertype == b"\x86\xdd" else None


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


def _endpoint(address: bytes, port: int) -> str:
    host = ipaddress.ip_address(address)
    return f"[{host}]:{port}" if host.version == 6 else f"{host}:{port}"
