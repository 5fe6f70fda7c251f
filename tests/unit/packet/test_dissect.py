"""`dissect` case by case: what each malformed header is called."""

import pytest

from pe_nfq.model import Datagram, Endpoint, Reason
from pe_nfq.packet.dissect import MAX_EXTENSION_HEADERS, dissect

SRC, DST = bytes([192, 0, 2, 1]), bytes([192, 0, 2, 2])
SRC6, DST6 = b"\x20\x01\x0d\xb8" + bytes(11) + b"\x01", b"\x20\x01\x0d\xb8" + bytes(11) + b"\x02"
UDP, TCP, HOP, ROUTING, FRAGMENT, AH, NONE, OPTIONS = 17, 6, 0, 43, 44, 51, 59, 60


def udp(payload: bytes = b"hello", length: int | None = None) -> bytes:
    size = 8 + len(payload) if length is None else length
    return b"".join(n.to_bytes(2) for n in (5060, 5062, size, 0)) + payload


def ipv4(
    rest: bytes, protocol: int = UDP, fragment: int = 0, total: int | None = None, words: int = 5
) -> bytes:
    options = bytes(4 * max(words - 5, 0))
    size = 20 + len(options) + len(rest) if total is None else total
    return (
        bytes([0x40 | words, 0]) + size.to_bytes(2) + bytes(2) + fragment.to_bytes(2)
        + bytes([64, protocol, 0, 0]) + SRC + DST + options + rest
    )  # fmt: skip


def ipv6(rest: bytes, next_header: int = UDP, length: int | None = None) -> bytes:
    size = len(rest) if length is None else length
    return b"\x60\0\0\0" + size.to_bytes(2) + bytes([next_header, 64]) + SRC6 + DST6 + rest


def extension(next_header: int, units: int = 0, size: int = 8) -> bytes:
    return bytes([next_header, units]) + bytes(size - 2)


def fragment(bits: int) -> bytes:
    return bytes([UDP, 0]) + bits.to_bytes(2) + bytes(4)


FOUND = {
    "ipv4": ipv4(udp()),
    "ipv4 options": ipv4(udp(), words=15),
    "ipv4 don't fragment": ipv4(udp(), fragment=0x4000),
    "ipv4 padding of the link": ipv4(udp()) + bytes(13),
    "udp shorter than ip": ipv4(udp() + b"surplus"),
    "ipv6": ipv6(udp()),
    "ipv6 hop-by-hop": ipv6(extension(UDP) + udp(), HOP),
    "ipv6 long options": ipv6(extension(UDP, 2, 24) + udp(), OPTIONS),
    "ipv6 routing": ipv6(extension(UDP, 4, 40) + udp(), ROUTING),
    "ipv6 authentication": ipv6(extension(UDP, 4, 24) + udp(), AH),
    "ipv6 atomic fragment": ipv6(fragment(0) + udp(), FRAGMENT),
    "ipv6 reserved fragment bits": ipv6(fragment(0x0006) + udp(), FRAGMENT),
    "ipv6 as many as may be": ipv6(
        extension(OPTIONS) * (MAX_EXTENSION_HEADERS - 1) + extension(UDP) + udp(), OPTIONS
    ),
}


@pytest.mark.parametrize("packet", FOUND.values(), ids=FOUND)
def test_finds_the_datagram(packet: bytes) -> None:
    found = dissect(packet)
    assert isinstance(found, Datagram)
    assert packet[found.at : found.end] == b"hello"
    assert not found.cut
    v4 = packet[0] >> 4 == 4
    assert found.src == Endpoint(SRC if v4 else SRC6, 5060)
    assert found.dst == Endpoint(DST if v4 else DST6, 5062)


REFUSED = {
    "no bytes": (b"", Reason.TRUNCATED),
    "not ip": (b"\x55" + bytes(40), Reason.NOT_IP),
    "ipv4 header cut": (ipv4(udp())[:19], Reason.TRUNCATED),
    "ipv4 options cut": (ipv4(udp(), words=15)[:59], Reason.TRUNCATED),
    "ipv4 header of 16 bytes": (ipv4(udp(), words=4), Reason.INCONSISTENT),
    "ipv4 total below the header": (ipv4(udp(), total=19), Reason.INCONSISTENT),
    "ipv4 total 0": (ipv4(udp(), total=0), Reason.INCONSISTENT),
    "ipv4 total within the udp header": (ipv4(udp(), total=27), Reason.INCONSISTENT),
    "ipv4 tcp": (ipv4(udp(), TCP), Reason.NOT_UDP),
    "ipv4 tcp fragment": (ipv4(udp(), TCP, 0x2000), Reason.NOT_UDP),
    "ipv4 first fragment": (ipv4(udp(), fragment=0x2000), Reason.FRAGMENT),
    "ipv4 last fragment": (ipv4(udp(), fragment=0x00B9), Reason.FRAGMENT),
    "udp length 7": (ipv4(udp(length=7)), Reason.INCONSISTENT),
    "udp length 0": (ipv4(udp(length=0)), Reason.INCONSISTENT),
    "udp length beyond ip": (ipv4(udp(length=14)), Reason.INCONSISTENT),
    "udp header cut": (ipv4(udp())[:27], Reason.TRUNCATED),
    "ipv6 header cut": (ipv6(udp())[:39], Reason.TRUNCATED),
    "ipv6 tcp": (ipv6(udp(), TCP), Reason.NOT_UDP),
    "ipv6 no next header": (ipv6(b"", NONE), Reason.NOT_UDP),
    "ipv6 first fragment": (ipv6(fragment(0x0001) + udp(), FRAGMENT), Reason.FRAGMENT),
    "ipv6 last fragment": (ipv6(fragment(0x0100) + udp(), FRAGMENT), Reason.FRAGMENT),
    "ipv6 jumbogram": (ipv6(extension(UDP) + udp(), HOP, length=0), Reason.INCONSISTENT),
    "ipv6 empty": (ipv6(udp(), length=0), Reason.INCONSISTENT),
    "ipv6 extension cut": (ipv6(extension(UDP) + udp(), HOP)[:47], Reason.TRUNCATED),
    "ipv6 extension beyond ip": (ipv6(extension(UDP, 9) + udp(), HOP), Reason.INCONSISTENT),
    "ipv6 too many": (
        ipv6(extension(OPTIONS) * MAX_EXTENSION_HEADERS + extension(UDP) + udp(), OPTIONS),
        Reason.INCONSISTENT,
    ),
}


@pytest.mark.parametrize(("packet", "reason"), REFUSED.values(), ids=REFUSED)
def test_names_what_is_wrong(packet: bytes, reason: Reason) -> None:
    assert dissect(packet) is reason


def test_cut_means_that_the_datagrams_own_bytes_are_missing() -> None:
    """Bytes that IP has and UDP does not count may be missing."""
    packet = ipv4(udp() + b"surplus")
    for size, end, cut in (
        (len(packet), 33, False),
        (33, 33, False),
        (32, 32, True),
        (28, 28, True),
    ):
        found = dissect(packet[:size])
        assert isinstance(found, Datagram)
        assert (found.end, found.cut) == (end, cut)
