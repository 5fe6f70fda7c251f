"""Whatever the bytes are: `dissect` answers, and what it says lies within them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrHopByHop, IPv6ExtHdrRouting
from scapy.packet import Raw

from pe_nfq.model import Datagram, Reason
from pe_nfq.packet.dissect import dissect

HEADERS = st.sampled_from(
    [
        IP(src="192.0.2.1", dst="192.0.2.2"),
        IP(src="192.0.2.1", dst="192.0.2.2", options=b"\x01" * 12),
        IPv6(src="2001:db8::1", dst="2001:db8::2"),
        IPv6(src="2001:db8::1", dst="2001:db8::2") / IPv6ExtHdrHopByHop() / IPv6ExtHdrDestOpt(),
        IPv6(src="2001:db8::1", dst="2001:db8::2") / IPv6ExtHdrRouting(),
    ]
)
PORTS = st.integers(0, 0xFFFF)


@st.composite
def packets(draw: st.DrawFn) -> tuple[bytes, bytes, int, int]:
    """A good packet with its payload and ports, built by scapy."""
    payload, sport, dport = draw(st.binary(max_size=60)), draw(PORTS), draw(PORTS)
    udp = UDP(sport=sport, dport=dport, chksum=0)
    return bytes(draw(HEADERS) / udp / Raw(payload)), payload, sport, dport


def check(packet: bytes) -> Datagram | Reason:
    found = dissect(packet)
    if isinstance(found, Datagram):
        assert 28 <= found.at <= found.end <= len(packet)
        assert len(found.src.address) == len(found.dst.address) in (4, 16)
        assert not found.cut or found.end == len(packet)
    else:
        assert isinstance(found, Reason)
    return found


@given(packets(), st.binary(max_size=8))
def test_finds_what_scapy_built(built: tuple[bytes, bytes, int, int], padding: bytes) -> None:
    packet, payload, sport, dport = built
    found = check(packet + padding)
    assert isinstance(found, Datagram)
    assert (packet[found.at : found.end], found.src.port, found.dst.port) == (payload, sport, dport)
    assert not found.cut


@given(packets())
def test_every_truncation_is_truncated_or_cut(built: tuple[bytes, bytes, int, int]) -> None:
    """Never anything worse: the headers that are there are right."""
    packet, payload, *_ = built
    headers = len(packet) - len(payload)
    for size in range(len(packet)):
        found = check(packet[:size])
        if size < headers:
            assert found is Reason.TRUNCATED
        else:
            assert isinstance(found, Datagram)
            assert (found.cut, found.end) == (True, size)


@given(packets(), st.data())
def test_mutations_are_answered(built: tuple[bytes, bytes, int, int], data: st.DataObject) -> None:
    packet = bytearray(built[0])
    for _ in range(data.draw(st.integers(1, 4))):
        packet[data.draw(st.integers(0, min(len(packet), 70) - 1))] = data.draw(st.integers(0, 255))
    check(bytes(packet))


@given(st.sampled_from([b"", b"\x45", b"\x4f", b"\x60"]), st.binary(max_size=100))
def test_random_bytes_are_answered(start: bytes, rest: bytes) -> None:
    check(start + rest)


@pytest.mark.parametrize("next_header", range(256))
def test_any_next_header_ends(next_header: int) -> None:
    """An endless chain of one extension header is not followed."""
    packet = b"\x60\0\0\0" + (800).to_bytes(2) + bytes([next_header, 64]) + bytes(32)
    check(packet + bytes([next_header]) + bytes(799))
    chain = (bytes([next_header]) + bytes(7)) * 100
    check(packet + chain)
