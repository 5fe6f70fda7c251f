"""IP fragments of a capture -> whole packets (RFC 791, section 3.2; RFC 8200, section 4.5). Pure.

The kernel does this before a packet is queued, and so must whoever explains a
capture. Follows its rules (ip_fragment.c, nf_conntrack_reasm.c): fragments that
overlap void their datagram, one that repeats another is ignored.
"""

import struct
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from pe_nfq.packet.dissect import EXTENSIONS, FRAGMENT_HEADER, MAX_EXTENSION_HEADERS

#: Datagrams under way at once, the oldest gives way: 16 MiB where each is as large as can be.
MAX_PENDING: Final = 256
#: Fragments of a datagram: 65,535 bytes in pieces for the smallest MTU an IPv4 host accepts, 576.
MAX_FRAGMENTS: Final = 128
#: Seconds that a datagram's fragments are waited for (net.ipv4.ipfrag_time).
TIMEOUT: Final = 30.0

_MAX_PACKET: Final = 0xFFFF
_IPV6_SIZE: Final = 40
#: Where the IPv6 header names the header that follows it.
_IPV6_NEXT: Final = 6
_IPV4: Final = struct.Struct("!2xHHHxB2x8s")
# next header, offset and flags, identification
_FRAGMENT6: Final = struct.Struct("!BxHI")


class _Fragment(NamedTuple):
    """A piece of a datagram; `head` is what comes before the payload of the whole."""

    key: Hashable
    head: bytes
    offset: int
    more: bool
    body: bytes


@dataclass(slots=True)
class _Pending:
    """A datagram under way: what is there by offset; `size` is known from the last fragment."""

    since: float
    head: bytes = b""
    size: int | None = None
    parts: dict[int, bytes] = field(default_factory=dict)


class Reassembler:
    """Puts fragments together. `given_up` counts datagrams that were not completed so far."""

    def __init__(self) -> None:
        self._pending: dict[Hashable, _Pending] = {}
        self.given_up = 0

    @property
    def incomplete(self) -> int:
        """Datagrams that have not been completed: given up, or still under way."""
        return self.given_up + len(self._pending)

    def add(self, packet: bytes, now: float) -> bytes | None:
        """A packet that is no fragment, as it is; one that `packet` completes; else None.

        `now` is the packet's time in seconds.
        """
        fragment = _fragment(packet)
        if fragment is None:
            return packet
        pending = self._pending_of(fragment.key, now)
        if not _fits(pending, fragment):
            self._give_up(fragment.key)
            return None
        pending.parts[fragment.offset] = fragment.body
        if fragment.offset == 0:
            pending.head = fragment.head
        if not fragment.more:
            pending.size = fragment.offset + len(fragment.body)
        # Nothing overlaps and nothing lies beyond `size`: all is there when the lengths say so.
        if sum(map(len, pending.parts.values())) != pending.size:
            return None
        del self._pending[fragment.key]
        return _whole(pending)

    def _pending_of(self, key: Hashable, now: float) -> _Pending:
        pending = self._pending.get(key)
        if pending is not None and now - pending.since > TIMEOUT:
            self._give_up(key)
            pending = None
        if pending is None:
            if len(self._pending) >= MAX_PENDING:
                self._give_up(next(iter(self._pending)))
            pending = self._pending[key] = _Pending(now)
        return pending

    def _give_up(self, key: Hashable) -> None:
        del self._pending[key]
        self.given_up += 1


def _fits(pending: _Pending, fragment: _Fragment) -> bool:
    """Whether a fragment goes with those that are there."""
    end = fragment.offset + len(fragment.body)
    if pending.parts.get(fragment.offset) == fragment.body:
        return True
    last = max((at + len(part) for at, part in pending.parts.items()), default=0)
    return (
        0 < len(fragment.body) <= _MAX_PACKET - fragment.offset
        and not (fragment.more and len(fragment.body) % 8)
        and len(pending.parts) < MAX_FRAGMENTS
        and (fragment.more or (pending.size is None and end >= last))
        and (pending.size is None or end <= pending.size)
        and all(
            end <= at or fragment.offset >= at + len(part) for at, part in pending.parts.items()
        )
    )


def _whole(pending: _Pending) -> bytes | None:
    body = b"".join(part for _, part in sorted(pending.parts.items()))
    packet = bytearray(pending.head + body)
    if packet[0] >> 4 == 4:
        if len(packet) > _MAX_PACKET:
            return None
        packet[2:4] = len(packet).to_bytes(2)
    else:
        if len(packet) - _IPV6_SIZE > _MAX_PACKET:
            return None
        packet[4:6] = (len(packet) - _IPV6_SIZE).to_bytes(2)
    return bytes(packet)


def _fragment(packet: bytes) -> _Fragment | None:
    """The fragment that a packet is; None when it is none, or too broken to tell."""
    if not packet:
        return None
    return {4: _fragment4, 6: _fragment6}.get(packet[0] >> 4, lambda _: None)(packet)


def _fragment4(packet: bytes) -> _Fragment | None:
    header = (packet[0] & 0x0F) * 4
    if header < 20 or len(packet) < header:
        return None
    total, identification, bits, protocol, ends = _IPV4.unpack_from(packet)
    if not bits & 0x3FFF or not header < total <= len(packet):
        return None
    head = bytearray(packet[:header])
    head[6:8] = bytes(2)
    key = (ends, protocol, identification)
    return _Fragment(
        key, bytes(head), (bits & 0x1FFF) * 8, bool(bits & 0x2000), packet[header:total]
    )


def _fragment6(packet: bytes) -> _Fragment | None:
    if len(packet) < _IPV6_SIZE:
        return None
    total = _IPV6_SIZE + int.from_bytes(packet[4:6])
    link, at = _IPV6_NEXT, _IPV6_SIZE
    for _ in range(MAX_EXTENSION_HEADERS):
        unit = EXTENSIONS.get(packet[link])
        if unit is None or at + _FRAGMENT6.size >= total or total > len(packet):
            return None
        if packet[link] == FRAGMENT_HEADER:
            break
        link, at = at, at + 8 + unit * packet[at + 1]
    else:
        return None
    next_header, bits, identification = _FRAGMENT6.unpack_from(packet, at)
    if not bits & 0xFFF9:
        return None
    head = bytearray(packet[:at])
    head[link] = next_header
    key = (packet[8:40], identification)
    body = packet[at + _FRAGMENT6.size : total]
    return _Fragment(key, bytes(head), bits & 0xFFF8, bool(bits & 1), body)
