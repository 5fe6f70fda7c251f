"""Fragments made by hand are one datagram again for whoever puts them together."""

from scapy.layers.inet import IP, UDP, defragment
from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment, defragment6

from tests.lab.fragments import fragments

PAYLOAD = bytes(range(256)) * 20


def test_ipv4() -> None:
    """All fit into a LAN's MTU; together they are a datagram whose checksum is right."""
    packets = [IP(piece) for piece in fragments("192.0.2.1", "192.0.2.2", PAYLOAD)]

    (whole,) = defragment(packets)

    assert max(map(len, packets)) <= 1500
    assert len(packets) == 5
    assert bytes(whole[UDP].payload) == PAYLOAD
    assert whole[UDP].chksum == _right_checksum(IP(src="192.0.2.1", dst="192.0.2.2"))


def test_ipv6() -> None:
    """The same with extension headers."""
    packets = [IPv6(piece) for piece in fragments("2001:db8::1", "2001:db8::2", PAYLOAD)]

    whole = defragment6(packets)

    assert max(map(len, packets)) <= 1500
    assert all(IPv6ExtHdrFragment in packet for packet in packets)
    assert bytes(whole[UDP].payload) == PAYLOAD
    assert whole[UDP].chksum == _right_checksum(IPv6(src="2001:db8::1", dst="2001:db8::2"))


def test_each_datagram_has_its_own_number() -> None:
    """Fragments of two datagrams do not mix."""
    first, second = (IP(fragments("192.0.2.1", "192.0.2.2", PAYLOAD)[0]).id for _ in range(2))

    assert first != second


def _right_checksum(header: IP | IPv6) -> int:
    packet = header / UDP(sport=5060, dport=5060) / PAYLOAD
    checksum: int = type(header)(bytes(packet))[UDP].chksum
    return checksum
