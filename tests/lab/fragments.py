"""IP fragments made by hand, to be sent in any order; and a server's count of what it got."""

import ipaddress
import itertools
import re
import socket
import struct
from collections.abc import Sequence
from typing import Final

from tests.lab.network import Client, Node

_UDP: Final = struct.Struct("!HHHH")
_IPV4: Final = struct.Struct("!BBHHHBBH4s4s")
_IPV6: Final = struct.Struct("!IHBB16s16s")
_IPV6_FRAGMENT: Final = struct.Struct("!BBHI")
_TTL: Final = 64
#: A multiple of 8, with which a fragment fits into any LAN's MTU.
_SIZE: Final = 1280
_numbers = itertools.count(1)


def fragments(src: str, dst: str, payload: bytes, port: int = 5060) -> list[bytes]:
    """The IP packets of one UDP datagram from and to `port`, in order."""
    source, target = ipaddress.ip_address(src), ipaddress.ip_address(dst)
    header = _UDP.pack(port, port, _UDP.size + len(payload), 0)
    pseudo = source.packed + target.packed + struct.pack("!II", len(header + payload), 17)
    checksum = _checksum(pseudo + header + payload) or 0xFFFF
    datagram = header[:6] + checksum.to_bytes(2) + payload
    make = _ipv4 if source.version == 4 else _ipv6
    number = next(_numbers)
    return [
        make(source.packed, target.packed, number, at, at + _SIZE < len(datagram), piece)
        for at in range(0, len(datagram), _SIZE)
        for piece in [datagram[at : at + _SIZE]]
    ]


def send(client: Client, packets: Sequence[bytes]) -> None:
    """Send IP packets to the VIP as they are."""
    with client.socket(client.address, kind=socket.SOCK_RAW, protocol=socket.IPPROTO_RAW) as raw:
        for packet in packets:
            raw.sendto(packet, (client.vip, 0))


def received(node: Node) -> int:
    """The fragments that a node put together, or tried to, since it was made."""
    if ":" in node.address:
        found = re.search(r"^Ip6ReasmReqds\s+(\d+)$", _read(node, "/proc/net/snmp6"), re.M)
        assert found
        return int(found[1])
    names, values = _read(node, "/proc/net/snmp").splitlines()[:2]
    return int(values.split()[names.split().index("ReasmReqds")])


def _read(node: Node, path: str) -> str:
    return node.run(["cat", path]).stdout


def _ipv4(src: bytes, dst: bytes, number: int, at: int, more: bool, piece: bytes) -> bytes:
    # the kernel fills in the checksum (raw(7))
    flags = more << 13 | at // 8
    length = _IPV4.size + len(piece)
    return _IPV4.pack(0x45, 0, length, number, flags, _TTL, 17, 0, src, dst) + piece


def _ipv6(src: bytes, dst: bytes, number: int, at: int, more: bool, piece: bytes) -> bytes:
    extension = _IPV6_FRAGMENT.pack(17, 0, at | more, number)
    length = len(extension) + len(piece)
    return _IPV6.pack(6 << 28, length, 44, _TTL, src, dst) + extension + piece


def _checksum(data: bytes) -> int:
    words = struct.unpack(f"!{(len(data) + 1) // 2}H", data + bytes(len(data) % 2))
    total: int = sum(words)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
