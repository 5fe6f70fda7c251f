"""Asks the network who else has an address, as a host does before it takes one (RFC 5227).

An ARP probe, once: with direct routing every real server owns the VIP, and one
that says so takes the director's traffic. A probe names no sender, so nobody
who hears it learns anything wrong.
"""

import select
import socket
import struct
import time
from collections.abc import Collection, Iterator
from typing import Final, NamedTuple

_ETH_P_ARP: Final = 0x0806
_ETHER: Final = 1  # ARPHRD_ETHER
_BROADCAST: Final = b"\xff" * 6
#: hardware and protocol type, lengths, operation, sender's and target's link and IP addresses
_ARP: Final = struct.Struct("!HHBBH6s4s6s4s")
_ETHERNET: Final = struct.Struct("!6s6sH")
_REQUEST, _REPLY = 1, 2
#: How long answers are waited for (s): on a LAN they come within milliseconds.
_WAIT: Final = 0.5
#: A loop or a hostile neighbour may answer for ever; these are enough to name.
_MOST: Final = 16


class Answer(NamedTuple):
    """Somebody else's claim to an address."""

    address: bytes
    link: str


def others(addresses: Collection[bytes], device: str) -> tuple[Answer, ...]:
    """Who, but this machine, answers on `device` for IPv4 addresses. Raises OSError."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ARP)) as sock:
        sock.bind((device, _ETH_P_ARP))
        *_, kind, own = sock.getsockname()
        if kind != _ETHER:
            return ()  # a tunnel or the like, which needs no ARP
        for address in addresses:
            sock.send(probe(own, address))
        found: dict[Answer, None] = {}
        for frame in _frames(sock):
            answer = claim(frame)
            if answer and answer.address in addresses and answer.link != own.hex(":"):
                found[answer] = None
            if len(found) >= _MOST:
                break
    return tuple(found)


def probe(own: bytes, address: bytes) -> bytes:
    """The frame that asks for `address`; `own` is the link address of who asks."""
    arp = _ARP.pack(1, 0x0800, 6, 4, _REQUEST, own, bytes(4), bytes(6), address)
    return _ETHERNET.pack(_BROADCAST, own, _ETH_P_ARP) + arp


def claim(frame: bytes) -> Answer | None:
    """Who says in a frame that he has which address; None where it is no ARP reply."""
    if len(frame) < _ETHERNET.size + _ARP.size:
        return None
    *_, operation, link, sender, _, _ = _ARP.unpack_from(frame, _ETHERNET.size)
    return Answer(sender, link.hex(":")) if operation == _REPLY else None


def _frames(sock: socket.socket) -> Iterator[bytes]:
    until = time.monotonic() + _WAIT
    while (left := until - time.monotonic()) > 0:
        if not select.select([sock], [], [], left)[0]:
            return
        yield sock.recv(1 << 11)
